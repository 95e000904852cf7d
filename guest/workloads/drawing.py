"""A function `draw(frame, canvas)` as a workload."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from guest.damage import Rectangles
from virtio.gpu.formats import Format

Draw: TypeAlias = Callable[[int, NDArray[np.uint8]], Rectangles]
"""`draw(frame, canvas)`: canvas is (height, width, 4) uint8 red, green, blue and a byte without meaning, and
holds what was drawn last; the result is what a workload's `draw` returns."""


class Drawing:
    """A workload that draws on a canvas of its own, so that a frame may change a part of the one before.

    Args:
        paint: The function.
    """

    opaque = True
    format = Format.R8G8B8X8

    def __init__(self, paint: Draw) -> None:
        self.name = getattr(paint, "__name__", "drawing").strip("<>")
        self._paint = paint
        self._canvas = np.empty((0, 0, 4), np.uint8)

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> Rectangles:
        """Draw the next frame; a new size begins with black."""
        if self._canvas.shape != pixels.shape:
            self._canvas = np.zeros(pixels.shape, np.uint8)
        damage = self._paint(frame, self._canvas)
        pixels[:] = self._canvas
        return damage
