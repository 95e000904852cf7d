"""Damage: what of a picture differs from the one shown before, as rectangles.

It is frame damage, as KMS's FB_DAMAGE_CLIPS and EGL_KHR_swap_buffers_with_damage have it: relative to what
was on the screen, whichever buffer that was in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import index
from typing import TypeAlias

from virtio.errors import Misuse
from virtio.gpu.wire import Rect

Rectangles: TypeAlias = Iterable[Sequence[int]] | None
"""What authors give: (x, y, width, height) each, in pixels; None: everything."""

Damage: TypeAlias = tuple[Rect, ...] | None
"""The same, checked; never empty."""

_MOST = 64  # rectangles that are kept apart
# A flush cannot name nothing (virtio 1.3, 5.7.6.8), so that a frame like the one before names this.
_UNCHANGED = (Rect(0, 0, 1, 1),)


def checked_damage(rectangles: Rectangles, size: tuple[int, int], whose: str) -> Damage:
    """Damage that an author gave, as the driver takes it.

    Args:
        rectangles: None: everything; none at all: nothing, for which one pixel stands.
        size: (width, height) of the picture.
        whose: What it is the damage of, for the message.

    Raises:
        Misuse: One of them is no rectangle, is empty, or reaches beyond the picture.
    """
    if rectangles is None:
        return None
    try:
        return tuple(_rect(rectangle, size, whose) for rectangle in rectangles) or _UNCHANGED
    except TypeError:
        raise Misuse(
            f"{whose}: damage {rectangles!r}: give a list of (x, y, width, height), or None for everything"
        ) from None


def _rect(rectangle: Sequence[int], size: tuple[int, int], whose: str) -> Rect:
    numbers = [index(number) for number in rectangle]
    if len(numbers) != 4:
        raise TypeError
    rect = Rect(*numbers)
    right, bottom = rect.x + rect.width, rect.y + rect.height
    if min(rect.x, rect.y) < 0 or min(rect.width, rect.height) < 1 or right > size[0] or bottom > size[1]:
        raise Misuse(f"{whose}: damage {tuple(rect)} is empty or not inside of {size[0]}x{size[1]} pixels")
    return rect


def bounds(rects: Sequence[Rect]) -> Rect:
    """The smallest rectangle that holds all of these, of which there is one at least."""
    left, top = min(rect.x for rect in rects), min(rect.y for rect in rects)
    right = max(rect.x + rect.width for rect in rects)
    bottom = max(rect.y + rect.height for rect in rects)
    return Rect(left, top, right - left, bottom - top)


def joined(earlier: Damage, later: Damage) -> Damage:
    """What two changes, one after the other, have changed; too many rectangles become one."""
    if earlier is None or later is None:
        return None
    rects = tuple(dict.fromkeys((*earlier, *later)))
    return rects if len(rects) <= _MOST else (bounds(rects),)
