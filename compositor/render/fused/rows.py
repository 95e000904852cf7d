"""A run of pixels of one row, made of the layers that lie over each other there; inner loops of the kernel.

Sixteen pixels at a time: from the top layer down to the first that is opaque in all sixteen, then up again,
blending, past layers that are clear in all sixteen. The target is written once, and not read at all, unless
it is the bottom layer itself; then what does not change is not written either. Everything below an opaque
block stays unread too, which is what makes windows cheap: they are opaque nearly everywhere.

A *stack* is a table of two numbers for each layer, bottom to top: the address of its record, and the address
of what it has at column 0 of this row, which may lie outside of the image. A *record* is a table too.
"""

from __future__ import annotations

from typing import Any

from compositor.render.compiled import helper, part
from compositor.render.fused.arithmetic import all_clear, all_opaque, fade, opaque, over, reorder
from compositor.render.fused.vectors import (
    BLOCK,
    WIDE_BLOCK,
    load_some,
    load_wide,
    store,
    store_some,
    table,
)

# A record: where the image lies on the target, half-open; the address of what it has at the target's first
# pixel; bytes from row to row; whether nothing below it can be seen; whether its pixels are blended as they
# are; if not: right shifts that bring each channel to the lowest byte, whether alpha counts as 255, and
# opacity in 255ths.
LEFT, TOP, RIGHT, BOTTOM, ORIGIN, PITCH, COVERS, PLAIN = range(8)
BLUE, GREEN, RED, ALPHA, IGNORE_ALPHA, OPACITY, RECORD = range(8, 15)

_FEW = 8  # blocks; of so many one more is dearer than to split the cache lines of all


@part
def run(out: int, left: int, right: int, stack: int, depth: int) -> None:
    """Make the pixels from column `left` to `right` of the target's row that begins at address `out`.

    Blocks lie where the target's cache lines begin, but for the first and the last, which overlap with
    their neighbours: making pixels twice is cheaper than masks. What is blended in place must not be made
    twice, and what is narrower than a block cannot.
    """
    begin, end = 4 * left, 4 * right
    in_place = table(stack)[1] == out
    if in_place and depth == 1 and table(table(stack)[0])[PLAIN]:
        return
    first, last = begin, end - WIDE_BLOCK
    if in_place or first > last:
        first = min(begin + (-(out + begin) & (BLOCK - 4)), end)
        rest = (end - first) % WIDE_BLOCK
        last -= rest
        _some(out, begin, first, stack, depth)
        _some(out, end - rest, end, stack, depth)
    if first > last:
        return
    within_line = BLOCK - 4 if last - first > _FEW * WIDE_BLOCK else 0
    if depth == 1:
        _copy(out, first, last, within_line, stack)
    elif depth == 2:
        _blend(out, first, last, within_line, stack, in_place)
    else:
        _pile(out, first, last, within_line, stack, depth)


@helper
def _next(out: int, at: int, last: int, within_line: int) -> int:
    """Where the block after the one at `at` begins: beyond `last` if it was the last one."""
    if at == last:
        return last + 1
    return min(at + WIDE_BLOCK - (out + at & within_line), last)


@part
def _copy(out: int, at: int, last: int, within_line: int, stack: int) -> None:
    """One layer."""
    record, row = table(stack)[0], table(stack)[1]
    plain = table(record)[PLAIN]
    while at <= last:
        store(out + at, opaque(_convert(load_wide(row + at), plain, record)))
        at = _next(out, at, last, within_line)


@part
def _blend(out: int, at: int, last: int, within_line: int, stack: int, in_place: bool) -> None:
    """Two layers."""
    base, base_row = table(stack)[0], table(stack)[1]
    above, row = table(stack)[2], table(stack)[3]
    base_plain, plain = table(base)[PLAIN], table(above)[PLAIN]
    if in_place and base_plain and plain:
        while at <= last:
            below, pixels = load_wide(out + at), load_wide(row + at)
            if not all_clear(pixels):
                store(out + at, over(below, pixels))  # the target is opaque, and stays so
            at = _next(out, at, last, within_line)
        return
    while at <= last:
        pixels = _convert(load_wide(row + at), plain, above)
        if not all_opaque(pixels):
            pixels = opaque(over(_convert(load_wide(base_row + at), base_plain, base), pixels))
        store(out + at, pixels)
        at = _next(out, at, last, within_line)


@part
def _pile(out: int, at: int, last: int, within_line: int, stack: int, depth: int) -> None:
    """Any number of layers."""
    layers = table(stack)
    while at <= last:
        top = depth
        while True:
            top -= 1
            record = layers[2 * top]
            pixels = _convert(load_wide(layers[2 * top + 1] + at), table(record)[PLAIN], record)
            if top == 0 or all_opaque(pixels):
                break
        for layer in range(top + 1, depth):
            record = layers[2 * layer]
            above = _convert(load_wide(layers[2 * layer + 1] + at), table(record)[PLAIN], record)
            if not all_clear(above):
                pixels = over(pixels, above)
        store(out + at, opaque(pixels))
        at = _next(out, at, last, within_line)


@helper
def _some(out: int, begin: int, end: int, stack: int, depth: int) -> None:
    """Any number of layers, and pixels by masks."""
    layers = table(stack)
    for at in range(begin, end, BLOCK):
        count = min(end - at, BLOCK) // 4
        pixels = _convert(load_some(layers[1] + at, count), table(layers[0])[PLAIN], layers[0])
        for layer in range(1, depth):
            record = layers[2 * layer]
            above = load_some(layers[2 * layer + 1] + at, count)
            pixels = over(pixels, _convert(above, table(record)[PLAIN], record))
        store_some(out + at, opaque(pixels), count)


@helper
def _convert(pixels: Any, plain: int, record: int) -> Any:
    """A layer's pixels as premultiplied ARGB8888; of one that covers all below it, alpha may be anything."""
    if plain == 0:
        layer = table(record)
        pixels = reorder(pixels, layer[BLUE], layer[GREEN], layer[RED], layer[ALPHA])
        if layer[IGNORE_ALPHA] != 0:
            pixels = opaque(pixels)
        if layer[OPACITY] != 255:
            pixels = fade(pixels, layer[OPACITY])
    return pixels
