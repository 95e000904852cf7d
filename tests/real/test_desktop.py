"""Debian's own display programs under a real kernel: weston, modetest and kmscube, on our screen."""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine
from guest import UmlGuest
from guest.linux import build_rootfs, find_rootfs
from virtio.errors import ScanoutError

pytestmark = pytest.mark.real
Run = Callable[..., Any]
Busy = Callable[[int], AbstractContextManager[None]]


@pytest.fixture(scope="module")
def root() -> Path:
    """The root in the cache; built first where that was asked for."""
    if "SCANOUT_TEST_ROOTFS_BUILD" in os.environ:
        return build_rootfs()
    try:
        return find_rootfs()
    except ScanoutError:
        pytest.skip(
            "no root: `scanout rootfs build` fetches 200 MB and takes minutes; "
            "SCANOUT_TEST_ROOTFS_BUILD=1 does it here"
        )


def check_scanned_out_in_place(stats: dict[str, Any], *, frames: int) -> None:
    """At least so many frames were shown, from the guest's own pages, and the device refused nothing."""
    (output,), (guest,) = stats["outputs"], stats["guests"]
    assert guest["frames"]["presented"] >= frames
    # Before the first of them the screen may have been black once, which is composed.
    assert output["direct_scanout"] >= guest["frames"]["presented"]
    assert guest["frames"]["torn"] == 0
    assert guest["bytes"]["transfer"] == guest["bytes"]["compose"] == 0
    assert guest["errors"] == {}


def colours(picture: NDArray[np.uint8]) -> int:
    return len(np.unique(picture.reshape(-1, 3), axis=0))


def test_five_seconds_of_a_desktop_are_the_same_in_every_run(scanout: Run, root: Path, busy: Busy) -> None:
    run = ("boot", "uml", "--clock", "virtual", "--root", root, "--seconds", "5", "--", "weston-desktop")
    done = scanout(*run)
    assert (done.status, done.err) == (0, "")
    stats = done.stats
    check_scanned_out_in_place(stats, frames=280)
    again = scanout(*run).stats
    with busy(2):
        loaded = scanout(*run).stats
    for other in (stats, again, loaded):
        del other["wall_s"]
    assert stats == again == loaded


@pytest.mark.parametrize("renderer", ["pixman", "gl"])
def test_weston_and_two_animated_clients(scanout: Run, root: Path, renderer: str) -> None:
    done = scanout(
        "boot", "uml", "--root", root, "--frames", "30", "--", "weston-desktop", f"--renderer={renderer}"
    )
    assert (done.status, done.err) == (0, "")
    check_scanned_out_in_place(done.stats, frames=30)
    assert done.picture.shape == (768, 1024, 3)
    assert colours(done.picture) > 100  # the background's and the panel's


def test_modetests_pattern_is_exact(scanout: Run, root: Path) -> None:
    # It shows the picture until its input ends. The last connector is the virtio GPU's.
    show = (
        "sleep 1000 | modetest -M virtio_gpu "
        "-s $(cat /sys/class/drm/card*-Virtual-*/connector_id | tail -n 1):#0"
    )
    done = scanout("boot", "uml", "--root", root, "--seconds", "5", "--", "sh", "-c", show)
    assert (done.status, done.err) == (0, "")
    check_scanned_out_in_place(done.stats, frames=1)
    assert np.array_equal(done.picture, smpte(1024, 768))


def smpte(width: int, height: int) -> NDArray[np.uint8]:
    """SMPTE's colour bars as modetest lays them out: (height, width, 3) uint8."""
    grey, black, white = (192, 192, 192), (19, 19, 19), (255, 255, 255)
    yellow, cyan, green = (192, 192, 0), (0, 192, 192), (0, 192, 0)
    magenta, red, blue = (192, 0, 192), (192, 0, 0), (0, 0, 192)
    rest = [(0, 33, 76), white, (50, 0, 106), black, (9, 9, 9), black, (29, 29, 29), black]
    x = np.arange(width)
    wide, narrow = width * 5 // 7, width // 7
    last = np.where(x < wide, x * 4 // wide, np.where(x < width * 6 // 7, (x - wide) * 3 // narrow + 4, 7))
    top = np.array([grey, yellow, cyan, green, magenta, red, blue], np.uint8)[x * 7 // width]
    middle = np.array([blue, black, magenta, black, cyan, black, grey], np.uint8)[x * 7 // width]
    picture = np.empty((height, width, 3), np.uint8)
    picture[: height * 6 // 9] = top
    picture[height * 6 // 9 : height * 7 // 9] = middle
    picture[height * 7 // 9 :] = np.array(rest, np.uint8)[last]
    return picture


def test_kmscube_turns(scanout: Run, root: Path) -> None:
    done = scanout("boot", "uml", "--root", root, "--frames", "10", "--", "kmscube")
    assert (done.status, done.err) == (0, "")
    check_scanned_out_in_place(done.stats, frames=10)
    assert colours(done.picture) > 1000  # its faces' gradients
    assert done.picture[0, 0].tolist() == [128, 128, 128]


async def test_one_boot_starts_a_desktop_twice(root: Path) -> None:
    """What the root prepared for it before (a seat) is not ended with the first one."""
    async with Machine(repaint="flush") as machine:
        guest = await machine.attach(UmlGuest(session=True, root=root))
        for _ in range(2):
            desktop = await guest.start("weston-desktop")
            await machine.frames(20)
            assert colours(machine.screenshot()[..., :3]) > 100
            assert not desktop.ended
            await guest.reset()
            assert (await desktop.wait()).status == -9
            machine.start_over()
        assert "1024x768" in (await guest.run("modetest -M virtio_gpu -c", check=True)).stdout
