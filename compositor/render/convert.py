"""From every format to ARGB8888 words, compiled by numba; for RGB bit for bit as pixman does it.

Channels of fewer bits are widened by repeating their upper bits, which maps the largest value to 255;
those of more bits are cut off. For YUV see `compositor.render.convert_yuv`.

All arguments are integers; images are given by addresses, and pitches in bytes. Every kernel begins with the
address, pitch, width and height of the words that it writes. The first group then has the address and
pitch of a source; the second works in place.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from compositor.render.compiled import helper, late_kernel
from compositor.render.expressions import OPAQUE, Lanes, expression, load16, load16_some, load_first, of_arity
from compositor.render.fused.vectors import (
    AHEAD,
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
def _from_565(s: Lanes) -> Lanes:
    red = s << 8 & 0xF80000 | s << 3 & 0x070000
    green = s << 5 & 0xFC00 | s >> 1 & 0x0300
    return red | green | s << 3 & 0xF8 | s >> 2 & 0x07 | OPAQUE


@expression(1, numbers=1)
def _from_30(s: Lanes, opaque: Lanes) -> Lanes:
    return s >> 6 & 0xFF0000 | s >> 4 & 0xFF00 | s >> 2 & 0xFF | (s >> 30) * 0x55000000 | opaque


@expression(1, numbers=5)
def _ordered(s: Lanes, blue: Lanes, green: Lanes, red: Lanes, alpha: Lanes, opaque: Lanes) -> Lanes:
    colours = (s >> red & 0xFF) << 16 | (s >> green & 0xFF) << 8 | s >> blue & 0xFF
    return (s >> alpha) << 24 | colours | opaque


@expression(1)
def _premultiplied(s: Lanes) -> Lanes:
    """Colours by alpha: c * a / 255 rounded to nearest, in lanes of 16 bits."""
    alpha = s >> 24
    factors = (alpha | alpha << 16).halves()
    red_blue, green = ((part.halves() * factors + 128) for part in (s & 0xFF00FF, s >> 8 & 0xFF))
    red_blue, green = ((part + (part >> 8)) >> 8 for part in (red_blue, green))
    return red_blue.words() | green.words() << 8 & 0xFF00 | s & OPAQUE


@expression(1, numbers=1)
def _faded(s: Lanes, alpha: Lanes) -> Lanes:
    """All channels by alpha / 65535: (t + t / 65536 + 1) / 65536 with t = c * alpha + 32767 is exact."""
    faded = s & 0
    for shift in (0, 8, 16, 24):
        product = (s >> shift & 0xFF) * alpha + 32767
        faded = faded | (product + (product >> 16) + 1) >> 16 << shift
    return faded


def _of_24(places: tuple[int, int, int]) -> tuple[Function, Function]:
    """Instructions that load sixteen pixels of three bytes: blue, green and red by their place in memory.

    The first takes twelve bytes at a time, but reads sixteen: four beyond its pixels.
    """
    stored = ir.VectorType(ir.IntType(8), 3 * LANES)
    quarter = ir.VectorType(ir.IntType(8), LANES)

    def words(builder: ir.IRBuilder, loaded: ir.Value, order: list[int]) -> ir.Value:
        opaque = ir.Constant(loaded.type, [0xFF] * loaded.type.count)
        return builder.bitcast(builder.shuffle_vector(loaded, opaque, _places(order)), VECTOR)

    def whole(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        steps = [builder.add(values[0], ir.Constant(values[0].type, 12 * part)) for part in range(4)]
        parts = [builder.load(builder.inttoptr(step, quarter.as_pointer()), align=1) for step in steps]
        halves = [builder.shuffle_vector(*pair, _places(list(range(32)))) for pair in (parts[:2], parts[2:])]
        joined = builder.shuffle_vector(*halves, _places(list(range(64))))
        order = [
            16 * part + 3 * pixel + place if place < 3 else 64
            for part in range(4)
            for pixel in range(4)
            for place in (*places, 3)
        ]
        return words(builder, joined, order)

    def some(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        count = builder.mul(values[1], ir.Constant(values[1].type, 3))
        order = [3 * pixel + place if place < 3 else 48 for pixel in range(LANES) for place in (*places, 3)]
        return words(builder, load_first(builder, stored, values[0], count), order)

    number = types.int64
    return of_arity(1, PIXELS(number), whole), of_arity(2, PIXELS(number, number), some)


def _places(order: list[int]) -> ir.Constant:
    return ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)


_load_bgr, _load_bgr_some = _of_24((0, 1, 2))
_load_rgb, _load_rgb_some = _of_24((2, 1, 0))


@helper
def _put(address: int, pixels: Any) -> None:
    """Sixteen pixels, where a kernel writes from one address to the next."""
    prefetch(address + AHEAD)
    store(address, pixels)


@late_kernel(6)
def rgb565(out: int, pitch: int, width: int, height: int, source: int, source_pitch: int) -> None:
    """R5 G6 B5 to opaque words."""
    whole = width & -LANES
    for y in range(height):
        to, row = out + y * pitch, source + y * source_pitch
        for x in range(0, whole, LANES):
            prefetch(row + 2 * x + AHEAD)
            _put(to + 4 * x, _from_565(load16(row + 2 * x)))
        if whole < width:
            rest = width - whole
            store_some(to + 4 * whole, _from_565(load16_some(row + 2 * whole, rest)), rest)


@late_kernel(6)
def rgb888(out: int, pitch: int, width: int, height: int, source: int, source_pitch: int) -> None:
    """Bytes B, G, R to opaque words."""
    whole = max(width - 2, 0) & -LANES  # the last blocks must not read beyond the row
    for y in range(height):
        to, row = out + y * pitch, source + y * source_pitch
        for x in range(0, whole, LANES):
            prefetch(row + 3 * x + AHEAD)
            _put(to + 4 * x, _load_bgr(row + 3 * x))
        for x in range(whole, width, LANES):
            rest = min(width - x, LANES)
            store_some(to + 4 * x, _load_bgr_some(row + 3 * x, rest), rest)


@late_kernel(6)
def bgr888(out: int, pitch: int, width: int, height: int, source: int, source_pitch: int) -> None:
    """Bytes R, G, B to opaque words."""
    whole = max(width - 2, 0) & -LANES  # the last blocks must not read beyond the row
    for y in range(height):
        to, row = out + y * pitch, source + y * source_pitch
        for x in range(0, whole, LANES):
            prefetch(row + 3 * x + AHEAD)
            _put(to + 4 * x, _load_rgb(row + 3 * x))
        for x in range(whole, width, LANES):
            rest = min(width - x, LANES)
            store_some(to + 4 * x, _load_rgb_some(row + 3 * x, rest), rest)


@late_kernel(7)
def rgb30(out: int, pitch: int, width: int, height: int, source: int, source_pitch: int, opaque: int) -> None:
    """A2 R10 G10 B10 to words; alpha is or-ed with `opaque`, 0xff000000 or 0."""
    whole = width & -LANES
    for y in range(height):
        to, row = out + y * pitch, source + y * source_pitch
        for x in range(0, whole, LANES):
            prefetch(row + 4 * x + AHEAD)
            _put(to + 4 * x, _from_30(load(row + 4 * x), opaque))
        if whole < width:
            rest = width - whole
            store_some(to + 4 * whole, _from_30(load_some(row + 4 * whole, rest), opaque), rest)


@late_kernel(9)
def reorder(
    out: int,
    pitch: int,
    width: int,
    height: int,
    blue: int,
    green: int,
    red: int,
    alpha: int,
    opaque: int,
) -> None:
    """Words of any of the eight formats to ARGB8888, by right shifts; alpha is or-ed with `opaque`."""
    for y in range(height):
        row = out + y * pitch
        for at in range(row, row + 4 * width, 4 * LANES):
            rest = (row + 4 * width - at) >> 2
            store_some(at, _ordered(load_some(at, rest), blue, green, red, alpha, opaque), rest)


@late_kernel(4)
def premultiply(out: int, pitch: int, width: int, height: int) -> None:
    """Multiply colours by their alpha."""
    for y in range(height):
        row = out + y * pitch
        for at in range(row, row + 4 * width, 4 * LANES):
            rest = (row + 4 * width - at) >> 2
            store_some(at, _premultiplied(load_some(at, rest)), rest)


@late_kernel(5)
def fade(out: int, pitch: int, width: int, height: int, alpha: int) -> None:
    """Multiply all four channels by alpha / 65535."""
    for y in range(height):
        row = out + y * pitch
        for at in range(row, row + 4 * width, 4 * LANES):
            rest = (row + 4 * width - at) >> 2
            store_some(at, _faded(load_some(at, rest), alpha), rest)
