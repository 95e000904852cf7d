"""A font of our own, drawn at any size from strokes: the same pixels with every library and on every machine.

A glyph's coverage is its distance to the nearest stroke; distances are made of exact operations only (see
`trig`), so rounding them once gives the same bytes everywhere.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from guest.workloads.glyphs import GLYPHS, strokes

_UNITS_HIGH = 11  # of the glyphs' grid in the height of a cell
_ABOVE, _BESIDE = 1.6, 0.75  # free units above and beside a capital
_BOLD = 1.35


class Font:
    """One size of the font; every character has a cell of the same size.

    Attributes:
        width: Of a cell, pixels.
        height: Of a cell, pixels.
        atlas: (characters + 1, height, width) uint8: how much of a pixel the glyph covers; number 0 is blank.
    """

    def __init__(self, height: int, *, bold: bool = False) -> None:
        self.height = height
        self.width = max(height // 2, 1)
        self._numbers = {character: number for number, character in enumerate(GLYPHS, 1)}
        self.atlas = np.zeros((len(GLYPHS) + 1, self.height, self.width), np.uint8)
        for character, number in self._numbers.items():
            self.atlas[number] = self._draw(character, bold=bold)

    def numbers(self, text: str) -> list[int]:
        """Where each character is in the atlas."""
        return [self._numbers.get(character, 0) for character in text]

    def coverage(self, text: str) -> NDArray[np.uint8]:
        """A line of text: (height, width of all cells) uint8."""
        cells = self.atlas[self.numbers(text)]
        return cells.transpose(1, 0, 2).reshape(self.height, len(text) * self.width)

    def _draw(self, character: str, *, bold: bool) -> NDArray[np.uint8]:
        unit_y = self.height / _UNITS_HIGH
        unit_x = self.width / (4 + 2 * _BESIDE)
        x, y = np.arange(self.width) + 0.5, (np.arange(self.height) + 0.5)[:, None]
        nearest = np.full((self.height, self.width), 1e9)
        for line in strokes(character):
            points = [((px + _BESIDE) * unit_x, (py + _ABOVE) * unit_y) for px, py in line]
            for start, end in pairwise(points):
                nearest = np.minimum(nearest, _distance(x, y, start, end))
        half = max(self.height * 0.044, 0.52) * (_BOLD if bold else 1.0)
        return np.rint(np.clip(half + 0.5 - nearest, 0.0, 1.0) * 255).astype(np.uint8)


@cache
def font(height: int, *, bold: bool = False) -> Font:
    """The font with cells of `height` pixels; made once."""
    return Font(height, bold=bold)


def _distance(
    x: NDArray[np.floating], y: NDArray[np.floating], start: tuple[float, float], end: tuple[float, float]
) -> NDArray[np.floating]:
    """Distance of the points (x, y) to a segment."""
    along_x, along_y = end[0] - start[0], end[1] - start[1]
    length = along_x * along_x + along_y * along_y
    across, down = x - start[0], y - start[1]
    t = np.clip((across * along_x + down * along_y) / (length or 1.0), 0.0, 1.0)
    off_x, off_y = across - t * along_x, down - t * along_y
    return np.asarray(np.sqrt(off_x * off_x + off_y * off_y))
