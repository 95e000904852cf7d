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
from compositor.render.fused.vectors import BLOCK, load, load_some, prefetch, store, store_some, table

# A record: where the image lies on the target, half-open; the address of what it has at the target's first
# pixel; bytes from row to row; whether nothing below it can be seen; whether its pixels are blended as they
# are; if not: right shifts that bring each channel to the lowest byte, whether alpha counts as 255, opacity
# in 255ths; and the place of its bytes in the sums.
LEFT, TOP, RIGHT, BOTTOM, ORIGIN, PITCH, COVERS, PLAIN = range(8)
BLUE, GREEN, RED, ALPHA, IGNORE_ALPHA, OPACITY, INDEX, RECORD = range(8, 16)

# A core's own prefetchers stop at every page of 4 KiB: worth up to 1.5 times.
AHEAD = 6144  # bytes


@part
def run(out: int, left: int, right: int, stack: int, depth: int) -> None:
    """Make the pixels from column `left` to `right` of the target's row that begins at address `out`."""
    begin, end = 4 * left, 4 * right
    head = min(begin + (-(out + begin) & (BLOCK - 4)), end)  # there the target's cache lines begin
    tail = end - (end - head) % BLOCK
    _some(out, begin, head, stack, depth)
    if depth == 1:
        _copy(out, head, tail, stack)
    elif depth == 2:
        _blend(out, head, tail, stack)
    else:
        _pile(out, head, tail, stack, depth)
    _some(out, tail, end, stack, depth)


@part
def _copy(out: int, begin: int, end: int, stack: int) -> None:
    """One layer."""
    record, row = table(stack)[0], table(stack)[1]
    plain = table(record)[PLAIN]
    if row == out and plain:
        return
    for at in range(begin, end, BLOCK):
        prefetch(out + at + AHEAD)
        store(out + at, opaque(_fetch(row + at, plain, record)))


@part
def _blend(out: int, begin: int, end: int, stack: int) -> None:
    """Two layers."""
    base, base_row = table(stack)[0], table(stack)[1]
    above, row = table(stack)[2], table(stack)[3]
    base_plain, plain = table(base)[PLAIN], table(above)[PLAIN]
    in_place = base_row == out and base_plain != 0
    for at in range(begin, end, BLOCK):
        prefetch(out + at + AHEAD)
        pixels = _fetch(row + at, plain, above)
        if all_opaque(pixels):
            store(out + at, pixels)
        elif in_place:
            if not all_clear(pixels):
                store(out + at, opaque(over(load(out + at), pixels)))
        else:
            below = _fetch(base_row + at, base_plain, base)
            store(out + at, opaque(over(below, pixels)))


@part
def _pile(out: int, begin: int, end: int, stack: int, depth: int) -> None:
    """Any number of layers."""
    layers = table(stack)
    for at in range(begin, end, BLOCK):
        prefetch(out + at + AHEAD)
        top = depth
        while True:
            top -= 1
            record = layers[2 * top]
            pixels = _fetch(layers[2 * top + 1] + at, table(record)[PLAIN], record)
            if top == 0 or all_opaque(pixels):
                break
        for layer in range(top + 1, depth):
            record = layers[2 * layer]
            above = _convert(load(layers[2 * layer + 1] + at), table(record)[PLAIN], record)
            if not all_clear(above):
                pixels = over(pixels, above)
        store(out + at, opaque(pixels))


@helper
def _some(out: int, begin: int, end: int, stack: int, depth: int) -> None:
    """Any number of layers, less than sixteen pixels."""
    if begin == end:
        return
    layers, count = table(stack), (end - begin) // 4
    pixels = _convert(load_some(layers[1] + begin, count), table(layers[0])[PLAIN], layers[0])
    for layer in range(1, depth):
        record = layers[2 * layer]
        above = load_some(layers[2 * layer + 1] + begin, count)
        pixels = over(pixels, _convert(above, table(record)[PLAIN], record))
    store_some(out + begin, opaque(pixels), count)


@helper
def _fetch(address: int, plain: int, record: int) -> Any:
    """Sixteen pixels of a layer, and those that will be asked for soon."""
    prefetch(address + AHEAD)
    return _convert(load(address), plain, record)


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
