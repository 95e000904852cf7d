"""Integer rectangles, in pixels, y down."""

from __future__ import annotations

from typing import NamedTuple


class Rect(NamedTuple):
    """Half-open: covers x <= column < x + width, y <= row < y + height. Empty when a size is <= 0."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column beyond the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row beyond the rectangle."""
        return self.y + self.height

    @property
    def empty(self) -> bool:
        """Whether it covers no pixel."""
        return self.width <= 0 or self.height <= 0

    @property
    def area(self) -> int:
        """Number of pixels covered."""
        return 0 if self.empty else self.width * self.height

    def intersect(self, other: Rect) -> Rect:
        """The common part; `Rect(0, 0, 0, 0)` when there is none."""
        left, top, width, height = self
        x, y, wide, tall = other
        if x <= left and y <= top and left + width <= x + wide and top + height <= y + tall:
            return self if width > 0 and height > 0 else EMPTY  # damage lies on the screen, nearly always
        right, bottom = min(left + width, x + wide), min(top + height, y + tall)
        left, top = max(left, x), max(top, y)
        return Rect(left, top, right - left, bottom - top) if left < right and top < bottom else EMPTY

    def union(self, other: Rect) -> Rect:
        """The smallest rectangle that covers both; an empty one counts for nothing."""
        if self.empty:
            return other
        if other.empty:
            return self
        x, y = min(self.x, other.x), min(self.y, other.y)
        return Rect(x, y, max(self.right, other.right) - x, max(self.bottom, other.bottom) - y)

    def contains(self, other: Rect) -> bool:
        """Whether every pixel of `other` lies inside."""
        return other.empty or self.intersect(other) == other

    def translate(self, dx: int, dy: int) -> Rect:
        """Moved by (dx, dy)."""
        return Rect(self.x + dx, self.y + dy, self.width, self.height)

    def subtract(self, other: Rect) -> list[Rect]:
        """What `other` leaves of this rectangle: up to four disjoint bands (above, left, right, below)."""
        hole = self.intersect(other)
        if hole.empty:
            return [] if self.empty else [self]
        bands = (
            Rect(self.x, self.y, self.width, hole.y - self.y),
            Rect(self.x, hole.y, hole.x - self.x, hole.height),
            Rect(hole.right, hole.y, self.right - hole.right, hole.height),
            Rect(self.x, hole.bottom, self.width, self.bottom - hole.bottom),
        )
        return [band for band in bands if not band.empty]


EMPTY = Rect(0, 0, 0, 0)
