"""Direct scan-out in a window: the guest's own pages are uploaded, and nothing is rendered."""

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.screen.window import WindowScreen
from guest import SimulatedGuest
from guest.workloads import create_workload

pytestmark = pytest.mark.real

Picture = NDArray[np.uint8]
SIZE = 4 * 320 * 240


async def test_a_guest_in_a_window_costs_one_upload_a_frame_and_no_other_copy(display: str) -> None:
    async with Machine(outputs=["320x240@60"], clock="real", window=True, digest=False) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        frames = [await machine.next_frame() for _ in range(5)]
        (guest,) = machine.stats()["guests"]
        shot = machine.screenshot()
    assert all(frame.direct for frame in frames)
    presented = guest["frames"]["presented"]
    assert guest["bytes"] == {
        "transfer": 0,
        "cursor": 0,
        "compose": 0,
        "upload": presented * SIZE,
        "readback": 0,
    }
    last = frames[-1].frame_ids["plasma"]
    assert last is not None
    assert any(np.array_equal(shot, drawn(last + n)) for n in range(3)), "another frame may just have come"


def drawn(number: int) -> Picture:
    """What the guest painted as its frame of that number, RGBA."""
    pixels = np.zeros((240, 320, 4), np.uint8)
    create_workload("plasma", 0).draw(number, pixels)
    pixels[..., 3] = 255
    return pixels[..., [2, 1, 0, 3]]


def test_the_window_shows_the_guests_pages_before_with_and_after_a_cursor(
    open_screen: Callable[[Output], WindowScreen], photograph: Callable[[WindowScreen], Picture]
) -> None:
    """With a cursor it is a composed frame; the window follows there and back again."""
    output, random = Output("320x240"), np.random.default_rng(5)
    layer, cursor = OutputLayer("guest-0"), OutputLayer("cursor", z=9, cursor=True)
    output.add(layer)
    output.add(cursor)
    screen = open_screen(output)
    output.one_plane = screen.one_plane
    arrow = Buffer(np.full((16, 16, 4), 200, np.uint8), PixelFormat.ARGB8888)
    for shown in (None, arrow, None, None):
        content = random.integers(0, 256, (240, 320, 4), np.uint8)
        output.show(cursor, shown, position=(30, 40))
        output.show(layer, Buffer(content, PixelFormat.XBGR8888))
        frame = output.commit(0)
        assert frame is not None
        assert frame.direct == (shown is None)
        assert np.shares_memory(frame.pixels, content) == frame.direct
        screen.show(output, frame)
        np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])


def test_buffers_that_flip_with_little_damage_show_all_of_the_newest_picture(
    open_screen: Callable[[Output], WindowScreen], photograph: Callable[[WindowScreen], Picture]
) -> None:
    """Two buffers, each the other one's picture but for a line."""
    output, layer = Output("320x240"), OutputLayer("guest-0")
    output.add(layer)
    screen = open_screen(output)
    buffers = [np.zeros((240, 320, 4), np.uint8) for _ in range(2)]
    for line in range(4):
        content = buffers[line % 2]
        content[...] = buffers[1 - line % 2]
        content[line] = 50 + line
        output.show(layer, Buffer(content, PixelFormat.XRGB8888), Rect(0, line, 320, 1) if line else None)
        frame = output.commit(0)
        assert frame is not None
        screen.show(output, frame)
        np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])
    assert screen.upload_bytes == SIZE + 3 * 4 * 320
