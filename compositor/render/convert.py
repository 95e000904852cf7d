"""From every format to ARGB8888 words, compiled by numba; for RGB bit for bit as pixman does it.

Channels of fewer bits are widened by repeating their upper bits, which maps the largest value to 255;
those of more bits are cut off. YUV is `compositor.render.yuv`'s matrix.

The first group reads an image as bytes, at any address and pitch, and writes words. The second group works on
words in place. Shifts bring a channel of a word to its low eight bits.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from compositor.render.compiled import helper
from compositor.render.words import BYTES, WORDS, late_kernel, load16, load32, multiply_add

Words = NDArray[np.uint32]
Bytes = NDArray[np.uint8]

_INT, _SHIFT, _FACTOR = types.int64, types.uint32, types.int32
_IMAGE = (WORDS, _INT, _INT, _INT)  # words, pitch in words, width, height
_SOURCE = (BYTES, _INT, _INT, _INT)  # bytes, pitch in bytes, first column, first row
_MATRIX = (_FACTOR,) * 6

_OPAQUE = np.uint32(0xFF000000)
_BYTE = np.uint32(0xFF)
_8, _16, _24 = np.uint32(8), np.uint32(16), np.uint32(24)


@late_kernel(*_IMAGE, *_SOURCE)
def rgb565(
    out: Words, pitch: int, width: int, height: int, source: Bytes, source_pitch: int, x0: int, y0: int
) -> None:
    """R5 G6 B5 to opaque words.

    Args:
        out: ARGB8888 words, flat.
        pitch: Words from one row to the next.
        width: Pixels.
        height: Rows.
        source: The whole image, flat.
        source_pitch: Bytes from one row to the next.
        x0: Column of the source that goes to the left of `out`.
        y0: Row of the source that goes to the top of `out`.
    """
    for y in range(height):
        row = out[y * pitch : y * pitch + width]
        start = (y0 + y) * source_pitch + 2 * x0
        for x in range(width):
            s = np.uint32(load16(source, start + 2 * x))
            red = (s << _8) & np.uint32(0xF80000) | (s << np.uint32(3)) & np.uint32(0x070000)
            green = (s << np.uint32(5)) & np.uint32(0xFC00) | (s >> np.uint32(1)) & np.uint32(0x300)
            blue = (s << np.uint32(3)) & np.uint32(0xF8) | (s >> np.uint32(2)) & np.uint32(0x07)
            row[x] = _OPAQUE | red | green | blue


@late_kernel(*_IMAGE, *_SOURCE, _SHIFT, _SHIFT)
def rgb888(
    out: Words,
    pitch: int,
    width: int,
    height: int,
    source: Bytes,
    source_pitch: int,
    x0: int,
    y0: int,
    first: np.uint32,
    third: np.uint32,
) -> None:
    """Three bytes a pixel to opaque words; `first` and `third` shift those bytes to their place."""
    for y in range(height):
        row = out[y * pitch : y * pitch + width]
        start = (y0 + y) * source_pitch + 3 * x0
        for x in range(width):
            at = start + 3 * x
            row[x] = (
                _OPAQUE
                | np.uint32(source[at]) << first
                | np.uint32(source[at + 1]) << _8
                | np.uint32(source[at + 2]) << third
            )


@late_kernel(*_IMAGE, *_SOURCE, types.uint32)
def rgb30(
    out: Words,
    pitch: int,
    width: int,
    height: int,
    source: Bytes,
    source_pitch: int,
    x0: int,
    y0: int,
    opaque: np.uint32,
) -> None:
    """A2 R10 G10 B10 to words; alpha is or-ed with `opaque`, 0xff000000 or 0."""
    for y in range(height):
        row = out[y * pitch : y * pitch + width]
        start = (y0 + y) * source_pitch + 4 * x0
        for x in range(width):
            s = load32(source, start + 4 * x)
            colours = (s >> np.uint32(6)) & np.uint32(0xFF0000)
            colours |= (s >> np.uint32(4)) & np.uint32(0xFF00) | (s >> np.uint32(2)) & _BYTE
            row[x] = (s >> np.uint32(30)) * np.uint32(0x55) << _24 | opaque | colours


@helper
def _clamp(value: np.int32) -> np.uint32:
    """The integer part of a sum of 20 bits of fraction, between 0 and 255."""
    whole = np.int32(value >> np.int32(20))
    whole = whole if whole > np.int32(0) else np.int32(0)
    return np.uint32(whole if whole < np.int32(255) else np.int32(255))


@helper
def _rgb(y: np.int32, luma: np.int32, red: np.int32, green: np.int32, blue: np.int32) -> np.uint32:
    """A pixel from its Y above black, and what its Cb and Cr give to each channel."""
    channels = _clamp(multiply_add(y, luma, red)) << _16 | _clamp(multiply_add(y, luma, green)) << _8
    return np.uint32(_OPAQUE | channels | _clamp(multiply_add(y, luma, blue)))


@helper
def _pair(
    row: Words,
    x: int,
    odd: int,
    stop: int,
    luma0: int,
    luma1: int,
    cb: int,
    cr: int,
    black: np.int32,
    luma: np.int32,
    red_cr: np.int32,
    green_cb: np.int32,
    green_cr: np.int32,
    blue_cb: np.int32,
) -> None:
    """Two pixels that share a Cb and a Cr, to columns x and x + 1; the first only if not `odd`."""
    half = np.int32(1 << 19)
    u, v = np.int32(cb) - np.int32(128), np.int32(cr) - np.int32(128)
    red = multiply_add(v, red_cr, half)
    green = multiply_add(u, green_cb, multiply_add(v, green_cr, half))
    blue = multiply_add(u, blue_cb, half)
    if not odd:
        row[x] = _rgb(np.int32(luma0) - black, luma, red, green, blue)
    if x + 1 < stop:
        row[x + 1] = _rgb(np.int32(luma1) - black, luma, red, green, blue)


@late_kernel(*_IMAGE, *_SOURCE, *_MATRIX)
def yuyv(
    out: Words,
    pitch: int,
    width: int,
    height: int,
    source: Bytes,
    source_pitch: int,
    x0: int,
    y0: int,
    black: np.int32,
    luma: np.int32,
    red_cr: np.int32,
    green_cb: np.int32,
    green_cr: np.int32,
    blue_cb: np.int32,
) -> None:
    """Y0 Cb Y1 Cr to opaque words; the last six are `compositor.render.yuv.Matrix`."""
    odd = x0 & 1
    for y in range(height):
        row = out[y * pitch : y * pitch + width]
        start = (y0 + y) * source_pitch + 2 * (x0 - odd)
        for pair in range((width + odd + 1) >> 1):
            at = start + 4 * pair
            cb, cr = source[at + 1], source[at + 3]
            x = 2 * pair - odd
            _pair(
                row, x, x < 0, width, source[at], source[at + 2], cb, cr,
                black, luma, red_cr, green_cb, green_cr, blue_cb,
            )  # fmt: skip


@late_kernel(*_IMAGE, *_SOURCE, *_MATRIX, BYTES, _INT)
def nv12(
    out: Words,
    pitch: int,
    width: int,
    height: int,
    source: Bytes,
    source_pitch: int,
    x0: int,
    y0: int,
    black: np.int32,
    luma: np.int32,
    red_cr: np.int32,
    green_cb: np.int32,
    green_cr: np.int32,
    blue_cb: np.int32,
    chroma: Bytes,
    chroma_pitch: int,
) -> None:
    """A plane of Y and one of Cb, Cr of each 2 x 2 pixels, to opaque words."""
    odd = x0 & 1
    for y in range(height):
        row = out[y * pitch : y * pitch + width]
        lumas = (y0 + y) * source_pitch + x0 - odd
        chromas = ((y0 + y) >> 1) * chroma_pitch + x0 - odd
        last = lumas + odd + width - 1
        for pair in range((width + odd + 1) >> 1):
            at = lumas + 2 * pair
            cb, cr = chroma[chromas + 2 * pair], chroma[chromas + 2 * pair + 1]
            x = 2 * pair - odd
            _pair(
                row, x, x < 0, width, source[at], source[min(at + 1, last)], cb, cr,
                black, luma, red_cr, green_cb, green_cr, blue_cb,
            )  # fmt: skip


@late_kernel(*_IMAGE, _SHIFT, _SHIFT, _SHIFT, _SHIFT, types.uint32)
def reorder(
    words: Words,
    pitch: int,
    width: int,
    height: int,
    blue: np.uint32,
    green: np.uint32,
    red: np.uint32,
    alpha: np.uint32,
    opaque: np.uint32,
) -> None:
    """Words of any of the eight formats to ARGB8888, in place; alpha is or-ed with `opaque`."""
    for y in range(height):
        row = words[y * pitch : y * pitch + width]
        for x in range(width):
            s = row[x]
            row[x] = (
                (s >> alpha) << _24
                | opaque
                | ((s >> red) & _BYTE) << _16
                | ((s >> green) & _BYTE) << _8
                | (s >> blue) & _BYTE
            )


@late_kernel(*_IMAGE)
def premultiply(words: Words, pitch: int, width: int, height: int) -> None:
    """Multiply colours by their alpha, c * a / 255 rounded to nearest, in place."""
    half, lanes, halves = np.uint32(128), np.uint32(0x00FF00FF), np.uint32(0x00800080)
    for y in range(height):
        row = words[y * pitch : y * pitch + width]
        for x in range(width):
            s = row[x]
            alpha = s >> _24
            red_blue = (s & lanes) * alpha + halves
            red_blue = ((red_blue + ((red_blue >> _8) & lanes)) >> _8) & lanes
            green = ((s >> _8) & _BYTE) * alpha + half
            green = ((green + (green >> _8)) >> _8) & _BYTE
            row[x] = s & _OPAQUE | green << _8 | red_blue


@late_kernel(*_IMAGE, types.uint16)
def fade(words: Words, pitch: int, width: int, height: int, alpha: np.uint16) -> None:
    """Multiply all four channels by alpha / 65535, rounded to nearest, in place.

    (t + t / 65536 + 1) / 65536 with t = c * alpha + 32767 is exact for every c and alpha.
    """
    half, one = np.uint32(32767), np.uint32(1)
    for y in range(height):
        row = words[y * pitch : y * pitch + width]
        for x in range(width):
            s = row[x]
            a = (s >> _24) * alpha + half
            r = ((s >> _16) & _BYTE) * alpha + half
            g = ((s >> _8) & _BYTE) * alpha + half
            b = (s & _BYTE) * alpha + half
            a = (a + (a >> _16) + one) >> _16
            r = (r + (r >> _16) + one) >> _16
            g = (g + (g >> _16) + one) >> _16
            b = (b + (b >> _16) + one) >> _16
            row[x] = (a & _BYTE) << _24 | (r & _BYTE) << _16 | (g & _BYTE) << _8 | b & _BYTE
