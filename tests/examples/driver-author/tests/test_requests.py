"""What a driver sends, one request after the other, and what the device answers."""

from __future__ import annotations

from typing import Any

import pytest

from compositor import Machine
from compositor.testing.machines import MachineFactory
from compositor.testing.screenshots import Screenshot
from guest import CommandedGuest
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, Rect, Response

WHOLE = Rect(0, 0, 320, 240)


async def booted(machine: MachineFactory) -> tuple[Machine, CommandedGuest]:
    """A driver that has probed its device, and shows nothing yet."""
    screen = await machine(outputs=["320x240@60"])
    driver = CommandedGuest()
    await screen.attach(driver)
    await screen.run(seconds=0)
    return screen, driver


async def test_the_device_says_which_displays_there_are(machine: MachineFactory) -> None:
    screen, driver = await booted(machine)
    displays = driver.send(Command.GET_DISPLAY_INFO)
    edid = driver.send(Command.GET_EDID, wire.GetEdid(0))
    await screen.run(seconds=0)
    first, *others = displays.body(wire.RespDisplayInfo).pmodes
    assert (first.rect, first.enabled) == (WHOLE, 1)
    assert not any(other.enabled for other in others)
    assert edid.body(wire.RespEdid).edid.startswith(bytes.fromhex("00ffffffffffff00"))


async def test_the_order_of_a_drivers_first_picture(machine: MachineFactory, screenshot: Screenshot) -> None:
    screen, driver = await booted(machine)
    pixels = driver.picture(1, 320, 240)
    pixels[:] = (0x80, 0x40, 0x20, 0)  # blue, green, red
    pixels[60:180, 80:240] = (0x20, 0xC0, 0xF0, 0)
    driver.scan_out(1, 320, 240)
    flushed = driver.flush(1, WHOLE, fence=True)
    frame = await screen.next_frame()
    await screen.idle()
    assert driver.answers[-3:] == [Response.OK_NODATA] * 3
    assert frame.direct  # the guest's own pages are on the screen
    assert flushed.done
    screenshot.check(screen)


async def test_a_fence_signals_once_the_host_lets_go_of_the_buffer(machine: MachineFactory) -> None:
    screen, driver = await booted(machine)
    driver.show(1, 320, 240, 0x40)
    await screen.next_frame()
    driver.picture(2, 320, 240)[:] = 0x80
    driver.scan_out(2, 320, 240)
    flushed = driver.flush(2, WHOLE, fence=True)
    await screen.run(seconds=0.001)
    assert not flushed.done  # the first buffer is on the screen until the next vblank
    await screen.next_frame()
    await screen.idle()
    assert flushed.fence is not None
    assert flushed.fence.signaled
    assert flushed.response is Response.OK_NODATA


WRONG: dict[str, tuple[Command, tuple[Any, ...], Response]] = {
    "a flush of no resource": (
        Command.RESOURCE_FLUSH,
        wire.ResourceFlush(WHOLE, 7),
        Response.ERR_INVALID_RESOURCE_ID,
    ),
    "a scanout that is not there": (
        Command.SET_SCANOUT,
        wire.SetScanout(WHOLE, 9, 1),
        Response.ERR_INVALID_SCANOUT_ID,
    ),
    "a resource without number": (
        Command.RESOURCE_CREATE_2D,
        wire.ResourceCreate2d(0, Format.B8G8R8X8, 320, 240),
        Response.ERR_INVALID_RESOURCE_ID,
    ),
    "a format that is not there": (
        Command.RESOURCE_CREATE_2D,
        wire.ResourceCreate2d(8, 250, 320, 240),
        Response.ERR_INVALID_PARAMETER,
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
async def test_a_mistake_is_answered_and_the_picture_stays(machine: MachineFactory, mistake: str) -> None:
    screen, driver = await booted(machine)
    driver.show(1, 320, 240, 0x55)
    await screen.next_frame()
    command, body, expected = WRONG[mistake]
    answer = driver.send(command, body)
    await screen.run(seconds=0.1)
    assert answer.response is expected
    assert (screen.screenshot()[..., :3] == 0x55).all()
