"""Guests that are stalled, killed and rebooted; devices that need a reset; pages that change."""

from __future__ import annotations

import errno
import gc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from compositor import Machine
from compositor.errors import GuestFailed
from compositor.faults import Hotplug, Kill, NeedReset, Reboot, Scribble, Stall, inject
from compositor.machine.run import StopReason
from guest import SimulatedGuest
from guest.driver import DriverState
from guest.gpu import Gpu

Play = Callable[..., Any]


def mappings() -> int:
    """Of guests' memory, in this process."""
    return Path("/proc/self/maps").read_text(encoding="ascii").count("/memfd:gears")


def pauses(times: list[int]) -> list[int]:
    """Pauses between frames, in refreshes, beyond one."""
    steps = (round((after - before) * 60 / 1e9) for before, after in pairwise(times))
    return [step for step in steps if step > 1]


@pytest.mark.parametrize(
    "guest", [{}, {"render_ns": 5_000_000}, {"gpu": Gpu("native")}], ids=["at-once", "in-bands", "gpu"]
)
async def test_a_stalled_guest_goes_on_where_it_was(scene: Play, guest: dict[str, Any]) -> None:
    async with scene(**guest) as it:
        it.inject(Stall("gears", ms=100, at=0.504))
        await it.machine.run(seconds=1)
        assert pauses(it.times["left"])[0] in {6, 7, 8}
        assert len(pauses(it.times["left"])) <= 2
        frames = it.frames()
        assert frames["presented"] > 48
        assert frames["torn"] == frames["early_reuse"] == frames["discarded"] == 0


async def test_stalls_that_overlap_end_with_the_last(scene: Play) -> None:
    async with scene() as it:
        it.inject(Stall("gears", ms=100, at=0.5), Stall("gears", ms=100, at=0.55), Kill("gears", at=0.9))
        await it.machine.run(seconds=1)
        assert pauses(it.times["left"])[0] in {9, 10}


async def test_a_guest_killed_in_a_stall_stays_dead(scene: Play) -> None:
    async with scene() as it:
        it.inject(Stall("gears", ms=100, at=0.5), Kill("gears", at=0.55))
        await it.machine.run(seconds=1)
        assert it.frames()["presented"] == 30
        assert it.lines == ["gears was ended: killed by the script of faults"]


async def test_what_a_stalled_guest_is_told_it_hears_afterwards(scene: Play) -> None:
    async with scene() as it:
        it.inject(Stall("gears", ms=200, at=0.3), Hotplug("left", ms=100, mode="80x60@60", at=0.3))
        await it.machine.run(seconds=0.45)
        assert it.gears.guest.size == (64, 48)
        await it.machine.run(seconds=0.5)
        assert it.machine.screenshot(0).shape == (60, 80, 4)


async def test_a_killed_guest_leaves_nothing(scene: Play) -> None:
    """Its place on the screen is empty, and its memory is not mapped any more."""
    async with scene() as it:
        it.inject(Kill("gears", command="RESOURCE_FLUSH", nth=30))
        await it.machine.run(frames=28)
        before = mappings()
        assert before
        await it.machine.run(seconds=0.5)
        assert it.lines == ["gears was ended: killed by the script of faults"]
        gc.collect()  # of its last flip
        assert mappings() == 0
        assert it.machine.outputs[0].layers[0].buffer is None
        assert it.frames()["submitted"] == it.frames()["presented"] + it.frames()["discarded"]


async def test_a_fence_for_the_next_frame_of_a_guest_that_is_killed_ends(scene: Play) -> None:
    async with scene() as it:
        await it.machine.run(frames=10)
        it.inject(Kill("gears"))
        fence = it.gears.next_presented()
        await it.machine.run(seconds=0.1)
        assert fence.error == -errno.ENODEV


async def test_the_run_of_a_killed_guest_alone_fails() -> None:
    async with Machine(outputs=["64x48@60"], report=lambda _line: None) as machine:
        await machine.attach(SimulatedGuest("gears"))
        inject(machine, Kill("gears", at=0.1))
        with pytest.raises(GuestFailed, match="gears was ended: killed by the script of faults"):
            await machine.run(seconds=1)


async def test_a_reboot_takes_its_time_and_starts_from_nothing(scene: Play) -> None:
    async with scene() as it:
        it.inject(Reboot("gears", ms=100, at=0.5))
        await it.machine.run(seconds=0.55)
        assert it.gears.guest.driver.state is DriverState.CLOSED
        assert it.machine.outputs[0].layers[0].buffer is None, "a reset device shows nothing"
        await it.machine.run(seconds=0.45)
        assert it.frames()["presented"] == 54
        assert it.machine.stats()["guests"][0]["errors"] == {}


@pytest.mark.parametrize("sync", ["none", "blocking", "release", "queue", "out-fence"])
async def test_a_reboot_amid_a_flush_loses_no_answer(scene: Play, sync: str) -> None:
    async with scene(sync=sync) as it:
        it.inject(*(Reboot("gears", command="RESOURCE_FLUSH", nth=nth) for nth in (1, 10, 11, 30)))
        await it.machine.run(seconds=1)
        frames = it.frames()
        assert frames["submitted"] - frames["presented"] - frames["discarded"] <= 2
        assert frames["presented"] > 50
        assert frames["early_reuse"] == 0


async def test_a_device_that_needs_a_reset_keeps_its_picture_until_it_gets_one(scene: Play) -> None:
    """2.1.2: the driver is told by a change of the config space, and nothing else is to be relied on."""
    async with scene() as it:
        it.inject(NeedReset("gears", at=0.5), Reboot("gears", at=0.8))
        await it.machine.run(seconds=0.7)
        driver = it.gears.guest.driver
        assert driver.state.name == "LOST"
        assert it.machine.outputs[0].layers[0].buffer is not None
        assert len(it.times["left"]) == 30
        await it.machine.run(seconds=0.3)
        assert driver.state.name == "RUNNING"
        assert len(it.times["left"]) > 38


async def test_pages_that_change_before_they_are_read_are_a_torn_frame_and_early_reuse(scene: Play) -> None:
    async with scene() as it:
        it.inject(Scribble("gears", count=2, at=0.5))
        await it.machine.run(seconds=1)
        frames = it.frames()
        assert (frames["torn"], frames["early_reuse"], frames["presented"]) == (2, 2, 60)
        assert "was drawn over" in it.lines[0]


async def test_pages_that_change_in_an_output_with_a_pipeline_are_found_too(scene: Play) -> None:
    async with scene(pacing="triple") as it:
        it.inject(Scribble("gears", at=0.5))
        await it.machine.run(seconds=1)
        assert (it.frames()["torn"], it.frames()["early_reuse"]) == (1, 1)


async def test_faults_of_a_guest_that_has_ended_are_skipped(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(Kill("gears", at=0.1), Stall("gears", at=0.2), Kill("gears", at=0.3))
        assert await it.machine.run(seconds=0.5) is StopReason.SECONDS
        assert [why for _, why in injection.skipped] == ["gears has ended"] * 2
        assert [type(fault) for _, fault in injection.happened] == [Kill]


async def test_a_guest_of_another_machine_cannot_be_stopped(tmp_path: Path) -> None:
    lines: list[str] = []
    async with Machine(outputs=["64x48@60"], clock="real", report=lines.append) as machine:
        machine.serve(tmp_path / "gpu")
        injection = inject(machine, Stall("guest"))
    assert injection.skipped[0][1] == "guest: this machine did not start it, and cannot stop it"
