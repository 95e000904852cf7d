"""Layers whose content is fetched while they are painted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import blend, lanes
from compositor.render.cpu import Layer, compose

Pixels = NDArray[np.uint8]


class Content:
    """Noise that is to come into a picture of zeros."""

    def __init__(self, width: int, height: int, seed: int = 0) -> None:
        self.source = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
        self.source.flags.writeable = False
        self.target = np.zeros_like(self.source)
        self.done = False

    def finish(self) -> None:
        if not self.done:
            self.done = True
            self.target[:] = self.source

    def layer(self, pixel_format: PixelFormat, x: int = 0, y: int = 0, *, late: bool = True) -> Layer:
        pixels = (self.target if late else self.source).view()
        pixels.flags.writeable = False
        return Layer(pixels, pixel_format, x, y, self if late else None)


@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(PixelFormat),
    st.integers(-9, 9),
    st.integers(-9, 9),
    st.lists(st.builds(Rect, st.integers(0, 20), st.integers(0, 20), st.integers(1, 40), st.integers(1, 40))),
)
def test_the_picture_is_that_of_the_content_and_all_of_it_is_copied_if_any_is_painted(
    width: int, height: int, pixel_format: PixelFormat, x: int, y: int, damage: list[Rect]
) -> None:
    content = Content(width, height, width + height)
    target, expected = np.zeros((2, 30, 30, 4), np.uint8)
    written, _background = compose(target, [content.layer(pixel_format, x, y)], damage)
    compose(expected, [content.layer(pixel_format, x, y, late=False)], damage)
    np.testing.assert_array_equal(target, expected)
    assert content.done is (written > 0)
    np.testing.assert_array_equal(content.target, content.source if content.done else 0)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("pixel_format", [PixelFormat.XRGB8888, PixelFormat.RGBX8888])
def test_large_pictures_are_fetched_on_two_threads(
    monkeypatch: pytest.MonkeyPatch, compiled: bool, pixel_format: PixelFormat
) -> None:
    kernels = blend.load() if compiled else None
    monkeypatch.setattr(blend, "ready", lambda _pixels: kernels)
    parts: list[tuple[int, int]] = []
    run = lanes.run

    def noted(job: lanes.Job, rows: int, row_bytes: int) -> None:
        def part(top: int, bottom: int) -> None:
            parts.append((top, bottom))
            job(top, bottom)

        run(part, rows, row_bytes)

    monkeypatch.setattr(lanes, "run", noted)
    monkeypatch.setattr(lanes, "_helper", lanes._helper.__wrapped__)
    content = Content(640, 480)
    target = np.zeros((480, 640, 4), np.uint8)
    compose(target, [content.layer(pixel_format)], [Rect(0, 0, 640, 480)])
    np.testing.assert_array_equal(content.target, content.source)
    order = [pixel_format.blue, pixel_format.green, pixel_format.red]
    np.testing.assert_array_equal(target[..., :3], content.source[..., order])
    assert (target[..., 3] == 255).all()
    assert sorted(parts)[0][0] == 0
    assert sorted(parts)[-1][1] == 480


def test_content_that_has_arrived_is_not_fetched_again() -> None:
    content = Content(8, 8)
    content.finish()
    layer = content.layer(PixelFormat.XRGB8888)
    content.source = np.full_like(content.source, 9)
    target = np.zeros((8, 8, 4), np.uint8)
    compose(target, [layer], [Rect(0, 0, 8, 8)])
    np.testing.assert_array_equal(target[..., :3], content.target[..., :3])
