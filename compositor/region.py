"""Damage: the part of an output that has to be painted again, as a short list of rectangles.

Exact while it is small. Past a cap on the number of rectangles it becomes its extents: painting a
few pixels too many is cheaper than keeping a long list, and a hostile guest that flushes single
pixels all over its scanout cannot make the list grow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from compositor.geometry import EMPTY, Rect

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
        if rect.empty:
            return
        kept = [old for old in self._rects if not rect.contains(old)]
        pieces = [rect]
        for old in kept:
            pieces = [rest for piece in pieces for rest in piece.subtract(old)]
        self._rects = kept
        for piece in pieces:
            self._join(piece)
        if len(self._rects) > self.limit:
            self._rects = [self.bounds]

    def _join(self, rect: Rect) -> None:
        """Append a rectangle disjoint from all, merged with neighbours that share a whole edge."""
        for index, old in enumerate(self._rects):
            both = old.union(rect)
            if both.area == old.area + rect.area:
                del self._rects[index]
                self._join(both)
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
