"""Pictures scaled and mirrored, compiled by numba: nearest and bilinear.

All take 32-bit words of four channels, in any order, and tables of distances in bytes: a pixel of the source
lies at `row distance + column distance`. So mirroring a picture needs no loop of its own; to turn one by a
quarter is `compositor.render.turn`'s job.

All arguments are integers; images and tables are given by addresses. Tables have 64 bits a number,
where not said otherwise. Every kernel begins with the address, pitch, width and height of the words that it
writes, whether the picture is blended OVER what is there, which is opaque (0 or 1), and the source's address.
"""

from __future__ import annotations

from typing import Any

from compositor.render.compiled import helper, late_kernel
from compositor.render.expressions import Lanes, choose, expression, load_words, pick, pick_further
from compositor.render.fused.arithmetic import opaque, over
from compositor.render.fused.vectors import (
    AHEAD,
    BLOCK,
    LANES,
    load,
    load_some,
    prefetch,
    store,
    store_some,
    table,
)


@helper
def write(address: int, pixels: Any, count: int, above: int) -> None:
    """Put up to sixteen pixels where they belong, or above what is there."""
    prefetch(address + AHEAD)
    if count >= LANES:
        if above != 0:
            pixels = opaque(over(load(address), pixels))
        store(address, pixels)
    else:
        if above != 0:
            pixels = opaque(over(load_some(address, count), pixels))
        store_some(address, pixels, count)


@helper
def _near_pixels(first: int, room: int, places: Any) -> Any:
    """Sixteen pixels by their places among `room` that begin at an address."""
    if room == LANES:
        return pick(load(first), places)
    if room == 2 * LANES:
        prefetch(first + BLOCK + AHEAD)
        return choose(load(first), load(first + BLOCK), places)
    pixels = pick(load_some(first, room), places)
    # No loop: LLVM would move what does not change out of it, and not find the pattern of a permutation.
    pixels = pick_further(pixels, load_some(first + BLOCK, room - LANES), places, LANES)
    pixels = pick_further(pixels, load_some(first + 2 * BLOCK, room - 2 * LANES), places, 2 * LANES)
    return pick_further(pixels, load_some(first + 3 * BLOCK, room - 3 * LANES), places, 3 * LANES)


@late_kernel(9)
def nearest(
    out: int,
    pitch: int,
    width: int,
    height: int,
    above: int,
    source: int,
    columns: int,
    blocks: int,
    rows: int,
) -> None:
    """One pixel of the source for each pixel.

    Args: as in all filters; columns and blocks are as `left` and `blocks` of `bilinear`.
    """
    for y in range(height):
        start, to = source + table(rows)[y], out + y * pitch
        for x in range(0, width, LANES):
            at = 4 * x
            if blocks != 0:
                first, room = start + table(blocks + x)[0], table(blocks + x)[1]
                prefetch(first + AHEAD)
                pixels = _near_pixels(first, room, load(columns + at))
            else:
                pixels = load_words(start, load(columns + at))
            write(to + at, pixels, width - x, above)


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
def _line(line: int, source: int, left: int, right: int, weights: int, width: int, blocks: int) -> None:
    """A row at the columns' positions, in 128ths."""
    for x in range(0, width, LANES):
        first, second, share = load(left + 4 * x), load(right + 4 * x), load(weights + 4 * x)
        if blocks != 0:
            start, room = source + table(blocks + x)[0], table(blocks + x)[1]
            prefetch(start + AHEAD)
            a, b = _near_pixels(start, room, first), _near_pixels(start, room, second)
        else:
            a, b = load_words(source, first), load_words(source, second)
        store(line + 8 * x, _red_blue(a, b, share))
        store(line + 8 * x + BLOCK, _alpha_green(a, b, share))


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

    Args: as in all filters, and
        left: Distances of the first of two columns; with `blocks`, places among the block's pixels. Of 32
            bits, and a multiple of sixteen of them, as the next two.
        right: Of the second.
        across: The weights of both, in two bytes, and the same again; none above 127.
        blocks: For each sixteen columns the distance of the first pixel that they look at, and how many are
            loaded from there on; 0 where some are too far for that.
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
            write(out + y * pitch + 4 * x, pixels, width - x, above)
