"""Workloads of one's own, as tests name them: `tests.guest.workloads.samples.own:Bar`."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guest import Picture
from guest.damage import Rectangles


class Bar:
    """A bar that moves by one column a frame, and says so."""

    name = "bar"
    opaque = True

    def __init__(self, seed: int = 0, grey: int = 200) -> None:
        self.seed, self.grey = seed, grey

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> Rectangles:
        left = (frame + self.seed) % (pixels.shape[1] - 11)
        pixels[...] = 0
        pixels[10:20, left : left + 10] = self.grey
        return [(max(left - 1, 0), 10, 11, 10)] if left else None


class Red:
    """Of an order of bytes of its own, without a seed."""

    name = "red"
    opaque = False
    format = "R8G8B8A8"

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        pixels[...] = (255, 0, 0, 255)


def paint(frame: int, canvas: NDArray[np.uint8]) -> Rectangles:
    """One pixel more in each frame, on what was drawn before."""
    canvas[0, frame] = (10, 20, 30, 0)
    return [(frame, 0, 1, 1)]


class Broken:
    def __init__(self) -> None:
        raise RuntimeError("no luck")


class Nameless:
    opaque = True

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Nothing."""


RED = Red()
PICTURE = Picture(np.full((64, 64, 3), 9, np.uint8), name="nine")
ARRAY = np.zeros((64, 64, 3), np.uint8)
NUMBER = 7
