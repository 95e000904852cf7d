"""An output's own pictures, and how far each is behind the screen.

A frame that waits for its vblank must not be painted over, and neither must the one that is on the screen
until then; so there are up to three. Each remembers what changed since it was painted last: what a buffer's
age (EGL_EXT_buffer_age) stands for, to the rectangle. Where frames are shown as soon as they are painted one
is enough: readers look between two commits, never during one.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.geometry import Rect
from compositor.pixels.region import Region
from compositor.render.target import allocate


class Framebuffer:
    """One picture.

    Attributes:
        pixels: (height, width, 4) uint8, XRGB8888.
        stale: What the screen shows otherwise since this was painted.
    """

    __slots__ = ("pixels", "stale")

    def __init__(self, width: int, height: int) -> None:
        self.pixels: NDArray[np.uint8] = allocate(width, height)
        self.stale = Region([Rect(0, 0, width, height)])


class Framebuffers:
    """All pictures of one output, made when they are needed."""

    def __init__(self) -> None:
        self._all: list[Framebuffer] = []

    def __len__(self) -> int:
        return len(self._all)

    def damage(self, rect: Rect) -> None:
        """What the screen shows here has changed, for all of them."""
        for framebuffer in self._all:
            framebuffer.stale.add(rect)

    def acquire(self, width: int, height: int, busy: Collection[Framebuffer | None]) -> Framebuffer:
        """One to paint: of those that are not busy, the one that is behind the least."""
        self._all = [each for each in self._all if each.pixels.shape == (height, width, 4)]
        free = [each for each in self._all if each not in busy]
        if not free:
            free.append(Framebuffer(width, height))
            self._all.append(free[0])
        return min(free, key=lambda each: each.stale.area)
