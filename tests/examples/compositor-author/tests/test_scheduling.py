"""What a compositor may count on of its screen, without any kernel: commits, fences and the frame clock."""

from __future__ import annotations

import numpy as np
import pytest

from compositor.testing.guests import GuestFactory
from compositor.testing.machines import MachineFactory
from compositor.testing.screenshots import Screenshot
from guest import Kms, Picture, ScriptedGuest

REFRESH_NS = 1_000_000_000 / 60


def tiles(windows: int) -> Picture:
    """A row of windows of plain colours."""
    rgb = np.full((240, 320, 3), 32, np.uint8)
    for number in range(windows):
        left = 8 + number * 312 // windows
        rgb[8:232, left : left + 312 // windows - 8] = (60 * number, 200 - 40 * number, 120)
    return Picture(rgb, name="tiles")


async def test_a_frame_is_shown_only_when_its_client_is_done(
    machine: MachineFactory, screenshot: Screenshot
) -> None:
    async def compositor(kms: Kms) -> None:
        first = kms.commit(kms.framebuffer(tiles(2)))
        await kms.wait(first.out)
        slow_client = kms.after(0.020)  # it still draws for 20 ms
        second = kms.commit(kms.framebuffer(tiles(3)), in_fence=slow_client)
        await kms.wait(second.out)

    screen = await machine(outputs=["320x240@60"])
    guest = ScriptedGuest(compositor)
    await screen.attach(guest)
    before = await screen.next_frame()
    screenshot.check(screen, "two-windows")
    after = await screen.next_frame()
    screenshot.check(screen, "three-windows")
    # 20 ms after the first vblank is past the second one: the frame comes with the third.
    assert round((after.present_time_ns - before.present_time_ns) / REFRESH_NS) == 2
    await screen.idle()
    assert guest.finished


async def test_a_client_that_never_finishes_leaves_the_old_frame(machine: MachineFactory) -> None:
    async def compositor(kms: Kms) -> None:
        await kms.wait(kms.commit(kms.framebuffer(tiles(1))).out)
        kms.commit(kms.framebuffer(tiles(4)), in_fence=kms.fence())  # of a client that hangs

    screen = await machine(outputs=["320x240@60"])
    await screen.attach(ScriptedGuest(compositor))
    await screen.run(seconds=1)
    assert screen.presented == 1
    assert np.array_equal(screen.screenshot(), tiles(1).rgba)


@pytest.mark.scanout(policies=["none", "release", "queue"])
async def test_an_animation_misses_no_refresh(
    machine: MachineFactory, guest: GuestFactory, screenshot: Screenshot
) -> None:
    def slide(frame: int, canvas: np.ndarray) -> None:
        canvas[:] = 32
        canvas[40:200, 8 * frame : 8 * frame + 80] = (60, 180, 240, 0)

    screen = await machine(outputs=["320x240@60"])
    attached = await screen.attach(guest(slide))
    await screenshot.check_sequence(screen, "slide", frames=4, every=3)
    await screen.run(seconds=0.5)
    assert attached.statistics().frames["torn"] == 0
    assert screen.stats()["outputs"][0]["missed_vblanks"] == 0
