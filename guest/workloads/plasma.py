"""`plasma`: slow waves of colour that fill the screen.

The waves are a sum of warped sines, evaluated on a coarse grid (they are smooth) and interpolated
linearly; each pixel then looks its colour up in a palette that closes on itself. All arithmetic per
frame is on integers, so a frame has the same bytes everywhere.
"""

from __future__ import annotations

from functools import cache
from random import Random

import numpy as np
from numpy.typing import NDArray

from guest.workloads.compiled import compiled
from guest.workloads.stamp import hide_stamp
from guest.workloads.trig import sine_table

_GRID = 8  # pixels between grid points
_TURN = 1 << 16  # phases are in 1/65536 of a turn, as are the values that choose a colour
_TABLE_BITS = 12
_PALETTE_BITS = 11
_SPEEDS = (131, -97, 173, -149, 83, 61)  # of the five waves and of the palette, phase a frame

# sRGB stops of the palette, in the order met as the value rises; the last joins the first.
_STOPS = (
    (0x0B, 0x0F, 0x3B),  # midnight
    (0x2C, 0x1E, 0x7A),  # indigo
    (0x7B, 0x2F, 0x9E),  # violet
    (0xDD, 0x4A, 0x82),  # rose
    (0xFB, 0x9A, 0x62),  # apricot
    (0xFF, 0xE3, 0xB0),  # cream
    (0x86, 0xD6, 0xC4),  # mint
    (0x1F, 0x86, 0xB4),  # lagoon
    (0x10, 0x3A, 0x78),  # deep sea
)


class Plasma:
    """The workload; see the module.

    Args:
        seed: Moves the waves' starting points.
    """

    name = "plasma"
    opaque = True

    def __init__(self, seed: int = 0) -> None:
        random = Random(seed)
        self._phases = [(random.getrandbits(16), speed) for speed in _SPEEDS]
        self._sines = sine_table(1 << _TABLE_BITS, 1 << 14)
        self._palette = palette()

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8X8."""
        height, width = pixels.shape[:2]
        paint(self._waves(frame, width, height), self._palette, pixels.view(np.uint32)[:, :, 0])
        hide_stamp(pixels, frame)

    def _waves(self, frame: int, width: int, height: int) -> NDArray[np.int32]:
        """Values at the grid points that a `width` x `height` picture touches, in 1/65536 turns."""
        unit = _TURN * _GRID // height  # phase of one grid step of a wave that fits the height once
        x = np.arange(-(-width // _GRID) + 1, dtype=np.int32)[None, :] * unit
        y = np.arange(-(-height // _GRID) + 1, dtype=np.int32)[:, None] * unit
        a, b, c, d, e, f = ((start + frame * speed) % _TURN for start, speed in self._phases)
        sway = self._sine(y * 5 // 8 + a)
        roll = self._sine(x * 3 // 8 + b)
        waves: NDArray[np.int32] = (
            self._sine(x * 3 // 4 + sway * 2 + c)
            + self._sine(y + roll * 2 + d)
            + self._sine((x + y) // 2 + sway - roll + e)
            + (sway + roll) // 2
            + f
        )
        return waves

    def _sine(self, phase: NDArray[np.int32]) -> NDArray[np.int32]:
        mask = (1 << _TABLE_BITS) - 1
        return np.asarray(self._sines[phase >> (16 - _TABLE_BITS) & mask])


@cache
def palette() -> NDArray[np.uint32]:
    """2048 colours through `_STOPS` and round again, 0xffRRGGBB, without a visible step."""
    size = 1 << _PALETTE_BITS
    stops = np.array(_STOPS, dtype=np.float64)
    position = np.arange(size) * (len(stops) / size)
    index = position.astype(np.intp)
    t = (position - index)[:, None]
    before, here, after, beyond = (stops[(index + shift) % len(stops)] for shift in (-1, 0, 1, 2))
    # Catmull-Rom: passes through every stop with a continuous slope.
    curve = here + t * 0.5 * (
        (after - before)
        + t * ((before * 2 - here * 5 + after * 4 - beyond) + t * ((here - after) * 3 + beyond - before))
    )
    red, green, blue = np.clip(np.rint(curve), 0, 255).astype(np.uint32).T
    return np.asarray(0xFF000000 | red << 16 | green << 8 | blue, np.uint32)


@compiled
def paint(waves: NDArray[np.int32], colours: NDArray[np.uint32], pixels: NDArray[np.uint32]) -> None:
    """Colour every pixel, (height, width) uint32, by the value interpolated between its grid points."""
    height, width = pixels.shape
    row = np.empty(waves.shape[1], np.int32)
    entries = np.empty(waves.shape[1] * _GRID, np.uint32)
    shift = 16 - _PALETTE_BITS + 6  # the interpolation adds 6 bits: 8 steps down times 8 across
    mask = np.uint32((1 << _PALETTE_BITS) - 1)
    for y in range(height):
        top, bottom, down = waves[y // _GRID], waves[y // _GRID + 1], y % _GRID
        for column in range(row.size):
            row[column] = top[column] * (_GRID - down) + bottom[column] * down
        # First all indices, then all colours: the compiler vectorises the first loop, not both in one.
        for cell in range(row.size - 1):
            value, step = row[cell] * _GRID, row[cell + 1] - row[cell]
            for i in range(_GRID):
                entries[cell * _GRID + i] = np.uint32(value + step * i) >> shift & mask
        line = pixels[y]
        for x in range(width):
            line[x] = colours[entries[x]]
