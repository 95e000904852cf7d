"""The fused kernel: a whole damage list in one call, every pixel of the target written once.

A damaged rectangle is cut into *bands* of rows in which the same layers lie, and a band into *cells* of
columns in which they lie over each other. What the topmost covering layer of a cell hides has dropped out
of it. So nothing has to be asked about geometry inside a cell. A band is then made row by row, which is the
order of memory (see `compositor.render.fused.rows`).

Importing this module loads numba, and compiles the kernel or loads its machine code: import it when the first
pixel has to be blended (see `compositor.render.blend`). The kernel releases the GIL.
"""

from __future__ import annotations

from compositor.render.compiled import helper, kernel, part
from compositor.render.fused.fetch import fetch
from compositor.render.fused.rows import BOTTOM, COVERS, LEFT, ORIGIN, PITCH, RECORD, RIGHT, TOP, run
from compositor.render.fused.vectors import table

__all__ = ["compose", "fetch", "scratch_size"]

# A cell: its first column, the column after its last, the number of its layers, and their stack.
_LEFT, _RIGHT, _DEPTH, _STACK = range(4)


def scratch_size(layers: int) -> int:
    """Numbers that the kernel needs room for with so many layers."""
    cells = 2 * layers + 1
    return layers + cells * _cell_size(layers)


def _cell_size(layers: int) -> int:
    return _STACK + 2 * layers


_cell_words = helper(_cell_size)


@part
def _active(
    records: int, layers: int, left: int, right: int, top: int, bottom: int, active: int
) -> tuple[int, int]:
    """Find the layers of the band that begins at row `top`: how many they are, and where it ends."""
    count = 0
    for index in range(layers):
        layer = table(records + 8 * RECORD * index)
        if layer[LEFT] < right and layer[RIGHT] > left:
            if layer[TOP] > top:
                bottom = min(bottom, layer[TOP])
            elif layer[BOTTOM] > top:
                bottom = min(bottom, layer[BOTTOM])
                table(active)[count] = records + 8 * RECORD * index
                count += 1
    return count, bottom


@part
def _cut(active: int, count: int, left: int, right: int, top: int, cells: int, cell_bytes: int) -> int:
    """Cut a band where one of its layers begins or ends; returns the number of cells."""
    found = 0
    while left < right:
        cell = table(cells + found * cell_bytes)
        end, depth = right, 0
        for index in range(count):
            record = table(active)[index]
            layer = table(record)
            if layer[LEFT] > left:
                end = min(end, layer[LEFT])
            elif layer[RIGHT] > left:
                end = min(end, layer[RIGHT])
                depth = 0 if layer[COVERS] != 0 else depth
                cell[_STACK + 2 * depth] = record
                cell[_STACK + 2 * depth + 1] = layer[ORIGIN] + top * layer[PITCH]
                depth += 1
        cell[_LEFT], cell[_RIGHT], cell[_DEPTH] = left, end, depth
        left = end
        found += 1
    return found


@part
def _count(address: int, height: int, records: int, written: int) -> None:
    """Add up what a cell's layers contribute."""
    cell = table(address)
    for layer in range(cell[_DEPTH]):
        index = (cell[_STACK + 2 * layer] - records) // (8 * RECORD)
        table(written)[index] += 4 * height * (cell[_RIGHT] - cell[_LEFT])


@part
def _cell_row(out: int, address: int) -> None:
    """Make one row of a cell, and go on to the next."""
    cell = table(address)
    run(out, cell[_LEFT], cell[_RIGHT], address + 8 * _STACK, cell[_DEPTH])
    for layer in range(cell[_DEPTH]):
        cell[_STACK + 2 * layer + 1] += table(cell[_STACK + 2 * layer])[PITCH]


@kernel(10)
def compose(
    target: int,
    pitch: int,
    records: int,
    layers: int,
    damage: int,
    rects: int,
    first: int,
    last: int,
    written: int,
    scratch: int,
) -> None:
    """Paint damaged rectangles; all tables hold 64-bit integers and are given by their addresses.

    Args:
        target: Address of the first pixel, XRGB8888.
        pitch: Bytes from row to row.
        records: A record for each layer, bottom to top; the lowest covers the whole target.
        layers: How many.
        damage: Left, top, right, bottom of each rectangle, half-open and within the target.
        rects: How many.
        first: Of all rows of all rectangles, counted through in their order, the first to be painted.
        last: And the one before which to stop.
        written: For each layer, the bytes that it contributed are added.
        scratch: Room for `scratch_size(layers)` numbers.
    """
    cells, cell_bytes = scratch + 8 * layers, 8 * _cell_words(layers)
    above = 0
    for number in range(rects):
        rect = table(damage + 32 * number)
        left, right, height = rect[0], rect[2], rect[3] - rect[1]
        top = rect[1] + max(0, first - above)
        bottom = rect[1] + min(height, last - above)
        above += height
        while top < bottom:
            count, end = _active(records, layers, left, right, top, bottom, scratch)
            found = _cut(scratch, count, left, right, top, cells, cell_bytes)
            for index in range(found):
                _count(cells + index * cell_bytes, end - top, records, written)
            for y in range(top, end):
                for index in range(found):
                    _cell_row(target + y * pitch, cells + index * cell_bytes)
            top = end
