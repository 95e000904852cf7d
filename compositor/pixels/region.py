"""Damage: the part of an output that has to be painted again, as a short list of rectangles.

Exact while it is small. Past a cap on the number of rectangles it becomes its extents: painting a
few pixels too many is cheaper than keeping a long list, and a hostile guest that flushes single
pixels all over its scanout cannot make the list grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compositor.pixels.geometry import EMPTY, Rect

LIMIT = 16  # rectangles; a frame of text lines, a moved cursor and a clock stay far below


class Region:
    """A set of pixels, kept as disjoint rectangles.

    Covers at least every rectangle that was added, and nothing outside their extents; covers exactly
    them until more than `limit` rectangles would be needed.
    """

    __slots__ = ("limit", "_rects")

    def __init__(self, rects: Iterable[Rect] = (), *, limit: int = LIMIT) -> None:
        self.limit = limit
        self._rects: list[Rect] = []
        for rect in rects:
            self.add(rect)

    def __iter__(self) -> Iterator[Rect]:
        """The disjoint, non-empty rectangles, in no particular order."""
        return iter(self._rects)

    def __len__(self) -> int:
        return len(self._rects)

    @property
    def bounds(self) -> Rect:
        """The smallest rectangle that covers all; empty when nothing is damaged."""
        extents = EMPTY
        for rect in self._rects:
            extents = extents.union(rect)
        return extents

    @property
    def area(self) -> int:
        """Number of pixels covered."""
        return sum(rect.area for rect in self._rects)

    def add(self, rect: Rect) -> None:
        """Cover `rect` as well."""
        left, top, width, height = rect
        if width <= 0 or height <= 0:
            return
        if not self._rects:  # the damage of most frames is one rectangle
            self._rects = [rect]
            return
        right, bottom = left + width, top + height
        kept, crossed = [], []
        for old in self._rects:
            x, y, wide, tall = old
            if x >= right or y >= bottom or x + wide <= left or y + tall <= top:
                kept.append(old)
            elif x <= left and y <= top and x + wide >= right and y + tall >= bottom:
                return
            elif x < left or y < top or x + wide > right or y + tall > bottom:
                kept.append(old)
                crossed.append(old)
        pieces = [rect]
        for old in crossed:
            pieces = [rest for piece in pieces for rest in piece.subtract(old)]
        self._rects = kept
        for piece in pieces:
            self._join(piece)
        if len(self._rects) > self.limit:
            self._rects = [self.bounds]

    def _join(self, rect: Rect) -> None:
        """Append a rectangle disjoint from all, merged with neighbours that share a whole edge."""
        left, top, width, height = rect
        for index, old in enumerate(self._rects):
            x, y, wide, tall = old
            if (x == left and wide == width and (y + tall == top or top + height == y)) or (
                y == top and tall == height and (x + wide == left or left + width == x)
            ):
                del self._rects[index]
                self._join(old.union(rect))
                return
        self._rects.append(rect)

    def clip(self, bounds: Rect) -> Region:
        """The part inside `bounds`, as a new region."""
        clipped = Region(limit=self.limit)
        clipped._rects = [part for rect in self._rects if not (part := rect.intersect(bounds)).empty]
        return clipped

    def translate(self, dx: int, dy: int) -> Region:
        """Moved by (dx, dy), as a new region."""
        moved = Region(limit=self.limit)
        moved._rects = [rect.translate(dx, dy) for rect in self._rects]
        return moved

    def clear(self) -> None:
        """Cover nothing."""
        self._rects = []

    def __repr__(self) -> str:
        return f"Region({self._rects!r})"
