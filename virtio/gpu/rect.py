"""Rectangle checks. Python's integers do not wrap, so a sum here is what it says."""

from __future__ import annotations

from virtio.gpu.wire import Rect


def inside(rect: Rect, width: int, height: int) -> bool:
    """Whether `rect` lies inside of an image of that size; an empty one can lie on its edge."""
    return rect.x + rect.width <= width and rect.y + rect.height <= height


def common(a: Rect, b: Rect) -> Rect | None:
    """The pixels that both cover; None when there are none."""
    x, y = max(a.x, b.x), max(a.y, b.y)
    right, bottom = min(a.x + a.width, b.x + b.width), min(a.y + a.height, b.y + b.height)
    return Rect(x, y, right - x, bottom - y) if x < right and y < bottom else None
