"""`stress`: everything changes in every frame, and every row says which frame it belongs to.

A mosaic whose tiles all get another colour with each frame, under a stamp in each row: where two frames are
mixed, whatever the split, `read_rows` finds it. The worst case for damage, compression and caches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guest.workloads.compiled import compiled
from guest.workloads.plasma import palette
from guest.workloads.stamp import write_rows
from guest.workloads.trig import sine_table

_TILES = 34  # in the picture's height, about


class Stress:
    """The workload; see the module.

    Args:
        seed: Deals the colours.
    """

    name = "stress"
    opaque = True

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed & 0xFFFF_FFFF
        self._palette = palette()
        self._sines = sine_table(1 << 10, 1 << 9)

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8X8."""
        height, width = pixels.shape[:2]
        side = max(height // _TILES, 4)
        rows, columns = -(-height // side), -(-width // side)
        y, x = np.mgrid[0:rows, 0:columns]
        at = (frame * 5 + self._seed * 131) & 0xFFFF
        wave = self._sines[(x * 22 + at * 3) & 1023] + self._sines[(y * 31 - at * 2) & 1023]
        wave += self._sines[(x * 13 + y * 17 + at) & 1023]
        noise = (x * 0x9E37 ^ y * 0x85EB ^ (self._seed + frame * 0x2545)) * 0x27D4 >> 5 & 0x7F
        colours = self._palette[(wave * 2 // 3 + noise + at * 8) & 2047]
        paint(colours, side, pixels.view(np.uint32)[:, :, 0])
        write_rows(pixels, frame)


@compiled
def paint(colours: NDArray[np.uint32], side: int, pixels: NDArray[np.uint32]) -> None:
    """Draw tiles of `side` pixels, each with a bright upper left edge and a dark lower right one."""
    height, width = pixels.shape
    for y in range(height):
        row, down = y // side, y % side
        edge = 1 if down == 0 else 2 if down == side - 1 else 0
        for column in range(colours.shape[1]):
            colour = colours[row, column]
            light = (colour >> np.uint32(1)) & np.uint32(0x7F7F7F)
            bright = (light + np.uint32(0x7F7F7F)) | np.uint32(0xFF000000)
            dark = light | np.uint32(0xFF000000)
            left = column * side
            for x in range(left, min(left + side, width)):
                pixels[y, x] = bright if edge == 1 else dark if edge == 2 else colour
            pixels[y, left] = bright
            if left + side <= width:
                pixels[y, left + side - 1] = dark
