"""Where the pixels of the screen lie in a buffer, along one axis.

All positions are integers in 16.16 fixed point, as pixman has them, so that pictures are equal bit for
bit. From one pixel of the screen to the next the position moves by `step`, the ratio of the sizes rounded to
nearest; pixel i looks at its centre, at `origin + i * step + step / 2`. Where the picture is turned around,
origin is the far edge and the step is negative.

What a filter looks for beyond the whole pixels that the source rectangle touches is the last of them,
repeated; so nothing of a buffer is seen beside its crop.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.plane_state import ONE, PlaneState

Indices = NDArray[np.int64]


class Axis(NamedTuple):
    """One axis of a picture on the screen.

    Attributes:
        origin: Position in the buffer of the screen picture's left (upper) edge, 16.16.
        length: What of the buffer is shown, 16.16, above 0.
        size: Pixels on the screen.
        reverse: Whether it runs backwards through the buffer.
        first: First pixel of the buffer that may be looked at.
        last: Last one.
    """

    origin: int
    length: int
    size: int
    reverse: bool
    first: int
    last: int

    @property
    def step(self) -> int:
        """From one pixel of the screen to the next, 16.16; negative where it runs backwards."""
        step = (2 * self.length + self.size) // (2 * self.size)
        return -step if self.reverse else step

    @property
    def is_whole(self) -> bool:
        """Whether pixels of the screen are pixels of the buffer, so that no filter has any effect."""
        return self.length == self.size * ONE and self.origin % ONE == 0

    def centres(self, start: int, stop: int) -> Indices:
        """Positions of the centres of the screen's pixels `start` to `stop`."""
        return self.origin + np.arange(start, stop) * self.step + ((self.step + 1) >> 1)

    def nearest(self, start: int, stop: int) -> Indices:
        """Pixels of the buffer, for the screen's; on an edge the one before it, as in pixman."""
        return ((self.centres(start, stop) - 1) >> 16).clip(self.first, self.last)

    def bilinear(self, start: int, stop: int) -> tuple[Indices, Indices, Indices]:
        """Pairs of the buffer's pixels, and the weight of the second of each pair in 128ths."""
        positions = self.centres(start, stop) - ONE // 2
        left = positions >> 16
        clip = (self.first, self.last)
        return left.clip(*clip), (left + 1).clip(*clip), (positions >> 9) & 127

    def box(self, start: int, stop: int) -> tuple[Indices, Indices]:
        """Begin and end, 16.16, of what the screen's pixels cover of the buffer."""
        edges = np.arange(start, stop + 1) * self.length // self.size
        if self.reverse:
            return self.origin - edges[1:], self.origin - edges[:-1]
        return self.origin + edges[:-1], self.origin + edges[1:]


@functools.lru_cache(maxsize=64)
def axes(state: PlaneState, width: int, height: int) -> tuple[Axis, Axis, bool]:
    """The screen's two axes, for a buffer of this size, in pixels.

    Returns:
        The horizontal axis, the vertical one, and whether the horizontal one runs along the buffer's
        columns instead of its rows.
    """
    source, inside = state.source_of(width, height), state.source_of(width, height).pixels
    across, down = state.size_of(width, height)
    reverse_x, reverse_y = state.reverses
    if state.rotation.swaps_axes:
        across, down = down, across
    x = _axis(source.x, source.width, across, reverse_x, inside.x, inside.right - 1)
    y = _axis(source.y, source.height, down, reverse_y, inside.y, inside.bottom - 1)
    return (y, x, True) if state.rotation.swaps_axes else (x, y, False)


def _axis(start: int, length: int, size: int, reverse: bool, first: int, last: int) -> Axis:
    return Axis(start + length if reverse else start, length, size, reverse, first, last)
