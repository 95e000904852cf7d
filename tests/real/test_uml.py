"""A real Linux kernel's virtio-gpu driver puts pictures on our screens, and no pixel is copied."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor import Machine, Placement
from guest import SimulatedGuest, UmlGuest
from guest.linux import expected
from virtio.errors import ScanoutError

pytestmark = pytest.mark.real
Run = Callable[..., Any]


@pytest.mark.parametrize("clock", ["real", "virtual"])
def test_pageflip_is_scanned_out_from_the_guests_own_pages(scanout: Run, clock: str) -> None:
    """A machine that stands still for 50 ms of real time makes Linux reuse a buffer early, which is found."""
    done = scanout("boot", "uml", "--program", "pageflip", "--frames", "120", "--clock", clock)
    (output,), (guest,) = done.stats["outputs"], done.stats["guests"]
    stood_still = clock == "real" and guest["frames"]["early_reuse"] > 0
    assert (done.status, done.err == "") == (0, not stood_still), done.err
    assert output["presented"] == output["direct_scanout"] == 120
    if not stood_still:
        assert guest["frames"] == {
            "submitted": 120, "presented": 120, "discarded": 0, "torn": 0, "early_reuse": 0,
        }  # fmt: skip
        # Frame 0 comes with the mode set.
        assert np.array_equal(done.picture, expected.pageflip(1024, 768, 119)[..., 2::-1])
    assert guest["bytes"] == {"transfer": 0, "cursor": 0, "compose": 0, "upload": 0, "readback": 0}
    assert "TRANSFER_TO_HOST_2D" not in guest["commands"]
    assert guest["errors"] == {}


def test_a_frame_in_the_middle_can_be_photographed(scanout: Run) -> None:
    done = scanout(
        "boot", "uml", "--program", "pageflip", "--frames", "9", "--screenshot-at", "5",
        "--outputs", "800x600@60",
    )  # fmt: skip
    assert done.status == 0, done.err
    assert np.array_equal(done.picture, expected.pageflip(800, 600, 4)[..., 2::-1])


def test_pattern_ends_by_itself_when_the_picture_is_up(scanout: Run) -> None:
    done = scanout("boot", "uml", "--program", "pattern")
    assert done.status == 0, done.err
    assert np.array_equal(done.picture, expected.pattern(1024, 768)[..., 2::-1])


async def test_two_kernels_on_two_outputs_and_a_simulated_guest_above_one() -> None:
    async with Machine(outputs=["640x480@60", "800x600@60"], clock="real", repaint="flush") as machine:
        for output in (0, 1):
            await machine.attach(UmlGuest("pageflip"), [Placement(output=output)])
        await machine.attach(SimulatedGuest("gears"), [Placement(output=1, x=8, y=8, width=320, height=240)])
        while min(guest.statistics().frames["presented"] for guest in machine.guests) < 30:
            await machine.next_frame()
        stats = machine.stats()
    assert [guest["name"] for guest in stats["guests"]] == ["uml", "uml-2", "gears"]
    assert all(guest["errors"] == {} for guest in stats["guests"])
    # Torn, on real time, only where the machine stood still for longer than Linux waits.
    assert all(not guest["frames"]["torn"] or guest["frames"]["early_reuse"] for guest in stats["guests"])


@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["--program", "pageflip", "--kernel", "/bin/true"], 2, "not a UML kernel"),
        (["--program", "pageflip", "--kernel", "/nowhere"], 2, "/nowhere: No such file or directory"),
        (["--program", "nosuch"], 2, "there is no guest program 'nosuch'; there are pageflip, pattern"),
        (["--", "/bin/nosuch"], 1, "uml: its program exited with status 127"),
        ([], 2, "nothing to run"),
        (["--root", "/nowhere", "--", "/bin/true"], 2, "/nowhere: the guest's root is not a directory"),
    ],
)
def test_what_cannot_work_is_one_line_on_standard_error(
    scanout: Run, arguments: list[str], status: int, line: str
) -> None:
    done = scanout("boot", "uml", *arguments, results=False)
    assert line in done.err
    assert done.err.count("\n") == 1
    assert done.err.startswith("scanout: ")
    assert done.status == status


def test_a_guest_that_dies_at_boot_is_told_with_its_kernels_last_words(scanout: Run, tmp_path: Path) -> None:
    broken = tmp_path / "initrd"
    broken.write_bytes(b"this is no archive")
    done = scanout("boot", "uml", "--initrd", broken, results=False)
    assert done.status == 1
    assert "uml panicked: Kernel panic - not syncing" in done.err
    assert done.err.count("\n") == 1


async def test_the_kernel_is_gone_when_the_machine_was_cancelled() -> None:
    async with Machine(clock="real", repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        task = asyncio.create_task(machine.run())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_kernel_that_is_not_there_leaves_the_machine_running() -> None:
    async with Machine(clock="real", repaint="flush") as machine:
        with pytest.raises(ScanoutError, match="/nowhere"):
            await machine.attach(UmlGuest("pageflip", kernel=Path("/nowhere")))
