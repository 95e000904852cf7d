"""What is kept between frames, and what is given back."""

from dataclasses import replace

import numpy as np
import pytest

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.cpu import Layer
from compositor.render.gl import GlRenderer, Target

pytestmark = pytest.mark.real


def image(value: int) -> Layer:
    return Layer(np.full((16, 16, 4), value, np.uint8), PixelFormat.XRGB8888)


def test_two_buffers_of_a_guest_that_flips_have_a_texture_each(renderer: GlRenderer) -> None:
    target = Target(renderer.gl, 16, 16)
    front, back = image(1), image(2)
    for layer in (front, back, front, back):
        renderer.compose(target, [layer], [target.rect])
        np.testing.assert_array_equal(target.read()[..., :3], layer.pixels[..., :3])
    assert len(renderer.textures._entries) == 2
    target.delete()


def test_a_texture_that_long_no_frame_shows_is_given_back(renderer: GlRenderer) -> None:
    target = Target(renderer.gl, 16, 16)
    renderer.compose(target, [image(1)], [target.rect])
    for _ in range(20):
        renderer.compose(target, [], [target.rect])
    assert not renderer.textures._entries
    target.delete()


def test_what_is_on_its_way_into_a_buffer_is_shown(renderer: GlRenderer) -> None:
    class Copy:
        """See `compositor.pixels.incoming.Incoming`."""

        def __init__(self, target: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> None:
            self.source = np.full_like(target, 9)
            self.target = target
            self.done = False

        def finish(self) -> None:
            self.target[...] = self.source
            self.done = True

    target, layer = Target(renderer.gl, 16, 16), image(1)
    incoming = Copy(layer.pixels)
    renderer.compose(target, [replace(layer, incoming=incoming)], [target.rect])
    assert incoming.done
    assert (target.read()[..., :3] == 9).all()
    target.delete()


def test_a_picture_beyond_the_target_is_cut(renderer: GlRenderer) -> None:
    target = Target(renderer.gl, 16, 16)
    written = renderer.compose(target, [replace(image(3), x=10, y=-10)], [Rect(-5, -5, 99, 99)], 0x010203)
    assert written == [4 * 6 * 6, 4 * (16 * 16 - 6 * 6)]
    shown = target.read()
    assert (shown[:6, 10:, :3] == 3).all()
    assert (shown[6:, :, :3] == (3, 2, 1)).all()
    target.delete()
