"""`desktop`: windows that stand still, as a screen does most of the time. Only the stamp changes.

The picture is made once for each size; a frame copies it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guest.workloads.font import font
from guest.workloads.shapes import Box, Canvas, Colour
from guest.workloads.stamp import hide_stamp
from guest.workloads.trig import sine
from guest.workloads.wallpaper import wallpaper

INK: Colour = (222, 226, 240)
FAINT: Colour = (138, 146, 172)
ACCENTS: tuple[Colour, ...] = (
    (255, 111, 97), (255, 190, 77), (122, 208, 130), (53, 201, 180), (96, 156, 255), (190, 128, 255),
)  # fmt: skip
_GLASS: Colour = (22, 24, 38)
_LISTING = (
    ("$ ls --size", INK),
    ("  4.0K  scene.toml", FAINT),
    (" 12.0K  machine.py", FAINT),
    ("  8.3M  frame-0417.png", FAINT),
    ("$ run --frames 300", INK),
    ("300 of 300 frames presented", ACCENTS[2]),
    ("0 bytes copied", ACCENTS[2]),
    ("$ _", INK),
)


class Desktop:
    """The workload; see the module.

    Args:
        seed: Chooses the wallpaper.
    """

    name = "desktop"
    opaque = True

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._picture = np.empty((0, 0, 4), np.uint8)

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8X8."""
        if self._picture.shape != pixels.shape:
            self._picture = desktop(pixels.shape[1], pixels.shape[0], self._seed).rounded()
        pixels[:] = self._picture
        hide_stamp(pixels, frame)


def desktop(width: int, height: int, seed: int) -> Canvas:
    """Wallpaper, a bar, a dock and two windows."""
    canvas = wallpaper(width, height, seed)
    _bar(canvas, width, height)
    _dock(canvas, width, height)
    listing = Box(width * 0.07, height * 0.14, width * 0.44, height * 0.5)
    chart = Box(width * 0.55, height * 0.24, width * 0.37, height * 0.44)
    body = window(canvas, chart, "load")
    _bars(canvas, body)
    body = window(canvas, listing, "terminal")
    size = max(round(body.height / (len(_LISTING) + 2)), 6)
    for row, (line, colour) in enumerate(_LISTING):
        canvas.text(round(body.left + size), round(body.top + size * (row + 0.7)), line, font(size), colour)
    return canvas


def window(canvas: Canvas, box: Box, title: str) -> Box:
    """A window of dark glass with a title bar; returns the box below that."""
    corner = box.height * 0.045
    bar = box.height * 0.1
    canvas.shadow(box, corner=corner, blur=box.height * 0.09, alpha=0.6)
    canvas.box(box, _GLASS, corner=corner, alpha=0.88)
    canvas.rim(box, corner=corner, alpha=0.16)
    for place, colour in enumerate(ACCENTS[:3]):
        canvas.disc(box.left + bar * (0.62 + 0.52 * place), box.top + bar * 0.55, bar * 0.16, colour)
    size = max(round(bar * 0.52), 6)
    letters = font(size, bold=True)
    left = round(box.left + (box.width - len(title) * letters.width) / 2)
    canvas.text(left, round(box.top + bar * 0.3), title, letters, FAINT)
    return Box(box.left, box.top + bar, box.width, box.height - bar)


def _bar(canvas: Canvas, width: int, height: int) -> None:
    thick = height * 0.042
    canvas.box(Box(0, 0, width, thick), (12, 12, 24), alpha=0.55)
    letters = font(max(round(thick * 0.56), 6), bold=True)
    top = round(thick * 0.24)
    canvas.text(round(thick * 1.2), top, "scanout", letters, INK)
    clock = "12:00"
    canvas.text(round(width - thick * 0.8 - len(clock) * letters.width), top, clock, letters, INK)


def _dock(canvas: Canvas, width: int, height: int) -> None:
    side = height * 0.07
    pitch = side * 1.32
    shelf = Box((width - pitch * 6.4) / 2, height - side * 1.75, pitch * 6.4, side * 1.45)
    canvas.shadow(shelf, corner=side * 0.35, blur=side * 0.4, alpha=0.35)
    canvas.box(shelf, (240, 236, 250), corner=side * 0.35, alpha=0.2)
    for place, colour in enumerate(ACCENTS):
        icon = Box(shelf.left + pitch * (0.32 + place), shelf.top + side * 0.22, side, side)
        canvas.box(icon, colour, corner=side * 0.24)
        light = Box(icon.left, icon.top, side, side * 0.5)
        canvas.box(light.inset(side * 0.05), (255, 255, 255), corner=side * 0.2, alpha=0.16)
        canvas.disc(icon.left + side / 2, icon.top + side / 2, side * 0.22, (255, 255, 255), 0.85)
        canvas.disc(icon.left + side / 2, icon.top + side / 2, side * (0.08 + 0.02 * place), colour)


def _bars(canvas: Canvas, box: Box) -> None:
    """A bar chart, of a smooth curve."""
    count = 20
    room = box.inset(box.height * 0.1)
    pitch = room.width / count
    levels = 0.52 + 0.3 * sine(np.arange(count) / 13) + 0.14 * sine(np.arange(count) / 4.1)
    for line in range(4):
        y = room.top + room.height * line / 3
        canvas.box(Box(room.left, y, room.width, max(room.height * 0.004, 0.6)), FAINT, alpha=0.3)
    for place, level in enumerate(levels):
        tall = room.height * float(level)
        colour = ACCENTS[3] if level < 0.62 else ACCENTS[1] if level < 0.8 else ACCENTS[0]
        bar = Box(room.left + pitch * (place + 0.15), room.top + room.height - tall, pitch * 0.7, tall)
        canvas.box(bar, colour, corner=pitch * 0.2)
