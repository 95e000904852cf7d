"""From Y'CbCr to ARGB8888 words, compiled by numba; the matrix is `compositor.render.yuv`'s.

Pixels that share a Cb and a Cr are worked on in pairs, so that what Cb and Cr add to the colours is found
once: for two pixels of YUYV, and for four of NV12. Arguments are as in `compositor.render.convert`.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from compositor.render.compiled import late_kernel, part
from compositor.render.expressions import (
    OPAQUE,
    Lanes,
    expression,
    load16,
    load16_some,
    load_first,
    of_arity,
)
from compositor.render.fused.vectors import (
    AHEAD,
    BLOCK,
    LANES,
    PIXELS,
    VECTOR,
    Function,
    load,
    load_some,
    prefetch,
    store,
    store_some,
)


@expression(1)
def _byte0(s: Lanes) -> Lanes:
    return s & 0xFF


@expression(1)
def _byte1(s: Lanes) -> Lanes:
    return s >> 8 & 0xFF


@expression(1)
def _byte2(s: Lanes) -> Lanes:
    return s >> 16 & 0xFF


@expression(1)
def _byte3(s: Lanes) -> Lanes:
    return s >> 24


@expression(1, numbers=2)
def _tint(chroma: Lanes, factor: Lanes, constant: Lanes) -> Lanes:
    """What Cb or Cr adds to a colour, and a constant."""
    return chroma * factor + constant


@expression(2, numbers=3)
def _green_tint(cb: Lanes, cr: Lanes, cb_factor: Lanes, cr_factor: Lanes, constant: Lanes) -> Lanes:
    return cb * cb_factor + cr * cr_factor + constant


def _from_yuv(places: list[int]) -> Function:
    """An instruction that makes sixteen pixels, at these places among 32 that have a Cb and a Cr in pairs.

    Its vectors are Y of the first pixel of each pair, of the second, and what Cb and Cr and all constants
    add up to for red, green and blue; the number is the factor of Y. All have 20 bits of fraction.
    """

    @expression(5, numbers=1)
    def pixels(first: Lanes, second: Lanes, red: Lanes, green: Lanes, blue: Lanes, luma: Lanes) -> Lanes:
        grey, greys = first * luma, second * luma
        outer = [_bytes(y + blue, y + red) for y in (grey, greys)]
        greens = _bytes(grey + green, greys + green)
        # What of the other green lies in the byte of alpha does no harm.
        evens = outer[0] | greens << 8 | OPAQUE
        return evens.lanes(places, outer[1] | greens >> 8 | OPAQUE)

    return pixels


def _bytes(low: Lanes, high: Lanes) -> Lanes:
    """Integer parts of numbers with 20 bits of fraction, from 0 to 255, in the halves of words.

    Their range has 16 bits above the lowest 16, so they are shifted and clamped in halves.
    """
    both = (low >> 16 | high & -0x10000).halves().signed_shift(4)
    return both.at_least(0).at_most(255).words()


_pixels0 = _from_yuv([lane // 2 + lane % 2 * LANES for lane in range(LANES)])
_pixels16 = _from_yuv([lane // 2 + lane % 2 * LANES for lane in range(LANES, 2 * LANES)])


def _of_bytes() -> Function:
    """An instruction that loads so many bytes, up to 32, as words of two bytes each; the others are zero."""
    stored = ir.VectorType(ir.IntType(8), 2 * LANES)
    pairs = ir.VectorType(ir.IntType(16), LANES)

    def some(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        loaded = load_first(builder, stored, values[0], values[1])
        return builder.zext(builder.bitcast(loaded, pairs), VECTOR)

    return of_arity(2, PIXELS(types.int64, types.int64), some)


_load_bytes = _of_bytes()


@part
def _put_pairs(
    to: int, count: int, first: Any, second: Any, red: Any, green: Any, blue: Any, luma: int
) -> None:
    """Up to 32 pixels, from Y of each pair of pixels and their tints."""
    prefetch(to + AHEAD)
    prefetch(to + BLOCK + AHEAD)
    low = _pixels0(first, second, red, green, blue, luma)
    high = _pixels16(first, second, red, green, blue, luma)
    if count >= 2 * LANES:
        store(to, low)
        store(to + BLOCK, high)
    else:
        store_some(to, low, count)
        store_some(to + BLOCK, high, count - LANES)


@late_kernel(12)
def yuyv(
    out: int,
    pitch: int,
    width: int,
    height: int,
    source: int,
    source_pitch: int,
    black: int,
    luma: int,
    red_cr: int,
    green_cb: int,
    green_cr: int,
    blue_cb: int,
) -> None:
    """Y0 Cb Y1 Cr to opaque words; the last six are `compositor.render.yuv.Matrix`."""
    grey = (1 << 19) - black * luma
    reds, blues, greens = grey - 128 * red_cr, grey - 128 * blue_cb, grey - 128 * (green_cb + green_cr)
    for y in range(height):
        to, row = out + y * pitch, source + y * source_pitch
        for x in range(0, width, 2 * LANES):
            rest, at = width - x, row + 2 * x
            prefetch(at + AHEAD)
            both = load(at) if rest >= 2 * LANES else load_some(at, (rest + 1) >> 1)
            cb, cr = _byte1(both), _byte3(both)
            red, blue = _tint(cr, red_cr, reds), _tint(cb, blue_cb, blues)
            green = _green_tint(cb, cr, green_cb, green_cr, greens)
            _put_pairs(to + 4 * x, rest, _byte0(both), _byte2(both), red, green, blue, luma)


@late_kernel(14)
def nv12(
    out: int,
    pitch: int,
    width: int,
    height: int,
    source: int,
    source_pitch: int,
    black: int,
    luma: int,
    red_cr: int,
    green_cb: int,
    green_cr: int,
    blue_cb: int,
    chroma: int,
    chroma_pitch: int,
) -> None:
    """A plane of Y and one of Cb, Cr of each 2 x 2 pixels, from an even row on, to opaque words."""
    grey = (1 << 19) - black * luma
    reds, blues, greens = grey - 128 * red_cr, grey - 128 * blue_cb, grey - 128 * (green_cb + green_cr)
    for top in range(0, height, 2):
        pairs = chroma + (top >> 1) * chroma_pitch
        for x in range(0, width, 2 * LANES):
            rest = width - x
            prefetch(pairs + x + AHEAD)
            colour = load16(pairs + x) if rest >= 2 * LANES else load16_some(pairs + x, (rest + 1) >> 1)
            cb, cr = _byte0(colour), _byte1(colour)
            red, blue = _tint(cr, red_cr, reds), _tint(cb, blue_cb, blues)
            green = _green_tint(cb, cr, green_cb, green_cr, greens)
            for y in range(top, min(top + 2, height)):
                at = source + y * source_pitch + x
                prefetch(at + AHEAD)
                both = load16(at) if rest >= 2 * LANES else _load_bytes(at, rest)
                _put_pairs(out + y * pitch + 4 * x, rest, _byte0(both), _byte1(both), red, green, blue, luma)
