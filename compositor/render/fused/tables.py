"""What the fused kernel is given: tables of layers and rectangles, in memory that is kept between frames."""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.pixel import OUTPUT_FORMAT, PixelFormat
from compositor.render import lanes

Pixels = NDArray[np.uint8]
Numbers = NDArray[np.int64]

_LANES = 2  # what `compositor.render.lanes` divides a job into at most
_PIXEL = 4  # bytes
_WORD = 8  # bytes of a number in a table
_OPAQUE = 255


class Image(NamedTuple):
    """A layer as the kernel sees it.

    Attributes:
        pixels: (height, width, 4) uint8 that `can_take` accepts.
        format: Memory order.
        has_alpha: Whether alpha counts; then the colours are premultiplied.
        x: Target column of its left edge; may be negative.
        y: As `x`.
        opacity: Of the whole image, in 255ths.
    """

    pixels: Pixels
    format: PixelFormat
    has_alpha: bool
    x: int = 0
    y: int = 0
    opacity: int = 255

    @property
    def bounds(self) -> Rect:
        """The rectangle of the target that it covers."""
        height, width = self.pixels.shape[:2]
        return Rect(self.x, self.y, width, height)

    @property
    def covers(self) -> bool:
        """Whether nothing below it can be seen."""
        return self.opacity == _OPAQUE and not self.has_alpha


def can_take(*images: Pixels) -> bool:
    """Whether the kernel can read or write all of them: pixels of a row adjoin, rows may lie anywhere."""
    return all(pixels.strides[1:] == (_PIXEL, 1) for pixels in images)


def compose(
    kernel: ModuleType,
    target: Pixels,
    images: Sequence[Image],
    damage: Sequence[Rect],
    background: int = 0,
    *,
    run: lanes.Run = lanes.on_this_thread,
) -> list[int]:
    """Paint damaged rectangles, each pixel once.

    Args:
        kernel: `compositor.render.fused.kernel`.
        target: (height, width, 4) uint8, XRGB8888, that `can_take` accepts.
        images: Bottom to top. Where the lowest is `target` itself, what is above it is blended in place; no
            other overlaps with it in memory.
        damage: Rectangles of the target, disjoint; none reaches beyond it.
        background: 0xRRGGBB.
        run: `compositor.render.lanes.run`, to paint on two threads where it is worth it.

    Returns:
        Bytes that each image contributed, and last the background.
    """
    height, width = target.shape[:2]
    count = len(images) + 1
    records = _background(width, height, background)
    for index, image in enumerate(images):
        records += _record(image, index)
    corners = [edge for rect in damage for edge in (rect.x, rect.y, rect.right, rect.bottom)]
    given = records + corners
    lane = count + kernel.scratch_size(count)
    tables = _room.numbers(len(given) + _LANES * lane)
    tables[: len(given)] = given
    sums = tables[len(given) :].reshape(_LANES, lane)[:, :count]
    sums[:] = 0
    start = tables.ctypes.data
    rects, scratch = start + _WORD * len(records), start + _WORD * len(given)
    arguments = (target.ctypes.data, target.strides[0], start, count, rects, len(damage))

    def job(first: int, last: int) -> None:
        mine = scratch + (_WORD * lane if first else 0)
        kernel.compose(*arguments, first, last, mine, mine + _WORD * count)

    rows = sum(rect.height for rect in damage)
    run(job, rows, _PIXEL * sum(rect.area for rect in damage) // max(rows, 1))
    background_bytes, *written = (sums[0] + sums[1]).tolist()
    return [*written, background_bytes]


def _record(image: Image, index: int) -> list[int]:
    """An image's record, as `compositor.render.fused.rows` has it."""
    pixels, form, has_alpha, x, y, opacity = image
    height, width = pixels.shape[:2]
    pitch = pixels.strides[0]
    origin = pixels.ctypes.data - y * pitch - _PIXEL * x
    plain = form.shifts == OUTPUT_FORMAT.shifts and opacity == _OPAQUE
    place = (x, y, x + width, y + height, origin, pitch)
    return [*place, image.covers, plain, *form.shifts, not has_alpha, opacity, index + 1]


def _background(width: int, height: int, colour: int) -> list[int]:
    """The record of an image of one row that repeats."""
    origin = _strip(width, colour).ctypes.data
    return [0, 0, width, height, origin, 0, True, True, 0, 0, 0, 0, True, _OPAQUE, 0]


@functools.lru_cache(maxsize=16)  # outputs keep their width and their background
def _strip(width: int, colour: int) -> NDArray[np.uint32]:
    return np.full(width, 0xFF000000 | colour, np.uint32)


class _Room(threading.local):
    """Memory for tables, one for each thread that composes; grows, and is kept."""

    def __init__(self) -> None:
        self._kept = np.empty(1024, np.int64)

    def numbers(self, count: int) -> Numbers:
        """So many numbers of any value, until the next call."""
        if self._kept.size < count:
            self._kept = np.empty(2 * count, np.int64)
        return self._kept[:count]


_room = _Room()
