"""A layer with a plane's state, drawn as plain premultiplied ARGB8888 pixels of the screen.

The order is: convert to ARGB8888, multiply by alpha where that was not done (coverage), filter, multiply by
the plane's alpha; each step has eight bits a channel. Steps that change nothing are left out, and where the
order makes no difference the cheap one is taken: channels of the eight 32-bit formats are put in order after
the filter, when they need not be copied first.

A picture is drawn in bands of rows, so small that what was drawn is in the cache when it is blended. Without
numba the reference renderer draws, with the same result.
"""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.pixel import PixelFormat, SampledFormat
from compositor.plane_state import OPAQUE, BlendMode, Filter
from compositor.render import blend, reference
from compositor.render.axis import Axis, Indices, axes
from compositor.render.layer import Layer, Pixels
from compositor.render.yuv import matrix

Words = NDArray[np.uint32]

BAND_BYTES = 1 << 18
_ALPHA = 0xFF000000


class _Modules(NamedTuple):
    convert: ModuleType
    filters: ModuleType
    words: ModuleType


@functools.cache
def load() -> _Modules | None:
    """The compiled kernels, or None where numba is not installed; the first call takes as `blend.load`."""
    try:
        names = ("convert", "filters", "words")
        return _Modules(*(importlib.import_module(f"compositor.render.{name}") for name in names))
    except ImportError:
        return None


class _Scratch(threading.local):
    """Room for what is drawn and soon forgotten; grows, and is kept, on each thread by itself."""

    def __init__(self) -> None:
        self._rooms: dict[str, Words] = {}

    def words(self, name: str, height: int, width: int) -> Words:
        """(height, width) words of any content, until the next call with the same name."""
        room = self._rooms.get(name)
        if room is None or room.size < height * width:
            room = self._rooms[name] = np.empty(height * width, np.uint32)
        return room[: height * width].reshape(height, width)


_scratch = _Scratch()


def draw(target: Pixels, layer: Layer, piece: Rect) -> None:
    """Put a part of a layer over a picture.

    Args:
        target: (height, width, 4) uint8, XRGB8888: what `piece` covers.
        layer: Any.
        piece: What is drawn, a rectangle of the screen within the layer's bounds.

    Raises:
        BadInput: The layer's state does not fit its image, and would look outside of it.
    """
    layer.plane.check(*layer.image_size)
    for band in bands(piece):
        rows = target[band.y - piece.y : band.bottom - piece.y]
        if layer.is_opaque and (out := _words(rows)) is not None:
            sample(layer, band, out)
        else:
            drawn = _scratch.words("drawn", band.height, band.width)
            sample(layer, band, drawn)
            blend.over(rows, drawn.view(np.uint8).reshape(*drawn.shape, 4), PixelFormat.ARGB8888)


def bands(piece: Rect) -> Iterator[Rect]:
    """A rectangle in bands of rows that fit into the cache."""
    step = max(1, BAND_BYTES // (4 * piece.width))
    for y in range(piece.y, piece.bottom, step):
        yield Rect(piece.x, y, piece.width, min(step, piece.bottom - y))


def sample(layer: Layer, piece: Rect, out: Words) -> None:
    """Draw a part of a layer as premultiplied ARGB8888.

    Args:
        layer: Any; its state has been checked.
        piece: What is drawn, a rectangle of the screen within the layer's bounds.
        out: (height, width) of `piece`, contiguous within rows.
    """
    if (modules := load()) is None:
        out[...] = reference.sample(layer, piece) @ np.array([1, 1 << 8, 1 << 16, 1 << 24])
        return
    view = _view(layer, piece)
    coverage = layer.has_pixel_alpha and layer.plane.blend_mode is BlendMode.COVERAGE
    if view.is_straight:
        _fetch(modules, layer, view.region, out)
        _prepare(modules, layer, coverage, out)
    elif isinstance(layer.format, PixelFormat) and (view.filter is Filter.NEAREST or not coverage):
        _filter(modules, layer.pixels, (0, 0), view, out)
        _prepare(modules, layer, coverage, out)
    else:
        fetched = _scratch.words("fetched", view.region.height, view.region.width)
        _fetch(modules, layer, view.region, fetched)
        _prepare(modules, layer, coverage, fetched)
        image = fetched.view(np.uint8).reshape(*fetched.shape, 4)
        _filter(modules, image, (view.region.x, view.region.y), view, out)
    if layer.plane.alpha != OPAQUE:
        modules.convert.fade(*modules.words.flat_words(out), layer.plane.alpha)


class _Taps(NamedTuple):
    """What a filter looks at along one axis, as `Axis` has it, and its first and last pixel."""

    tables: tuple[Indices, ...]
    low: int
    high: int


@functools.lru_cache(maxsize=256)  # bands of one picture share their columns, and frames everything
def _taps(chosen: Filter, axis: Axis, start: int, stop: int) -> _Taps:
    if chosen is Filter.BOX:
        begin, end = axis.box(start, stop)
        return _Taps((begin, end), int(begin.min()) >> 16, (int(end.max()) - 1) >> 16)
    if chosen is Filter.BILINEAR:
        left, right, weights = axis.bilinear(start, stop)
        return _Taps((left, right, weights.astype(np.uint8)), int(left.min()), int(right.max()))
    nearest = axis.nearest(start, stop)
    return _Taps((nearest,), int(nearest.min()), int(nearest.max()))


class _View(NamedTuple):
    """Where a part of the screen lies in a buffer.

    Attributes:
        x: Along the screen's rows.
        y: Along its columns.
        turned: Whether the screen's rows run along the buffer's columns.
        filter: NEAREST where no other has any effect.
        is_straight: Whether pixels of the screen are pixels of the buffer, in the same order.
        region: What is looked at of the buffer.
    """

    x: _Taps
    y: _Taps
    turned: bool
    filter: Filter
    is_straight: bool
    region: Rect


def _view(layer: Layer, piece: Rect) -> _View:
    across, down, turned = axes(layer.plane, *layer.image_size)
    whole = across.is_whole and down.is_whole
    chosen = Filter.NEAREST if whole else layer.plane.scaling_filter
    x = _taps(chosen, across, piece.x - layer.x, piece.right - layer.x)
    y = _taps(chosen, down, piece.y - layer.y, piece.bottom - layer.y)
    columns, rows = (y, x) if turned else (x, y)
    region = Rect(columns.low, rows.low, columns.high - columns.low + 1, rows.high - rows.low + 1)
    straight = whole and not (turned or across.reverse or down.reverse)
    return _View(x, y, turned, chosen, straight, region)


def _fetch(modules: _Modules, layer: Layer, region: Rect, out: Words) -> None:
    """A part of a buffer as words: as they are of the eight 32-bit formats, as ARGB8888 of the others."""
    convert, pixels = modules.convert, layer.pixels
    if isinstance(layer.format, PixelFormat):
        part = pixels[region.y : region.bottom, region.x : region.right]
        np.copyto(out, part.view(np.uint32)[..., 0])
        return
    arguments = (*modules.words.flat_words(out), *modules.words.flat_bytes(pixels), region.x, region.y)
    match layer.format:
        case SampledFormat.RGB565:
            convert.rgb565(*arguments)
        case SampledFormat.RGB888:
            convert.rgb888(*arguments, 0, 16)
        case SampledFormat.BGR888:
            convert.rgb888(*arguments, 16, 0)
        case SampledFormat.XRGB2101010 | SampledFormat.ARGB2101010:
            convert.rgb30(*arguments, 0 if layer.has_pixel_alpha else _ALPHA)
        case SampledFormat.YUYV:
            convert.yuyv(*arguments, *matrix(layer.plane.color_encoding, layer.plane.color_range))
        case SampledFormat.NV12:
            factors = matrix(layer.plane.color_encoding, layer.plane.color_range)
            convert.nv12(*arguments, *factors, *modules.words.flat_bytes(layer.chroma))


def _prepare(modules: _Modules, layer: Layer, coverage: bool, words: Words) -> None:
    """From fetched words to premultiplied ARGB8888, in place."""
    if isinstance(layer.format, PixelFormat) and (
        layer.format is not PixelFormat.ARGB8888 or not layer.has_pixel_alpha
    ):
        opaque = 0 if layer.has_pixel_alpha else _ALPHA
        modules.convert.reorder(*modules.words.flat_words(words), *layer.format.shifts, opaque)
    if coverage:
        modules.convert.premultiply(*modules.words.flat_words(words))


def _filter(modules: _Modules, image: Pixels, origin: tuple[int, int], view: _View, out: Words) -> None:
    """Turn and scale.

    Args:
        modules: The kernels.
        image: Words of four channels, as bytes.
        origin: Column and row of the buffer that lie at the image's upper left corner.
        view: What is drawn.
        out: As in `sample`.
    """
    source, pitch = modules.words.flat_bytes(image)
    column, row = (pitch, 4) if view.turned else (4, pitch)
    left, top = reversed(origin) if view.turned else origin
    arguments = (*modules.words.flat_words(out), source)
    match view.filter:
        case Filter.NEAREST:
            columns, rows = view.x.tables[0], view.y.tables[0]
            modules.filters.gather(*arguments, (columns - left) * column, (rows - top) * row)
        case Filter.BILINEAR:
            (x0, x1, across), (y0, y1, down) = view.x.tables, view.y.tables
            modules.filters.bilinear(
                *arguments,
                (x0 - left) * column,
                (x1 - left) * column,
                across,
                (y0 - top) * row,
                (y1 - top) * row,
                down,
                *_scratch.words("lines", 2, 2 * out.shape[1]),
            )
        case Filter.BOX:
            x0, x1 = (edge - (left << 16) for edge in view.x.tables)
            y0, y1 = (edge - (top << 16) for edge in view.y.tables)
            modules.filters.box(*arguments, x0, x1, column, y0, y1, row)


def _words(image: Pixels) -> Words | None:
    """(height, width) words that alias `image`, or None when its rows are not runs of whole words."""
    row, pixel, byte = image.strides
    aligned = image.ctypes.data % 4 == 0
    return image.view(np.uint32)[..., 0] if (pixel, byte, row % 4) == (4, 1, 0) and aligned else None
