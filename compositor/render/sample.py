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

BAND_BYTES = 1 << 19
_BLOCK = 16  # pixels that a kernel works on at a time
_ALPHA = -0x1000000  # 0xff000000, signed


class _Modules(NamedTuple):
    convert: ModuleType
    filters: ModuleType


@functools.cache
def load() -> _Modules | None:
    """The compiled kernels, or None where numba is not installed; the first call takes as `blend.load`."""
    try:
        return _Modules(*(importlib.import_module(f"compositor.render.{name}") for name in _Modules._fields))
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
    out = _words(target)
    blends = not layer.is_opaque
    if out is not None and (not blends or _can_blend(layer, piece)):
        for band in bands(piece) if _fetches(layer, piece) else [piece]:
            sample(layer, band, out[band.y - piece.y : band.bottom - piece.y], over=blends)
        return
    for band in bands(piece):
        drawn = _scratch.words("drawn", band.height, band.width)
        sample(layer, band, drawn)
        rows = target[band.y - piece.y : band.bottom - piece.y]
        blend.over(rows, drawn.view(np.uint8).reshape(*drawn.shape, 4), PixelFormat.ARGB8888)


def bands(piece: Rect) -> Iterator[Rect]:
    """A rectangle in bands of rows that fit into the cache."""
    step = max(2, BAND_BYTES // (4 * piece.width) & ~1)
    for y in range(piece.y, piece.bottom, step):
        yield Rect(piece.x, y, piece.width, min(step, piece.bottom - y))


def _fetches(layer: Layer, piece: Rect) -> bool:
    """Whether a part of the buffer is converted before it is filtered, and so has to fit into the cache."""
    view = _view(layer, piece)
    if view.is_straight:
        return False
    return not isinstance(layer.format, PixelFormat) or (
        _is_coverage(layer) and view.filter is not Filter.NEAREST
    )


def _can_blend(layer: Layer, piece: Rect) -> bool:
    """Whether the filter is the last step, and can blend what it draws."""
    last = _fetches(layer, piece) or (layer.format is PixelFormat.ARGB8888 and layer.has_pixel_alpha)
    bilinear = _view(layer, piece).filter is Filter.BILINEAR
    return load() is not None and last and bilinear and layer.plane.alpha == OPAQUE


def _is_coverage(layer: Layer) -> bool:
    return layer.has_pixel_alpha and layer.plane.blend_mode is BlendMode.COVERAGE


def sample(layer: Layer, piece: Rect, out: Words, *, over: bool = False) -> None:
    """Draw a part of a layer as premultiplied ARGB8888.

    Args:
        layer: Any; its state has been checked.
        piece: What is drawn, a rectangle of the screen within the layer's bounds.
        out: (height, width) of `piece`, contiguous within rows.
        over: Blend it OVER the opaque pixels that are in `out`; only if `_can_blend`.
    """
    if (modules := load()) is None:
        out[...] = reference.sample(layer, piece) @ np.array([1, 1 << 8, 1 << 16, 1 << 24])
        return
    view = _view(layer, piece)
    if view.is_straight:
        _fetch(modules, layer, view.region, out)
        _prepare(modules, layer, out)
    elif not _fetches(layer, piece):
        _filter(modules, layer.pixels, (0, 0), view, out, over)
        if not over:
            _prepare(modules, layer, out)
    else:
        fetched = _scratch.words("fetched", view.region.height, view.region.width)
        _fetch(modules, layer, view.region, fetched)
        _prepare(modules, layer, fetched)
        image = fetched.view(np.uint8).reshape(*fetched.shape, 4)
        _filter(modules, image, (view.region.x, view.region.y), view, out, over)
    if layer.plane.alpha != OPAQUE:
        modules.convert.fade(*_image(out), layer.plane.alpha)


@functools.lru_cache(maxsize=256)  # bands of one picture share their columns, and frames everything
def _span(chosen: Filter, axis: Axis, start: int, stop: int) -> tuple[int, int]:
    """First and last pixel of the buffer that a filter looks at."""
    taps = _taps(chosen, axis, start, stop)
    low, high = int(taps[0].min()), int(taps[1 if len(taps) > 1 else 0].max())
    return (low >> 16, (high - 1) >> 16) if chosen is Filter.BOX else (low, high)


def _taps(chosen: Filter, axis: Axis, start: int, stop: int) -> tuple[Indices, ...]:
    match chosen:
        case Filter.NEAREST:
            return (axis.nearest(start, stop),)
        case Filter.BILINEAR:
            return axis.bilinear(start, stop)
        case Filter.BOX:
            return axis.box(start, stop)


class _Line(NamedTuple):
    """One axis of what is drawn: the buffer's axis, and from where to where on the screen."""

    axis: Axis
    start: int
    stop: int


Tables = tuple[NDArray[np.signedinteger], ...]


@functools.lru_cache(maxsize=256)
def _tables(chosen: Filter, line: _Line, origin: int, unit: int) -> Tables:
    """A filter's tables along one axis, as `compositor.render.filters` has them for rows.

    Args:
        chosen: The filter.
        line: What is drawn.
        origin: The buffer's pixel at distance 0.
        unit: Bytes from one pixel to the next.
    """
    taps = _taps(chosen, *line)
    if chosen is Filter.BOX:
        return (np.stack(taps, axis=1) - (origin << 16),)
    return (*((pixels - origin) * unit for pixels in taps[:2]), *taps[2:])


@functools.lru_cache(maxsize=256)
def _column_tables(line: _Line, origin: int, unit: int, end: int) -> Tables:
    """The bilinear filter's tables of columns.

    Args:
        line: As in `_tables`.
        origin: As in `_tables`.
        unit: As in `_tables`.
        end: The buffer's last pixel in a row of memory, and one; 0 where columns do not lie in a row.
    """
    room = -(line.stop - line.start) % _BLOCK
    left, right, second = (np.pad(table, (0, room), mode="edge") for table in _taps(Filter.BILINEAR, *line))
    # Weights are signed bytes: where the first alone counts, which would be 128, it is taken twice, by halves.
    right, second = np.where(second > 0, right, left), np.where(second > 0, second, 64)
    weights = ((128 - second | second << 8) * 0x10001).astype(np.int32)
    blocks, ends = left.reshape(-1, _BLOCK), right.reshape(-1, _BLOCK)
    low, high = np.minimum(blocks, ends).min(axis=1), np.maximum(blocks, ends).max(axis=1)
    if not end or int((high - low).max()) >= 2 * _BLOCK:
        far = ((pixels - origin) * unit for pixels in (left, right))
        return (*(pixels.astype(np.int32) for pixels in far), weights)
    # The first pixel that is loaded lies so that as many as are loaded at once follow in the row, if it has them.
    count = np.minimum(np.where(high - low < _BLOCK, _BLOCK, 2 * _BLOCK), end - origin)
    low = np.minimum(low, end - count)
    places = ((pixels - low[:, None]).astype(np.int32) for pixels in (blocks, ends))
    return (*places, weights, np.stack([(low - origin) * unit, count], axis=1))


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

    x: _Line
    y: _Line
    turned: bool
    filter: Filter
    is_straight: bool
    region: Rect


def _view(layer: Layer, piece: Rect) -> _View:
    across, down, turned = axes(layer.plane, *layer.image_size)
    whole = across.is_whole and down.is_whole
    chosen = Filter.NEAREST if whole else layer.plane.scaling_filter
    x = _Line(across, piece.x - layer.x, piece.right - layer.x)
    y = _Line(down, piece.y - layer.y, piece.bottom - layer.y)
    left, right = _span(chosen, *(y if turned else x))
    top, bottom = _span(chosen, *(x if turned else y))
    region = Rect(left, top, right - left + 1, bottom - top + 1)
    straight = whole and not (turned or across.reverse or down.reverse)
    return _View(x, y, turned, chosen, straight, region)


def _fetch(modules: _Modules, layer: Layer, region: Rect, out: Words) -> None:
    """A part of a buffer as words: as they are of the eight 32-bit formats, as ARGB8888 of the others."""
    form = layer.format
    if isinstance(form, PixelFormat):
        part = layer.pixels[region.y : region.bottom, region.x : region.right]
        np.copyto(out, part.view(np.uint32)[..., 0])
    elif form.is_yuv and (region.x | region.y) & 1:  # kernels begin where a Cb and a Cr do
        left, top = region.x & 1, region.y & 1
        larger = Rect(region.x - left, region.y - top, region.width + left, region.height + top)
        whole = _scratch.words("whole blocks", larger.height, larger.width)
        _convert(modules, layer, form, larger, whole)
        np.copyto(out, whole[top:, left:])
    else:
        _convert(modules, layer, form, region, out)


def _convert(modules: _Modules, layer: Layer, form: SampledFormat, region: Rect, out: Words) -> None:
    """As `_fetch`, of formats that have to be converted; of YUV, from an even pixel and row on."""
    kernels, pixels = modules.convert, layer.pixels
    pitch = pixels.strides[0]
    start = _address(pixels) + region.y * pitch + region.x // form.columns * form.pixel_bytes
    arguments = (*_image(out), start, pitch)
    match form:
        case SampledFormat.RGB565:
            kernels.rgb565(*arguments)
        case SampledFormat.RGB888:
            kernels.rgb888(*arguments)
        case SampledFormat.BGR888:
            kernels.bgr888(*arguments)
        case SampledFormat.XRGB2101010 | SampledFormat.ARGB2101010:
            kernels.rgb30(*arguments, 0 if layer.has_pixel_alpha else _ALPHA)
        case SampledFormat.YUYV:
            kernels.yuyv(*arguments, *matrix(layer.plane.color_encoding, layer.plane.color_range))
        case SampledFormat.NV12:
            factors = matrix(layer.plane.color_encoding, layer.plane.color_range)
            assert layer.chroma is not None
            pairs = layer.chroma.strides[0]
            kernels.nv12(
                *arguments, *factors, _address(layer.chroma) + region.y // 2 * pairs + region.x, pairs
            )


def _prepare(modules: _Modules, layer: Layer, words: Words) -> None:
    """From fetched words to premultiplied ARGB8888, in place."""
    if isinstance(layer.format, PixelFormat) and (
        layer.format is not PixelFormat.ARGB8888 or not layer.has_pixel_alpha
    ):
        opaque = 0 if layer.has_pixel_alpha else _ALPHA
        modules.convert.reorder(*_image(words), *layer.format.shifts, opaque)
    if _is_coverage(layer):
        modules.convert.premultiply(*_image(words))


def _filter(
    modules: _Modules, image: Pixels, origin: tuple[int, int], view: _View, out: Words, over: bool
) -> None:
    """Turn and scale.

    Args:
        modules: The kernels.
        image: Words of four channels, as bytes.
        origin: Column and row of the buffer that lie at the image's upper left corner.
        view: What is drawn.
        out: As in `sample`.
        over: As in `sample`; by the bilinear filter alone.
    """
    pitch = image.strides[0]
    column, row = (pitch, 4) if view.turned else (4, pitch)
    left, top = reversed(origin) if view.turned else origin
    rows = [_address(table) for table in _tables(view.filter, view.y, top, row)]
    arguments = (*_image(out), _address(image))
    if view.filter is Filter.BILINEAR:
        end = 0 if view.turned else left + image.shape[1]
        columns = [_address(table) for table in _column_tables(view.x, left, column, end)]
        blocks = columns[3:] or (0,)
        lines = _scratch.words("lines", 4, -(-out.shape[1] // _BLOCK) * _BLOCK)
        room = _address(lines[0]), _address(lines[2])
        modules.filters.bilinear(*arguments[:4], over, arguments[4], *columns[:3], *blocks, *rows, *room)
        return
    columns = [_address(table) for table in _tables(view.filter, view.x, left, column)]
    if view.filter is Filter.NEAREST:
        modules.filters.nearest(*arguments, *columns, *rows)
    else:
        length = image.shape[0 if view.turned else 1]
        sums = _scratch.words("sums", 8, length)
        modules.filters.box(*arguments, *columns, column, *rows, row, _address(sums), length)


def _words(image: Pixels) -> Words | None:
    """(height, width) words that alias `image`, or None when its pixels are not words."""
    row, pixel, byte = image.strides
    aligned = _address(image) % 4 == 0
    return image.view(np.uint32)[..., 0] if (pixel, byte, row % 4) == (4, 1, 0) and aligned else None


def _address(array: NDArray[np.generic]) -> int:
    return int(array.__array_interface__["data"][0])


def _image(words: Words) -> tuple[int, int, int, int]:
    """The kernels' first four arguments."""
    height, width = words.shape
    return _address(words), words.strides[0], width, height
