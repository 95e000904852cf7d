"""Where a part of the screen lies in a layer's buffer, and which pixels of it a filter looks at."""

from __future__ import annotations

import functools
from typing import NamedTuple

from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import ONE, Filter
from compositor.render.axis import Axis, Indices, axes
from compositor.render.layer import Layer


class Line(NamedTuple):
    """One axis of what is drawn: the buffer's axis, and from where to where on the screen."""

    axis: Axis
    start: int
    stop: int


class View(NamedTuple):
    """Where a part of the screen lies in a buffer.

    Attributes:
        x: Along the screen's rows.
        y: Along its columns.
        turned: Whether the screen's rows run along the buffer's columns.
        filter: NEAREST where no other has any effect.
        is_straight: Whether pixels of the screen are pixels of the buffer, in the same order.
        region: What is looked at of the buffer.
    """

    x: Line
    y: Line
    turned: bool
    filter: Filter
    is_straight: bool
    region: Rect

    @property
    def is_half(self) -> bool:
        """Whether the box filter makes one pixel of two by two whole ones, in the same order."""
        lines = (self.x.axis, self.y.axis)
        halves = all(axis.length == 2 * axis.size * ONE and axis.origin % ONE == 0 for axis in lines)
        return halves and not any(axis.reverse for axis in lines)


def view_of(layer: Layer, piece: Rect) -> View:
    """Where `piece`, a part of the screen within the layer's bounds, lies in the layer's buffer."""
    across, down, turned = axes(layer.plane, *layer.image_size)
    whole = across.is_whole and down.is_whole
    chosen = Filter.NEAREST if whole else layer.plane.scaling_filter
    x = Line(across, piece.x - layer.x, piece.right - layer.x)
    y = Line(down, piece.y - layer.y, piece.bottom - layer.y)
    left, right = span(chosen, *(y if turned else x))
    top, bottom = span(chosen, *(x if turned else y))
    region = Rect(left, top, right - left + 1, bottom - top + 1)
    straight = whole and not (turned or across.reverse or down.reverse)
    return View(x, y, turned, chosen, straight, region)


@functools.lru_cache(maxsize=256)  # bands of one picture share their columns, and frames everything
def span(chosen: Filter, axis: Axis, start: int, stop: int) -> tuple[int, int]:
    """First and last pixel of the buffer that a filter looks at."""
    found = taps(chosen, axis, start, stop)
    low, high = int(found[0].min()), int(found[1 if len(found) > 1 else 0].max())
    return (low >> 16, (high - 1) >> 16) if chosen is Filter.BOX else (low, high)


def taps(chosen: Filter, axis: Axis, start: int, stop: int) -> tuple[Indices, ...]:
    """What a filter looks at, for pixels of the screen, as `Axis` says it."""
    match chosen:
        case Filter.NEAREST:
            return (axis.nearest(start, stop),)
        case Filter.BILINEAR:
            return axis.bilinear(start, stop)
        case Filter.BOX:
            return axis.box(start, stop)
