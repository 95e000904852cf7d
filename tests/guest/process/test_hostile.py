"""Every attack really reaches a device, goes on, and ends with its process."""

from collections.abc import Callable
from pathlib import Path

import pytest

from compositor.machine import Machine
from guest.linux.errors import GuestDied
from guest.process.hostile import ATTACKS, launch
from virtio.errors import Misuse

# What a device has counted when the attack is more than a boot, and what it may refuse.
REACHED = {
    "transfers": {"TRANSFER_TO_HOST_2D": 1},
    "blobs": {"RESOURCE_CREATE_BLOB": 3, "RESOURCE_UNREF": 3},
    "chains": {"GET_EDID": 3},  # it boots again after each
    "long-chains": {"GET_DISPLAY_INFO": 200},
    "flushes": {"RESOURCE_FLUSH": 200},
    "displays": {"GET_DISPLAY_INFO": 200},
    "cursors": {"UPDATE_CURSOR": 200},
    "huge-flushes": {"RESOURCE_FLUSH": 100},
    "reconnects": {"RESOURCE_FLUSH": 3},
}


def test_every_attack_is_tried() -> None:
    assert REACHED.keys() == ATTACKS.keys()


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_reaches_its_device_again_and_again(attack: str, tmp_path: Path) -> None:
    lines: list[str] = []
    async with Machine(
        outputs=["128x96@60"], clock="real", repaint="flush", digest=False, report=lines.append
    ) as machine:
        hostile = machine.serve(tmp_path / "gpu")

        def reached() -> bool:
            commands = hostile.statistics().commands
            return all(commands[name] >= count for name, count in REACHED[attack].items())

        async with await launch(attack, tmp_path / "gpu", tmp_path):
            await machine.until(reached, within=60, what=attack)
            if attack == "chains":
                assert "it loops, or is longer than its queue or table allows" in lines[0]
            if attack in ("huge-flushes", "flushes", "cursors"):
                await machine.until(_shows(machine), within=60)
        assert not hostile.statistics().errors, "what is refused at once costs nothing, and is no attack"


def _shows(machine: Machine) -> Callable[[], bool]:
    return lambda: machine.presented > 1


async def test_an_unknown_attack_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"no attack 'siege'; there are transfers, blobs, chains, "):
        await launch("siege", tmp_path / "gpu", tmp_path)


async def test_an_attack_without_a_device_says_so(tmp_path: Path) -> None:
    async with await launch("flushes", tmp_path / "gpu", tmp_path) as process:
        with pytest.raises(GuestDied, match=r"cannot connect to .*gpu"):
            await process.wait()
