"""Pictures turned and scaled, compiled by numba: nearest, bilinear and box.

All take 32-bit words of four channels, in any order, and tables of distances in bytes: a pixel of the source
lies at `row distance + column distance`. So turning a picture needs no loop of its own: where the screen's
rows run along the buffer's columns, the distances of columns are multiples of the buffer's pitch.

All arguments are integers; images and tables are given by addresses. Tables have 64 bits a number,
where not said otherwise. Every kernel begins with the address, pitch, width and height
of the words that it writes, and the address of the source.
"""

from __future__ import annotations

from typing import Any

from compositor.render.compiled import helper, late_kernel
from compositor.render.expressions import Lanes, choose, expression, load_word, pick, store_word
from compositor.render.fused.arithmetic import opaque, over
from compositor.render.fused.vectors import (
    BLOCK,
    LANES,
    Function,
    load,
    load_some,
    prefetch,
    store,
    store_some,
    table,
)

_AHEAD = 4096  # bytes; a core's own prefetchers stop at every page
_TILE = 64  # columns: a turned picture touches as many rows of the source, whose cache lines stay


@late_kernel(7)
def nearest(out: int, pitch: int, width: int, height: int, source: int, columns: int, rows: int) -> None:
    """One pixel of the source for each pixel."""
    for left in range(0, width, _TILE):
        right = min(left + _TILE, width)
        for y in range(height):
            start, to = source + table(rows)[y], out + y * pitch
            for x in range(left, right):
                store_word(to + 4 * x, load_word(start + table(columns)[x]))


@expression(3)
def _red_blue(a: Lanes, b: Lanes, weights: Lanes) -> Lanes:
    """Two channels between two pixels in 128ths: a (128 - weight) + b weight."""
    return (a & 0xFF00FF | (b << 8 & -0xFF0100)).bytes().sums_of_products(weights.bytes()).words()


@expression(3)
def _alpha_green(a: Lanes, b: Lanes, weights: Lanes) -> Lanes:
    return (a >> 8 & 0xFF00FF | (b & -0xFF0100)).bytes().sums_of_products(weights.bytes()).words()


@expression(4, numbers=1)
def _between_lines(
    red_blue0: Lanes, alpha_green0: Lanes, red_blue1: Lanes, alpha_green1: Lanes, weight: Lanes
) -> Lanes:
    """Pixels between two lines in 128ths, weighted, without the 14 bits of fraction.

    The sum is (128 a + (b - a) w) / 16384, rounded down, which is (a + (b - a) w / 128) / 128 with both
    quotients rounded down. The inner one is the upper half of (a - b) * -512 w, which has room in 16 bits
    up to w = 64.

    Args:
        red_blue0: Of the line that is nearer.
        alpha_green0: As `red_blue0`.
        red_blue1: Of the other.
        alpha_green1: As `red_blue1`.
        weight: -512 w in both halves of a word, cut to 16 bits.
    """
    mixed = []
    for nearer, other in ((red_blue0, red_blue1), (alpha_green0, alpha_green1)):
        a, b = nearer.halves(), other.halves()
        mixed.append((a + (a - b).high_product(weight.halves())) >> 7)
    return mixed[0].words() | mixed[1].words() << 8


@helper
def _mix_pair(line: int, a: Any, b: Any, weights: Any) -> None:
    """Sixteen pixels of a line: two vectors."""
    store(line, _red_blue(a, b, weights))
    store(line + BLOCK, _alpha_green(a, b, weights))


@helper
def _near_line(line: int, source: int, left: int, right: int, weights: int, width: int, blocks: int) -> None:
    """A row at the columns' positions, in 128ths, where sixteen columns look at no more than 32 pixels."""
    for x in range(0, width, LANES):
        at, block = 4 * x, blocks + x
        start, room = source + table(block)[0], table(block)[1]
        prefetch(start + _AHEAD)
        if room == LANES:
            only = load(start)
            a, b = pick(only, load(left + at)), pick(only, load(right + at))
        elif room == 2 * LANES:
            first, second = load(start), load(start + BLOCK)
            a, b = choose(first, second, load(left + at)), choose(first, second, load(right + at))
        else:
            first, second = load_some(start, room), load_some(start + BLOCK, room - LANES)
            a, b = choose(first, second, load(left + at)), choose(first, second, load(right + at))
        _mix_pair(line + 2 * at, a, b, load(weights + at))


@helper
def _far_line(line: int, source: int, left: int, right: int, weights: int, width: int) -> None:
    """As `_near_line`, anywhere: what is mixed is collected first, in the place of the line."""
    for x in range(0, width, LANES):
        at = line + 8 * x
        for column in range(x, x + LANES):
            place = at + 4 * (column - x)
            store_word(place, load_word(source + load_word(left + 4 * column)))
            store_word(place + BLOCK, load_word(source + load_word(right + 4 * column)))
        _mix_pair(at, load(at), load(at + BLOCK), load(weights + 4 * x))


@helper
def _line(line: int, source: int, left: int, right: int, weights: int, width: int, blocks: int) -> None:
    if blocks != 0:
        _near_line(line, source, left, right, weights, width, blocks)
    else:
        _far_line(line, source, left, right, weights, width)


@helper
def _write(address: int, pixels: Any, count: int, above: int) -> None:
    """Put up to sixteen pixels where they belong, or above what is there."""
    if above != 0:
        prefetch(address + _AHEAD)
        pixels = opaque(over(load_some(address, count), pixels))
    store_some(address, pixels, count)


@late_kernel(15)
def bilinear(
    out: int,
    pitch: int,
    width: int,
    height: int,
    above: int,
    source: int,
    left: int,
    right: int,
    across: int,
    blocks: int,
    top: int,
    bottom: int,
    down: int,
    upper: int,
    lower: int,
) -> None:
    """Between four pixels of the source, by weights in 128ths, rounded down once, as pixman does.

    First along a row, without rounding, then between two such lines, which are kept for the next row of
    `out`: an enlarged picture needs each only once.

    Args: as in all filters, and, before the source,
        above: Whether the picture is blended OVER what is there, which is opaque; 0 or 1. And then
        left: Distances of the first of two columns; with `blocks`, places in the block's pixels. Of 32 bits,
            and a multiple of sixteen of them, as the next two.
        right: Of the second.
        across: The weights of both, in two bytes, and the same again; none above 127.
        blocks: For each sixteen columns the distance of the first pixel that they look at, and how many are
            loaded from there on, of which 16 or 32 are loaded at once; 0 where some look further than that.
        top: As `left`, distances of rows.
        bottom: As `right`.
        down: The second's weight.
        upper: Room for 8 bytes of each of `width` pixels, rounded up to sixteen of them.
        lower: As `upper`.
    """
    upper_at = lower_at = -1
    for y in range(height):
        if table(top)[y] != upper_at:
            upper_at, lower_at, upper, lower = lower_at, upper_at, lower, upper
        if table(top)[y] != upper_at:
            upper_at = table(top)[y]
            _line(upper, source + upper_at, left, right, across, width, blocks)
        if table(bottom)[y] != lower_at:
            lower_at = table(bottom)[y]
            _line(lower, source + lower_at, left, right, across, width, blocks)
        share, nearer, other = table(down)[y], upper, lower
        if share > 64:
            share, nearer, other = 128 - share, lower, upper
        weight = (-(share << 9) & 0xFFFF) * 0x10001
        for x in range(0, width, LANES):
            a, b = nearer + 8 * x, other + 8 * x
            pixels = _between_lines(load(a), load(a + BLOCK), load(b), load(b + BLOCK), weight)
            _write(out + y * pitch + 4 * x, pixels, min(width - x, LANES), above)


@helper
def _overlap(begin: int, end: int, pixel: int) -> int:
    """How much of a pixel, in 65536ths, lies between two positions."""
    return min(end, (pixel + 1) << 16) - max(begin, pixel << 16)


@helper
def _quotient(value: int, by: int, reciprocal: float) -> int:
    """The quotient rounded down; by a product, which may be one off, and a look at what remains."""
    quotient = int(value * reciprocal)
    rest = value - quotient * by
    return quotient + (rest >= by) - (rest < 0)


@late_kernel(11)
def box(
    out: int,
    pitch: int,
    width: int,
    height: int,
    source: int,
    columns: int,
    column_bytes: int,
    rows: int,
    row_bytes: int,
    sums: int,
    length: int,
) -> None:
    """The mean of all that a pixel covers of the source, by the parts that are covered, rounded to nearest.

    Args: as in all filters, and
        columns: Positions, 16.16, where each column begins and ends, of 64 bits each.
        column_bytes: From one column of the source to the next.
        rows: As `columns`.
        row_bytes: As `column_bytes`.
        sums: Room for four numbers of 64 bits for each of `length` columns of the source.
        length: Columns of the source.
    """
    for y in range(height):
        v0, v1 = table(rows)[2 * y], table(rows)[2 * y + 1]
        _sum_rows(sums, source, length, column_bytes, row_bytes, v0, v1)
        for x in range(width):
            u0, u1 = table(columns)[2 * x], table(columns)[2 * x + 1]
            blue = green = red = alpha = 0
            for u in range(u0 >> 16, ((u1 - 1) >> 16) + 1):
                wide, channels = _overlap(u0, u1, u), table(sums + 32 * u)
                blue += wide * channels[0]
                green += wide * channels[1]
                red += wide * channels[2]
                alpha += wide * channels[3]
            area = (v1 - v0) * (u1 - u0)
            half, reciprocal = area >> 1, 1.0 / area
            pixel = _quotient(blue + half, area, reciprocal) | _quotient(green + half, area, reciprocal) << 8
            pixel |= _quotient(red + half, area, reciprocal) << 16
            store_word(out + y * pitch + 4 * x, pixel | _quotient(alpha + half, area, reciprocal) << 24)


@helper
def _sum_rows(
    sums: int, source: int, length: int, column_bytes: int, row_bytes: int, v0: int, v1: int
) -> None:
    """Each channel of each column, by the part of each row that lies between two positions, added up."""
    first = v0 >> 16
    for v in range(first, ((v1 - 1) >> 16) + 1):
        tall, row = _overlap(v0, v1, v), source + v * row_bytes
        for u in range(length):
            pixel, channels = load_word(row + u * column_bytes), table(sums + 32 * u)
            for channel in range(4):
                part = tall * (pixel >> 8 * channel & 0xFF)
                channels[channel] = part if v == first else channels[channel] + part
