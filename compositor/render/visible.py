"""Hidden surfaces removed: which part of which layer is to be painted, for every renderer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from compositor.geometry import Rect
from compositor.pixel import PixelFormat


class Covering(Protocol):
    """What a layer says about the target's pixels that it covers."""

    @property
    def bounds(self) -> Rect:
        """The rectangle of the target that it covers."""

    @property
    def format(self) -> PixelFormat:
        """Its memory order; without alpha nothing below shows through."""


def pieces(rect: Rect, layers: Sequence[Covering]) -> list[tuple[int, Rect]]:
    """What has to be painted within `rect`, bottom to top.

    From the top layer down, each layer gets what no opaque layer above it covers; what no opaque layer
    covers at all is background.

    Args:
        rect: Of the target, inside of it.
        layers: Bottom to top.

    Returns:
        (index of the layer, rectangle of the target); the index is -1 for the background.
    """
    found: list[tuple[int, Rect]] = []
    uncovered = [] if rect.empty else [rect]
    for index in range(len(layers) - 1, -1, -1):
        if not uncovered:
            break
        layer = layers[index]
        bounds = layer.bounds
        found += [(index, part) for r in uncovered if not (part := r.intersect(bounds)).empty]
        if not layer.format.has_alpha:
            uncovered = [rest for r in uncovered for rest in r.subtract(bounds)]
    found += [(-1, rest) for rest in uncovered]
    found.reverse()
    return found
