"""Pictures of words turned and scaled, by the compiled kernels."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType
from typing import NamedTuple

from compositor.pixels.plane_state import Filter
from compositor.render.filter_tables import BLOCK, column_tables, edges, row_tables
from compositor.render.fused.tables import address_of
from compositor.render.layer import Pixels
from compositor.render.view import View
from compositor.render.words import Words, image_of, scratch


class Kernels(NamedTuple):
    """The modules that need numba."""

    box: ModuleType
    convert: ModuleType
    convert_yuv: ModuleType
    filters: ModuleType
    turn: ModuleType


@functools.cache
def load() -> Kernels | None:
    """The compiled kernels, or None where numba is not installed; the first call takes as `blend.load`."""
    try:
        return Kernels(*(importlib.import_module(f"compositor.render.{name}") for name in Kernels._fields))
    except ImportError:
        return None


def transform(
    modules: Kernels, image: Pixels, origin: tuple[int, int], view: View, out: Words, over: bool
) -> None:
    """Turn and scale.

    Args:
        modules: The kernels.
        image: Words of four channels, as bytes.
        origin: Column and row of the buffer that lie at the image's upper left corner.
        view: What is drawn.
        out: As in `sample`.
        over: As in `sample`.
    """
    if view.turned:
        _turn(modules, image, origin, view, out, over)
        return
    pitch, (left, top) = image.strides[0], origin
    arguments = (*image_of(out), over)
    if view.filter is Filter.BOX:
        region = view.region
        start = address_of(image) + (region.y - top) * pitch + 4 * (region.x - left)
        _shrink(modules, view, (*arguments, start, pitch))
        return
    # Both are kept here, because the cache may forget them meanwhile.
    row_table = row_tables(view.filter, view.y, top, pitch)
    column_table = column_tables(view.filter, view.x, left, left + image.shape[1])
    rows, columns = row_table.addresses, column_table.addresses
    if view.filter is Filter.NEAREST:
        blocks = columns[1] if len(columns) > 1 else 0
        modules.filters.nearest(*arguments, address_of(image), columns[0], blocks, *rows)
        return
    blocks = columns[3] if len(columns) > 3 else 0
    lines = scratch.words("lines", 4, -(-out.shape[1] // BLOCK) * BLOCK)
    room = address_of(lines[0]), address_of(lines[2])
    modules.filters.bilinear(*arguments, address_of(image), *columns[:3], blocks, *rows, *room)


def _shrink(modules: Kernels, view: View, arguments: tuple[int, ...]) -> None:
    """The box filter; arguments are those that its kernels begin with."""
    if view.is_half:
        modules.box.halve(*arguments)
        return
    left, top, length, _ = view.region
    width = view.x.stop - view.x.start
    columns, rows = edges(view.x, left), edges(view.y, top)
    sums = scratch.words("sums", 4, -(-length // 4) * 4)
    line = scratch.words("line", 1, -(-width // BLOCK) * BLOCK)
    modules.box.box(
        *arguments, *columns.addresses, *rows.addresses, address_of(sums), length, address_of(line)
    )


def _turn(
    modules: Kernels, image: Pixels, origin: tuple[int, int], view: View, out: Words, over: bool
) -> None:
    """As `transform`, where the screen's rows run along the buffer's columns: scaled first, then turned."""
    if view.x.axis.is_whole and view.y.axis.is_whole:
        (row, backwards), (column, mirrored) = (
            (int(line.axis.nearest(line.start, line.start + 1)[0]), line.axis.reverse)
            for line in (view.x, view.y)
        )
        pitch = image.strides[0]
        start = address_of(image) + (row - origin[1]) * pitch + 4 * (column - origin[0])
        steps = -pitch if backwards else pitch, -4 if mirrored else 4
    else:
        upright = scratch.words("upright", *out.shape[::-1])
        transform(modules, image, origin, view._replace(x=view.y, y=view.x, turned=False), upright, False)
        start, steps = address_of(upright), (upright.strides[0], 4)
    room = scratch.words("tile", 1, modules.turn.ROOM)
    modules.turn.turn(*image_of(out), over, start, *steps, address_of(room))
