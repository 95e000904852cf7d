"""Pictures made smaller by the box filter, compiled by numba: exact means of what pixels cover.

A mean is a sum of channels by areas, divided by an area. Rows are added up first, in whole numbers of 32
bits: up to 32 times 65536 by 255. Then columns, in floating point of 64 bits: up to 2^50, exact, and an area
is up to 2^42. What the quotient is rounded from lies on a whole number or 2^-43 of it away, which a product
with the reciprocal, rounded up, cannot hide: it is too large by less than 2^-43.

Where two by two whole pixels are one, as on a screen with half of the resolution, there is a kernel that
needs no tables. All arguments are integers; images and tables are given by their addresses.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from compositor.render.compiled import late_kernel, part
from compositor.render.expressions import Lanes, expression, loads, of_arity
from compositor.render.filters import write
from compositor.render.fused.vectors import (
    AHEAD,
    BLOCK,
    LANES,
    Function,
    load,
    load_some,
    prefetch,
    store,
    table,
)

_DOUBLES = ir.VectorType(ir.DoubleType(), 4)
_WORDS = ir.VectorType(ir.IntType(32), 4)


class _Channels(types.Type):
    def __init__(self) -> None:
        super().__init__(name="Channels")


@register_model(_Channels)
class _Model(models.PrimitiveModel):
    def __init__(self, manager: Any, fe_type: _Channels) -> None:
        super().__init__(manager, fe_type, _DOUBLES)  # type: ignore[no-untyped-call]


_CHANNELS: Any = _Channels()
_NUMBER, _FLOAT = types.int64, types.float64
_load8, _load8_some = loads(8)


def _everywhere(builder: ir.IRBuilder, number: ir.Value) -> ir.Value:
    nothing = ir.Constant(_DOUBLES, ir.Undefined)
    first = builder.insert_element(nothing, number, ir.Constant(ir.IntType(32), 0))
    return builder.shuffle_vector(first, nothing, ir.Constant(_WORDS, [0] * 4))


def _of_weighted() -> Function:
    """An instruction: four words, which are below 2^31, at an address, by a number."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        words = builder.load(builder.inttoptr(values[0], _WORDS.as_pointer()), align=4)
        return builder.fmul(builder.sitofp(words, _DOUBLES), _everywhere(builder, values[1]))

    return of_arity(2, _CHANNELS(_NUMBER, _FLOAT), generate)


def _of_plus() -> Function:
    """An instruction: the sum of two."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        return builder.fadd(*values)

    return of_arity(2, _CHANNELS(_CHANNELS, _CHANNELS), generate)


def _of_above() -> Function:
    """An instruction: the next larger number of a positive one."""

    def generate(_target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        bits = builder.bitcast(values[0], ir.IntType(64))
        return builder.bitcast(builder.add(bits, ir.Constant(bits.type, 1)), ir.DoubleType())

    return of_arity(1, _FLOAT(_FLOAT), generate)


def _of_put_mean() -> Function:
    """An instruction: write a word of sums, plus half of their area, by the area's reciprocal."""

    def generate(target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        address, sums, half, reciprocal = values
        total = builder.fadd(sums, _everywhere(builder, half))
        means = builder.fptosi(builder.fmul(total, _everywhere(builder, reciprocal)), _WORDS)
        word = builder.bitcast(builder.trunc(means, ir.VectorType(ir.IntType(8), 4)), ir.IntType(32))
        builder.store(word, builder.inttoptr(address, word.type.as_pointer()), align=1)
        return target.get_dummy_value()

    return of_arity(4, types.void(_NUMBER, _CHANNELS, _FLOAT, _FLOAT), generate)


_weighted, _plus, _next_above, _put_mean = _of_weighted(), _of_plus(), _of_above(), _of_put_mean()


@expression(1, numbers=1)
def _times(channels: Lanes, weight: Lanes) -> Lanes:
    return channels * weight


@expression(2, numbers=1)
def _plus_times(sums: Lanes, channels: Lanes, weight: Lanes) -> Lanes:
    return sums + channels * weight


@part
def _add_rows(sums: int, source: int, pitch: int, length: int, v0: int, v1: int) -> None:
    """Each channel of each column, by the part of each row that lies between two positions, added up.

    Four columns at a time; of the last, what lies beyond them is written, but not read.
    """
    first, last = v0 >> 16, (v1 - 1) >> 16
    begin = min(v1, (first + 1) << 16) - v0
    top, bottom = source + first * pitch, source + last * pitch
    for at in range(0, 4 * length, LANES):
        rest = 4 * length - at
        if rest >= LANES:
            total = _times(_load8(top + at), begin)
            for row in range(top + pitch, bottom, pitch):
                total = _plus_times(total, _load8(row + at), 1 << 16)
            if last > first:
                total = _plus_times(total, _load8(bottom + at), v1 - (last << 16))
        else:
            total = _times(_load8_some(top + at, rest), begin)
            for row in range(top + pitch, bottom, pitch):
                total = _plus_times(total, _load8_some(row + at, rest), 1 << 16)
            if last > first:
                total = _plus_times(total, _load8_some(bottom + at, rest), v1 - (last << 16))
        store(sums + 4 * at, total)


@part
def _add_columns(sums: int, u0: int, u1: int) -> Any:
    """What lies between two positions of a row of sums."""
    first, last = u0 >> 16, (u1 - 1) >> 16
    total = _weighted(sums + 16 * first, float(min(u1, (first + 1) << 16) - u0))
    for u in range(first + 1, last):
        total = _plus(total, _weighted(sums + 16 * u, 65536.0))
    if last > first:
        total = _plus(total, _weighted(sums + 16 * last, float(u1 - (last << 16))))
    return total


@late_kernel(12)
def box(
    out: int,
    pitch: int,
    width: int,
    height: int,
    above: int,
    source: int,
    source_pitch: int,
    columns: int,
    rows: int,
    sums: int,
    length: int,
    line: int,
) -> None:
    """The mean of all that a pixel covers of the source, by the parts that are covered, rounded to nearest.

    Args:
        out: Address of the words that are written.
        pitch: From one row of them to the next, bytes.
        width: In words.
        height: Rows.
        above: Whether the picture is blended OVER what is there, which is opaque; 0 or 1.
        source: Address of words of four channels, in any order.
        source_pitch: As `pitch`.
        columns: Positions, 16.16, where each column begins and ends, of 64 bits each. There are no
            more than two different widths.
        rows: As `columns`.
        sums: Room for four words for each of `length` columns of the source, rounded up to four of them.
        length: Columns of the source.
        line: Room for `width` words, rounded up to sixteen of them.
    """
    wide = table(columns)[1] - table(columns)[0]
    for y in range(height):
        v0, v1 = table(rows)[2 * y], table(rows)[2 * y + 1]
        _add_rows(sums, source, source_pitch, length, v0, v1)
        area = float((v1 - v0) * wide)
        half, reciprocal, known = 0.5 * area, _next_above(1.0 / area), wide
        other_half = other = 0.0
        for x in range(width):
            u0, u1 = table(columns)[2 * x], table(columns)[2 * x + 1]
            if u1 - u0 != known:
                known = u1 - u0
                half, other_half = other_half, half
                reciprocal, other = other, reciprocal
                if half == 0.0:
                    half = 0.5 * float((v1 - v0) * known)
                    reciprocal = _next_above(0.5 / half)
            _put_mean(line + 4 * x, _add_columns(sums, u0, u1), half, reciprocal)
        for x in range(0, width, LANES):
            write(out + y * pitch + 4 * x, load(line + 4 * x), width - x, above)


_EVENS, _ODDS = range(0, 2 * LANES, 2), range(1, 2 * LANES, 2)


@expression(4)
def _quarters(a: Lanes, b: Lanes, c: Lanes, d: Lanes) -> Lanes:
    """The means of squares of four pixels: `a` and `b` lie beside each other, `c` and `d` below them."""
    quads = [pair.lanes(places, beside) for pair, beside in ((a, b), (c, d)) for places in (_EVENS, _ODDS)]
    means = []
    for shift in (0, 8):
        first, second, third, fourth = ((quad >> shift & 0xFF00FF).halves() for quad in quads)
        means.append(((first + second + third + fourth + 2) >> 2).words())
    return means[0] | means[1] << 8


@late_kernel(7)
def halve(out: int, pitch: int, width: int, height: int, above: int, source: int, source_pitch: int) -> None:
    """As `box`, where each pixel covers two by two of the source."""
    for y in range(height):
        upper = source + 2 * y * source_pitch
        for x in range(0, width, LANES):
            rest, top = width - x, upper + 8 * x
            bottom = top + source_pitch
            if rest >= LANES:
                for row in (top, bottom):
                    prefetch(row + AHEAD)
                    prefetch(row + BLOCK + AHEAD)
                pixels = _quarters(load(top), load(top + BLOCK), load(bottom), load(bottom + BLOCK))
            else:
                count = 2 * rest - LANES
                pixels = _quarters(
                    load_some(top, 2 * rest),
                    load_some(top + BLOCK, count),
                    load_some(bottom, 2 * rest),
                    load_some(bottom + BLOCK, count),
                )
            write(out + y * pitch + 4 * x, pixels, rest, above)
