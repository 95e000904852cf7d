"""What the filters' kernels have to know of each row and column: distances, places and weights."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.plane_state import Filter
from compositor.render.fused.tables import address_of
from compositor.render.view import Line, taps

BLOCK = 16  # pixels that a kernel works on at a time
_NEAR = 4 * BLOCK  # columns that are loaded for as many, rather than one by one


class Tables(NamedTuple):
    """Arrays, and the address of each: finding that takes longer than filtering a row."""

    arrays: tuple[NDArray[np.signedinteger], ...]
    addresses: tuple[int, ...]


def _tables(*arrays: NDArray[np.signedinteger]) -> Tables:
    return Tables(arrays, tuple(address_of(array) for array in arrays))


@functools.lru_cache(maxsize=256)
def row_tables(chosen: Filter, line: Line, origin: int, pitch: int) -> Tables:
    """A filter's tables of rows.

    Args:
        chosen: Not the box filter.
        line: What is drawn.
        origin: The buffer's row at distance 0.
        pitch: Bytes from one row to the next.
    """
    found = taps(chosen, *line)
    return _tables(*((pixels - origin) * pitch for pixels in found[:2]), *found[2:])


@functools.lru_cache(maxsize=256)
def edges(line: Line, origin: int) -> Tables:
    """The box filter's table along one axis; `origin` is the buffer's pixel at position 0."""
    return _tables(np.stack(line.axis.box(line.start, line.stop), axis=1) - (origin << 16))


@functools.lru_cache(maxsize=256)
def column_tables(chosen: Filter, line: Line, origin: int, end: int) -> Tables:
    """A filter's tables of columns.

    Args:
        chosen: Not the box filter.
        line: As in `row_tables`.
        origin: The buffer's column at distance 0.
        end: Its last column that is there, and one.

    Returns:
        Of each tap the pixels, then the weights, if the filter has any, and the blocks, if there are any.
    """
    room = -(line.stop - line.start) % BLOCK
    found = [np.pad(table, (0, room), mode="edge") for table in taps(chosen, *line)]
    weights: tuple[NDArray[np.int32], ...] = ()
    if chosen is Filter.BILINEAR:
        left, right, second = found
        # Weights are signed bytes: where one pixel alone counts, which would be 128, it is taken twice.
        right, second = np.where(second > 0, right, left), np.where(second > 0, second, 64)
        found, weights = [left, right], (((128 - second | second << 8) * 0x10001).astype(np.int32),)
    blocks = np.stack(found).reshape(len(found), -1, BLOCK)
    low, high = blocks.min(axis=(0, 2)), blocks.max(axis=(0, 2))
    if int((high - low).max()) >= _NEAR:
        return _tables(*((4 * (pixels - origin)).astype(np.int32) for pixels in found), *weights)
    # The first pixel that is loaded lies so that as many as are loaded at once follow, if the row has them.
    count = np.minimum((high - low + BLOCK) // BLOCK * BLOCK, end - origin)
    low = np.minimum(low, end - count)
    places = (blocks - low[:, None]).astype(np.int32)
    return _tables(*places, *weights, np.stack([4 * (low - origin), count], axis=1))
