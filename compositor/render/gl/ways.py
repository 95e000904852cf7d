"""Tries out and measures every way to hand pixels to the driver at hand.

A way that does not show a known picture as it is, is out. Of the others the fastest is used, measured with
the drawing: what is quick to upload can be slow to draw. Opaque images can be blitted, so they are measured
for themselves.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import exact
from compositor.render.gl.library import check
from compositor.render.gl.painter import Painter
from compositor.render.gl.target import Target
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import EVERY_WAY, Uploader, Way
from compositor.render.layer import Layer

Stopwatch = Callable[[], float]
Pixels = NDArray[np.uint8]

TEST_SIZE = (64, 16)  # of the pictures of a self-test; rows of 256 bytes suit every driver
_SIDE = 256  # of the picture that is measured, pixels
_RUNS = 3
_EQUAL = 1.1  # times closer than this are noise


def fastest(
    gl: Any, painter: Painter, pixel_format: PixelFormat, stopwatch: Stopwatch | None
) -> tuple[Way, str]:
    """The fastest way that shows pictures as they are, and why it is that one.

    Args:
        gl: `pyglet.gl`.
        painter: Of the current context.
        pixel_format: Of the images; what has alpha is blended.
        stopwatch: Seconds; None: the first way that is right is good enough.

    Raises:
        ScreenError: No way is right: the driver is broken.
    """
    right = [way for way in EVERY_WAY if _is_right(gl, painter, way, pixel_format)]
    if not right:
        raise ScreenError("the display's OpenGL driver shows no picture as it is")
    wrong = "".join(f"; shows pictures wrongly: {way}" for way in EVERY_WAY if way not in right)
    if stopwatch is None:
        return right[0], f"the first that works{wrong}"
    times = {way: 1e3 * _seconds(gl, painter, way, pixel_format, stopwatch) for way in right}
    enough = _EQUAL * min(times.values())
    listed = ", ".join(f"{way} {time:.2f}" for way, time in times.items())
    first = next(way for way in right if times[way] <= enough)
    return first, f"ms for {_SIDE}x{_SIDE} pixels, drawing included: {listed}{wrong}"


def shows(gl: Any, painter: Painter, texture: Texture, pixels: Pixels) -> bool:
    """Whether `texture` drawn into a target is what the CPU renderer makes of `pixels`.

    Raises:
        ScreenError: The driver refuses.
    """
    height, width = pixels.shape[:2]
    target = Target(gl, width, height)
    try:
        with painter.painting(target):
            painter.fill(target.rect, 0)
            painter.paint(texture, Layer(pixels, texture.format), target.rect)
        check(gl, "drawing a known picture")
        shown = target.read()
    finally:
        target.delete()
    expected = np.empty_like(shown)
    expected[...] = (0, 0, 0, 255)
    if texture.format.has_alpha:
        exact.over(expected, pixels, texture.format)
    else:
        exact.convert(expected, pixels, texture.format)
    return bool(np.array_equal(shown, expected))


def known_picture(width: int, height: int) -> Pixels:
    """(height, width, 4) uint8 in which every channel has every value somewhere, and no two are alike."""
    steps = np.arange(width * height, dtype=np.uint32)[:, None] * np.array([1, 3, 7, 11], np.uint32)
    return (steps % 256).astype(np.uint8).reshape(height, width, 4)


def _is_right(gl: Any, painter: Painter, way: Way, like: PixelFormat) -> bool:
    pixels = known_picture(*TEST_SIZE)
    uploader = Uploader(gl)
    try:
        for pixel_format in (f for f in PixelFormat if f.has_alpha == like.has_alpha):
            texture = Texture(gl, *TEST_SIZE, pixel_format, way.layout)
            try:
                texture.update(uploader, way, pixels, [Rect(0, 0, *TEST_SIZE)])
                if not shows(gl, painter, texture, pixels):
                    return False
            finally:
                texture.delete()
    except ScreenError:
        return False
    finally:
        uploader.delete()
    return True


def _seconds(gl: Any, painter: Painter, way: Way, pixel_format: PixelFormat, stopwatch: Stopwatch) -> float:
    """For the upload and the drawing of one image: the least of a few, after one that does not count."""
    whole = Rect(0, 0, _SIDE, _SIDE)
    pixels = known_picture(_SIDE, _SIDE)
    uploader, target = Uploader(gl), Target(gl, _SIDE, _SIDE)
    texture = Texture(gl, _SIDE, _SIDE, pixel_format, way.layout)
    times = []
    for _ in range(1 + _RUNS):
        gl.glFinish()
        start = stopwatch()
        texture.update(uploader, way, pixels, [whole])
        with painter.painting(target):
            painter.paint(texture, Layer(pixels, pixel_format), whole)
        gl.glFinish()
        times.append(stopwatch() - start)
    for thing in (texture, uploader, target):
        thing.delete()
    return min(times[1:])
