"""Guests in processes of their own, on the virtual clock."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from compositor import Machine, Placement
from compositor.errors import BadInput
from guest import ProcessGuest, SimulatedGuest
from guest.linux.errors import GuestDied
from virtio.errors import Misuse

Guest = Callable[..., SimulatedGuest | ProcessGuest]
CORNER = Placement(x=30, y=20, width=100, height=80)


async def show(make: Guest, **options: Any) -> dict[str, Any]:
    async with Machine(outputs=["160x120@60"], seed=7) as machine:
        await machine.attach(make("plasma", **options))
        await machine.attach(make("gears", **options), [CORNER])
        await machine.run(seconds=0.4)
        return machine.stats()


@pytest.mark.parametrize(
    "options",
    [{}, {"sync": "none"}, {"sync": "queue"}, {"sync": "out-fence"}, {"render_ns": 9_000_000}],
    ids=lambda options: "-".join(map(str, options.values())) or "release",
)
async def test_in_process_and_out_of_process_give_the_same_digest(options: dict[str, Any]) -> None:
    inside, outside = await show(SimulatedGuest, **options), await show(ProcessGuest, **options)
    assert outside["digest"] == inside["digest"]
    assert outside["outputs"] == inside["outputs"]
    for ours, theirs in zip(inside["guests"], outside["guests"], strict=True):
        assert ours["frames"] == theirs["frames"]
        assert ours["commands"] == theirs["commands"]
        assert theirs["errors"] == {}
        assert theirs["bytes"]["transfer"] == 0


@pytest.mark.parametrize("clock", ["virtual", "real"])
async def test_from_the_guests_memory_to_the_screen_no_byte_is_copied(
    clock: Literal["virtual", "real"],
) -> None:
    async with Machine(outputs=["160x120@60"], clock=clock, repaint="flush") as machine:
        await machine.attach(ProcessGuest("plasma", paced=clock == "virtual"))
        await machine.run(frames=20)
        stats = machine.stats()
    (output,), (guest,) = stats["outputs"], stats["guests"]
    assert guest["bytes"] == {"transfer": 0, "cursor": 0, "compose": 0, "upload": 0, "readback": 0}
    assert output["direct_scanout"] == output["presented"] >= 20
    assert "TRANSFER_TO_HOST_2D" not in guest["commands"]


async def test_it_follows_an_output_that_switches_mode() -> None:
    digests = []
    for make in (SimulatedGuest, ProcessGuest):
        async with Machine(outputs=["160x120@60"]) as machine:
            await machine.attach(make("plasma"))
            await machine.run(frames=3)
            machine.set_mode(0, "100x80@30")
            await machine.run(seconds=0.2)
            assert machine.screenshot().shape == (80, 100, 4)
            digests.append(machine.stats()["digest"])
    assert digests[0] == digests[1]


async def test_a_guest_that_is_killed_ends_the_run_by_its_name() -> None:
    async with Machine(outputs=["160x120@60"]) as machine:
        attachment = await machine.attach(ProcessGuest("plasma", name="victim"))
        await machine.run(frames=3)
        os.kill(_child(), signal.SIGKILL)
        with pytest.raises(GuestDied, match="victim was killed by SIGKILL"):
            await machine.run(seconds=10)
        assert attachment.name == "victim"


async def test_how_it_flips_was_settled_with_its_start() -> None:
    async with Machine(outputs=["160x120@60"]) as machine:
        attachment = await machine.attach(ProcessGuest("plasma"))
        attachment.set_sync("none")
        with pytest.raises(BadInput, match="queue"):
            attachment.set_sync("queue")
        with pytest.raises(Misuse):
            ProcessGuest("plasma", sync="never")


def _child() -> int:
    """The process that this one has started last."""
    return int(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()[-1])
