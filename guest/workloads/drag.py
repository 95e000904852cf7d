"""`drag`: a translucent window that is dragged over a wallpaper, in loops.

Wallpaper and window are made once for each size. A frame copies the one and blends the other over it; what
differs from the frame before is the place where the window was and the one where it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.workloads.compiled import compiled
from guest.workloads.desktop import ACCENTS, FAINT, INK
from guest.workloads.font import font
from guest.workloads.shapes import Box, Canvas
from guest.workloads.stamp import hide_stamp
from guest.workloads.trig import sine_table
from guest.workloads.wallpaper import wallpaper

_TURN_BITS = 10
_STEPS = (3, 2)  # of 1024 in a turn, a frame: across and down
_GLASS = (40, 34, 66)


class _Scene(NamedTuple):
    """What all frames of one size have in common.

    Attributes:
        ground: (height, width, 4) uint8.
        window: Its colours, with its shadow's, premultiplied; byte 3 of each pixel is 0.
        rest: (window height, window width, 4) uint8: how much of what lies behind is seen, in each byte.
    """

    ground: NDArray[np.uint8]
    window: NDArray[np.uint8]
    rest: NDArray[np.uint8]


class Drag:
    """The workload; see the module.

    Args:
        seed: Chooses the wallpaper and where the window starts.
    """

    name = "drag"
    opaque = True

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._sines = sine_table(1 << _TURN_BITS, 1 << 14)
        self._scene = _Scene(*(np.empty((0, 0, 4), np.uint8) for _ in range(3)))

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8X8."""
        if self._scene.ground.shape != pixels.shape:
            self._scene = _prepare(pixels.shape[1], pixels.shape[0], self._seed)
        pixels[:] = self._scene.ground
        x, y = self.place(frame, pixels.shape[1], pixels.shape[0])
        height, width = self._scene.window.shape[:2]
        rows = pixels[y : y + height].reshape(height, -1)[:, 4 * x : 4 * (x + width)]
        blend(rows, self._scene.window.reshape(height, -1), self._scene.rest.reshape(height, -1))
        hide_stamp(pixels, frame)

    def place(self, frame: int, width: int, height: int) -> tuple[int, int]:
        """Left and top of the window, with its shadow, on a picture of this size."""
        wide, tall = _window_size(width, height)
        across, down = (
            int(self._sines[(self._seed * 97 + 64 + frame * step) % (1 << _TURN_BITS)]) for step in _STEPS
        )
        return (
            (width - wide) * ((1 << 14) + across) >> 15,
            (height - tall) * ((1 << 14) + down) >> 15,
        )


def _window_size(width: int, height: int) -> tuple[int, int]:
    return max(width * 46 // 100, 1), max(height * 58 // 100, 1)


def _prepare(width: int, height: int, seed: int) -> _Scene:
    ground = wallpaper(width, height, seed).rounded()
    window = _window(*_window_size(width, height)).rounded()
    rest = np.repeat(255 - window[:, :, 3:], 4, axis=2)
    window[:, :, 3], rest[:, :, 3] = 0, 255
    return _Scene(ground, window, rest)


def _window(width: int, height: int) -> Canvas:
    """A window of clear glass, its shadow, and a palette of colours on it."""
    canvas = Canvas(width, height)
    margin = height * 0.1
    box = Box(margin, margin * 0.8, width - 2 * margin, height - 2 * margin)
    corner = height * 0.05
    canvas.shadow(box, corner=corner, blur=margin * 0.95, alpha=0.5)
    canvas.alpha *= 1 - 0.75 * np.clip(canvas.inside(box, corner) + 0.5, 0, 1)  # glass lets light through
    canvas.box(box, _GLASS, corner=corner, alpha=0.42)
    sheen = np.clip(1 - (canvas.y - box.top) / (box.height * 0.7), 0, 1)
    canvas.paint(sheen * np.clip(canvas.inside(box, corner) + 0.5, 0, 1), (255, 255, 255), 0.13)
    bar = box.height * 0.13
    canvas.box(Box(box.left + 1, box.top + bar, box.width - 2, 1), (255, 255, 255), alpha=0.15)
    for place, colour in enumerate(ACCENTS[:3]):
        canvas.disc(box.left + bar * (0.6 + 0.5 * place), box.top + bar * 0.52, bar * 0.15, colour)
    _fill(canvas, Box(box.left, box.top + bar, box.width, box.height - bar), bar)
    canvas.rim(box, corner=corner, alpha=0.4)
    return canvas


def _fill(canvas: Canvas, box: Box, bar: float) -> None:
    """Title, swatches and sliders."""
    letters = font(max(round(bar * 0.46), 6), bold=True)
    title = "colours"
    canvas.text(
        round(box.left + (box.width - len(title) * letters.width) / 2), round(box.top - bar * 0.72), title,
        letters, INK,
    )  # fmt: skip
    pitch = box.width / (len(ACCENTS) + 0.8)
    radius = min(pitch * 0.36, box.height * 0.13)
    for place, colour in enumerate(ACCENTS):
        x, y = box.left + pitch * (place + 0.9), box.top + box.height * 0.27
        canvas.disc(x, y, radius, colour, 0.92)
        canvas.disc(x - radius * 0.3, y - radius * 0.35, radius * 0.32, (255, 255, 255), 0.35)
    for row, (level, colour) in enumerate(zip((0.72, 0.38, 0.56), ACCENTS[::2], strict=True)):
        track = Box(
            box.left + pitch * 0.55, box.top + box.height * (0.53 + 0.14 * row), box.width - pitch * 1.1,
            max(box.height * 0.026, 1.0),
        )  # fmt: skip
        canvas.box(track, FAINT, corner=track.height / 2, alpha=0.45)
        canvas.box(track._replace(width=track.width * level), colour, corner=track.height / 2)
        middle = track.top + track.height / 2
        canvas.disc(track.left + track.width * level, middle, track.height * 1.5, INK)


@compiled
def blend(below: NDArray[np.uint8], above: NDArray[np.uint8], rest: NDArray[np.uint8]) -> None:
    """Lay premultiplied bytes over others, of which `rest` / 255 is left: (height, bytes) uint8 all."""
    for y in range(above.shape[0]):
        line, over, left = below[y], above[y], rest[y]
        for i in range(above.shape[1]):
            product = int(line[i]) * int(left[i]) + 127
            line[i] = min(int(over[i]) + (product + 1 + (product >> 8) >> 8), 255)  # product // 255
