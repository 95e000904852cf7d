"""Pictures turned by a quarter, compiled by numba.

A column of the source becomes a row of the screen. Taken pixel by pixel, sixteen rows of the screen would
look at each cache line of the source anew, and a page would be left with every pixel. So squares of sixteen
by sixteen pixels are turned in registers: sixteen loads, four times sixteen permutations that every
processor with vectors of 128 bits has, sixteen stores.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types

from compositor.render.compiled import late_kernel, part
from compositor.render.expressions import load_word, of_arity, store_word
from compositor.render.filters import write
from compositor.render.fused.vectors import LANES, VECTOR, load, prefetch

_TILE = 256  # columns: sixteen rows of them stay in the L1 cache
_PITCH = 4 * _TILE  # bytes
ROOM = LANES * _TILE
_AHEAD = 64  # columns: a core's own prefetchers do not follow strides longer than a page


def _shuffled(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, quarter: list[int]) -> ir.Value:
    """Lanes of two vectors, each 128 bits by themselves: 0 to 3 are the first's, 4 to 7 the second's."""
    places = [
        (lane & ~3) + place % 4 + place // 4 * LANES for lane in range(0, LANES, 4) for place in quarter
    ]
    return builder.shuffle_vector(a, b, ir.Constant(VECTOR, places))


def _quarters(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, first: int) -> ir.Value:
    """128 bits of `a`, the second next of it, and the same of `b`."""
    chosen = (first, first + 2, first + 4, first + 6)
    places = [4 * quarter + lane for quarter in chosen for lane in range(4)]
    return builder.shuffle_vector(a, b, ir.Constant(VECTOR, places))


def _turned(builder: ir.IRBuilder, lines: list[ir.Value]) -> list[ir.Value]:
    """Vector i of the result has lane i of each of sixteen vectors."""
    result = lines.copy()
    for group in range(0, LANES, 4):  # four lines: squares of four by four lanes
        a, b, c, d = lines[group : group + 4]
        upper = [
            _shuffled(builder, *pair, order)
            for pair in ((a, b), (c, d))
            for order in ([0, 4, 1, 5], [2, 6, 3, 7])
        ]
        for half in (0, 1):
            both = upper[half], upper[half + 2]
            result[group + 2 * half] = _shuffled(builder, *both, [0, 1, 4, 5])
            result[group + 2 * half + 1] = _shuffled(builder, *both, [2, 3, 6, 7])
    turned = lines.copy()
    for lane in range(4):
        for odd in (0, 1):
            left, right = (
                _quarters(builder, result[group + lane], result[group + lane + 4], odd) for group in (0, 8)
            )
            turned[4 * odd + lane] = _quarters(builder, left, right, 0)
            turned[4 * (odd + 2) + lane] = _quarters(builder, left, right, 1)
    return turned


def _of_squares() -> Any:
    """An instruction: to, pitch, source, column. It writes lane i of sixteen columns at `to + i * pitch`."""

    def generate(target: Any, builder: ir.IRBuilder, _signature: Any, values: Any) -> ir.Value:
        to, pitch, source, column = values

        def line(start: ir.Value, step: ir.Value, index: int) -> ir.Value:
            distance = builder.mul(step, ir.Constant(step.type, index))
            return builder.inttoptr(builder.add(start, distance), VECTOR.as_pointer())

        lines = [builder.load(line(source, column, index), align=1) for index in range(LANES)]
        for index, pixels in enumerate(_turned(builder, lines)):
            builder.store(pixels, line(to, pitch, index), align=1)
        return target.get_dummy_value()

    return of_arity(4, types.void(*[types.int64] * 4), generate)


_turn_square = _of_squares()


@part
def _turn_tile(room: int, width: int, height: int, source: int, column: int, row: int) -> None:
    """Turn up to `_TILE` columns of up to sixteen rows; `room` has rows of `_TILE` words."""
    across = width & -LANES if height == LANES else 0
    # Loads go up through memory: backwards, they begin with what is shown last, and stores go up.
    start, to, step = source, room, _PITCH
    if row < 0:
        start, to, step = source + (LANES - 1) * row, room + (LANES - 1) * _PITCH, -_PITCH
    for x in range(0, across, LANES):
        for ahead in range(x + _AHEAD, x + _AHEAD + LANES):
            prefetch(start + ahead * column)
        _turn_square(to + 4 * x, step, start + x * column, column)
    for y in range(height):
        for x in range(across, width):
            store_word(room + y * _PITCH + 4 * x, load_word(source + x * column + y * row))


@late_kernel(9)
def turn(
    out: int, pitch: int, width: int, height: int, above: int, source: int, column: int, row: int, room: int
) -> None:
    """Show pixels whose columns lie along the screen's rows.

    Args:
        out: Address of the words that are written.
        pitch: From one row of them to the next, bytes.
        width: In words.
        height: Rows.
        above: Whether the picture is blended OVER what is there, which is opaque; 0 or 1.
        source: Address of the pixel that is shown first.
        column: From there to the one that is shown beside it, bytes.
        row: To the one that is shown below it: 4, or -4 where the source is shown backwards.
        room: Address of `ROOM` words.
    """
    for top in range(0, height, LANES):
        rows = min(LANES, height - top)
        for left in range(0, width, _TILE):
            columns = min(_TILE, width - left)
            _turn_tile(room, columns, rows, source + left * column + top * row, column, row)
            for y in range(rows):
                at, to = room + y * _PITCH, out + (top + y) * pitch + 4 * left
                for x in range(0, columns, LANES):
                    write(to + 4 * x, load(at + 4 * x), columns - x, above)
