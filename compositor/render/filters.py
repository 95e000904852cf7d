"""Pictures turned and scaled, compiled by numba: gather, bilinear and box.

All take 32-bit words of four channels, in any order, and tables of byte offsets: a pixel of the source
lies at `row offset + column offset`. So turning a picture needs no loop of its own: where the screen's rows
run along the buffer's columns, the offsets of columns are multiples of the buffer's pitch.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from compositor.render.compiled import helper
from compositor.render.words import BYTES, WORDS, late_kernel, load32

Words = NDArray[np.uint32]
Bytes = NDArray[np.uint8]
Offsets = NDArray[np.int64]
Weights = NDArray[np.uint8]

_INT = types.int64
_IMAGE = (WORDS, _INT, _INT, _INT, BYTES)  # words, pitch in words, width, height; source
_TABLE = types.Array(types.int64, 1, "C", readonly=True)
_WEIGHTS = types.Array(types.uint8, 1, "C", readonly=True)

_LANES = np.uint32(0x00FF00FF)
_LOW = np.uint32(0xFFFF)
_BYTE = np.uint32(0xFF)
_8, _16, _24 = np.uint32(8), np.uint32(16), np.uint32(24)
_14 = np.uint32(14)
_WHOLE = np.uint32(128)

_TILE = 64  # columns: a turned picture touches as many rows of the source, whose cache lines stay


@late_kernel(*_IMAGE, _TABLE, _TABLE)
def gather(
    out: Words, pitch: int, width: int, height: int, source: Bytes, columns: Offsets, rows: Offsets
) -> None:
    """One pixel of the source for each pixel.

    Args:
        out: Words, flat.
        pitch: Words from one row to the next.
        width: Pixels.
        height: Rows.
        source: The whole image, flat.
        columns: Byte offset by column of `out`.
        rows: Byte offset by row of `out`.
    """
    for left in range(0, width, _TILE):
        right = min(left + _TILE, width)
        for y in range(height):
            start = rows[y]
            for x in range(left, right):
                out[y * pitch + x] = load32(source, start + columns[x])


@helper
def _between(
    line: Words, source: Bytes, start: int, left: Offsets, right: Offsets, weights: Weights, width: int
) -> None:
    """A row of the source at the columns' positions: two words a pixel, of two channels in 128ths each."""
    for x in range(width):
        a, b = load32(source, start + left[x]), load32(source, start + right[x])
        second = np.uint32(weights[x])
        first = _WHOLE - second
        line[2 * x] = (a & _LANES) * first + (b & _LANES) * second
        line[2 * x + 1] = ((a >> _8) & _LANES) * first + ((b >> _8) & _LANES) * second


@helper
def _mix(upper: np.uint32, lower: np.uint32, first: np.uint32, second: np.uint32) -> np.uint32:
    """The two channels of two such words, weighted, without the 14 bits of fraction."""
    low = ((upper & _LOW) * first + (lower & _LOW) * second) >> _14
    high = ((upper >> _16) * first + (lower >> _16) * second) >> _14
    return (low & _BYTE) | (high & _BYTE) << _16


@late_kernel(*_IMAGE, _TABLE, _TABLE, _WEIGHTS, _TABLE, _TABLE, _WEIGHTS, WORDS, WORDS)
def bilinear(
    out: Words,
    pitch: int,
    width: int,
    height: int,
    source: Bytes,
    left: Offsets,
    right: Offsets,
    across: Weights,
    top: Offsets,
    bottom: Offsets,
    down: Weights,
    upper: Words,
    lower: Words,
) -> None:
    """Between four pixels of the source, by weights in 128ths, rounded down once, as pixman does.

    First along a row, without rounding, then between two such rows, which are kept for the next row of
    `out`: an enlarged picture needs each only once.

    Args: as `gather`, and
        left: Byte offset of the first of two columns, by column of `out`.
        right: Of the second.
        across: Weight of the second.
        top: As `left`, by row of `out`.
        bottom: As `right`.
        down: As `across`.
        upper: Room for 2 * width words.
        lower: As `upper`.
    """
    upper_at = lower_at = -1
    for y in range(height):
        if top[y] != upper_at:
            upper_at, lower_at, upper, lower = lower_at, upper_at, lower, upper
        if top[y] != upper_at:
            upper_at = top[y]
            _between(upper, source, upper_at, left, right, across, width)
        if bottom[y] != lower_at:
            lower_at = bottom[y]
            _between(lower, source, lower_at, left, right, across, width)
        row = out[y * pitch : y * pitch + width]
        second = np.uint32(down[y]) & _BYTE
        first = _WHOLE - second
        for x in range(width):
            red_blue = _mix(upper[2 * x], lower[2 * x], first, second)
            alpha_green = _mix(upper[2 * x + 1], lower[2 * x + 1], first, second)
            row[x] = red_blue | alpha_green << _8


@helper
def _overlap(begin: int, end: int, pixel: int) -> int:
    """How much of a pixel, in 65536ths, lies between two positions."""
    return min(end, (pixel + 1) << 16) - max(begin, pixel << 16)


@late_kernel(*_IMAGE, _TABLE, _TABLE, _INT, _TABLE, _TABLE, _INT)
def box(
    out: Words,
    pitch: int,
    width: int,
    height: int,
    source: Bytes,
    column_begin: Offsets,
    column_end: Offsets,
    column_bytes: int,
    row_begin: Offsets,
    row_end: Offsets,
    row_bytes: int,
) -> None:
    """The mean of all that a pixel covers of the source, each pixel by the part covered, rounded to nearest.

    Args: as `gather`, and
        column_begin: Position, 16.16, where a pixel begins, by column of `out`.
        column_end: Where it ends, beyond the beginning.
        column_bytes: Bytes from one column of the source to the next.
        row_begin: As `column_begin`, by row.
        row_end: As `column_end`.
        row_bytes: As `column_bytes`.
    """
    half = np.uint64(1)
    for y in range(height):
        v0, v1 = row_begin[y], row_end[y]
        for x in range(width):
            u0, u1 = column_begin[x], column_end[x]
            alpha = red = green = blue = np.uint64(0)
            for v in range(v0 >> 16, ((v1 - 1) >> 16) + 1):
                tall = _overlap(v0, v1, v)
                for u in range(u0 >> 16, ((u1 - 1) >> 16) + 1):
                    s = load32(source, v * row_bytes + u * column_bytes)
                    weight = np.uint64(tall * _overlap(u0, u1, u))
                    alpha += np.uint64(s >> _24) * weight
                    red += np.uint64((s >> _16) & _BYTE) * weight
                    green += np.uint64((s >> _8) & _BYTE) * weight
                    blue += np.uint64(s & _BYTE) * weight
            area = np.uint64((v1 - v0) * (u1 - u0))
            middle = area >> half
            out[y * pitch + x] = (
                np.uint32((alpha + middle) // area) << _24
                | np.uint32((red + middle) // area) << _16
                | np.uint32((green + middle) // area) << _8
                | np.uint32((blue + middle) // area)
            )
