"""What the fused kernel is given: tables of layers and rectangles, in memory that is kept between frames."""

from __future__ import annotations

import functools
import struct
import threading
from collections.abc import Sequence
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import lanes

Pixels = NDArray[np.uint8]

Record = bytes
"""A layer as the kernel sees it; it holds an address, so its holder keeps the pixels too."""

_LANES = 2  # what `compositor.render.lanes` divides a job into at most
_PIXEL = 4  # bytes
_WORD = 8  # bytes of a number in a table
_OPAQUE = 255
_ADJOINING = (_PIXEL, 1)  # strides of a row
_RECORD = struct.Struct("=14q")
_RECT = struct.Struct("=4q")


def can_take(pixels: Pixels) -> bool:
    """Whether the kernel can read or write it: pixels of a row adjoin, rows may lie anywhere."""
    return pixels.strides[1:] == _ADJOINING


def record(
    pixels: Pixels, form: PixelFormat, has_alpha: bool, x: int = 0, y: int = 0, opacity: int = _OPAQUE
) -> Record:
    """A layer's record, as `compositor.render.fused.rows` has it.

    Args:
        pixels: (height, width, 4) uint8 that `can_take` accepts.
        form: Memory order.
        has_alpha: Whether alpha counts; then the colours are premultiplied.
        x: Target column of its left edge; may be negative.
        y: As `x`.
        opacity: Of the whole image, in 255ths.
    """
    height, width = pixels.shape[:2]
    pitch = pixels.strides[0]
    origin = address_of(pixels) - y * pitch - _PIXEL * x
    plain = form.shifts == OUTPUT_FORMAT.shifts and opacity == _OPAQUE
    covers = opacity == _OPAQUE and not has_alpha
    place = (x, y, x + width, y + height, origin, pitch)
    return _RECORD.pack(*place, covers, plain, *form.shifts, not has_alpha, opacity)


def compose(
    kernel: ModuleType,
    target: Pixels,
    records: Sequence[Record],
    damage: Sequence[Rect],
    background: int = 0,
    *,
    run: lanes.Run = lanes.on_this_thread,
) -> list[int]:
    """Paint damaged rectangles, each pixel once.

    Args:
        kernel: `compositor.render.fused.kernel`.
        target: (height, width, 4) uint8, XRGB8888, that `can_take` accepts.
        records: Of the layers, bottom to top. Where the lowest is `target` itself, what is above it is
            blended in place; no other overlaps with it in memory.
        damage: Rectangles of the target, disjoint; none reaches beyond it.
        background: 0xRRGGBB.
        run: `compositor.render.lanes.run`, to paint on two threads where it is worth it.

    Returns:
        Bytes that each layer contributed, and last the background.
    """
    height, width = target.shape[:2]
    count = len(records) + 1
    layers = _background(width, height, background) + b"".join(records)
    corners, rows, area = b"", 0, 0
    for x, y, wide, tall in damage:
        corners += _RECT.pack(x, y, x + wide, y + tall)
        rows += tall
        area += wide * tall
    given = layers + corners + bytes(_LANES * _WORD * count)
    room = _WORD * kernel.scratch_size(count)
    tables, start = _room.take(len(given) + _LANES * room)
    tables[: len(given)] = given
    rects, sums, scratch = start + len(layers), start + len(layers) + len(corners), start + len(given)
    arguments = (address_of(target), target.strides[0], start, count, rects, len(damage))

    def job(first: int, last: int) -> None:
        lane = 1 if first else 0
        kernel.compose(*arguments, first, last, sums + lane * _WORD * count, scratch + lane * room)

    run(job, rows, _PIXEL * area // max(rows, 1))
    written = tables[len(layers) + len(corners) : len(given)].cast("q").tolist()
    background_bytes, *bytes_of = map(int.__add__, written[:count], written[count:])
    return [*bytes_of, background_bytes]


def address_of(array: NDArray[np.generic]) -> int:
    """Where the first element lies; in a third of the time of `ctypes.data`."""
    address: int = array.__array_interface__["data"][0]
    return address


def _background(width: int, height: int, colour: int) -> Record:
    """The record of an image of one row that repeats."""
    return _strip(width, height, colour)[0]


@functools.lru_cache(maxsize=16)  # outputs keep their size and their background
def _strip(width: int, height: int, colour: int) -> tuple[Record, NDArray[np.uint32]]:
    words = np.full(width, 0xFF000000 | colour, np.uint32)
    return _RECORD.pack(
        0, 0, width, height, address_of(words), 0, True, True, 0, 0, 0, 0, True, _OPAQUE
    ), words


class _Room(threading.local):
    """Memory for tables, one for each thread that composes; grows, and is kept."""

    def __init__(self) -> None:
        self._grow(1 << 13)

    def take(self, size: int) -> tuple[memoryview, int]:
        """So many bytes of any value, until the next call, and their address."""
        if len(self._kept) < size:
            self._grow(2 * size)
        return self._kept, self._start

    def _grow(self, size: int) -> None:
        words = np.empty(-(-size // _WORD), np.int64)
        self._kept, self._start = words.data.cast("B"), address_of(words)


_room = _Room()
