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
from compositor.plane_state import ONE, OPAQUE, BlendMode, Filter
from compositor.render import blend, reference
from compositor.render.axis import Axis, Indices, axes
from compositor.render.layer import Layer, Pixels
from compositor.render.yuv import matrix

Words = NDArray[np.uint32]

BAND_BYTES = 1 << 19
_BLOCK = 16  # pixels that a kernel works on at a time
_NEAR = 4 * _BLOCK  # columns that are loaded for as many, rather than one by one
_ALPHA = -0x1000000  # 0xff000000, signed


class _Modules(NamedTuple):
    box: ModuleType
    convert: ModuleType
    filters: ModuleType
    turn: ModuleType


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
    fitting = BAND_BYTES // (4 * piece.width)
    step = fitting & -_BLOCK or max(2, fitting & ~1)  # chroma has every other row; what is turned, blocks
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
    """Whether there is a filter that is the last step, so that it can blend what it draws."""
    last = _fetches(layer, piece) or (
        layer.format is PixelFormat.ARGB8888 and layer.has_pixel_alpha and not _is_coverage(layer)
    )
    filtered = load() is not None and not _view(layer, piece).is_straight
    return filtered and last and layer.plane.alpha == OPAQUE


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
def _row_tables(chosen: Filter, line: _Line, origin: int, pitch: int) -> Tables:
    """A filter's tables of rows.

    Args:
        chosen: Not the box filter.
        line: What is drawn.
        origin: The buffer's row at distance 0.
        pitch: Bytes from one row to the next.
    """
    taps = _taps(chosen, *line)
    return (*((pixels - origin) * pitch for pixels in taps[:2]), *taps[2:])


@functools.lru_cache(maxsize=256)
def _edges(line: _Line, origin: int) -> Indices:
    """The box filter's table along one axis; `origin` is the buffer's pixel at position 0."""
    return np.stack(line.axis.box(line.start, line.stop), axis=1) - (origin << 16)


@functools.lru_cache(maxsize=256)
def _column_tables(chosen: Filter, line: _Line, origin: int, end: int) -> Tables:
    """A filter's tables of columns.

    Args:
        chosen: Not the box filter.
        line: As in `_row_tables`.
        origin: The buffer's column at distance 0.
        end: Its last column that is there, and one.

    Returns:
        Of each tap the pixels, then the weights, if the filter has any, and the blocks, if there are any.
    """
    room = -(line.stop - line.start) % _BLOCK
    taps = [np.pad(table, (0, room), mode="edge") for table in _taps(chosen, *line)]
    weights: Tables = ()
    if chosen is Filter.BILINEAR:
        left, right, second = taps
        # Weights are signed bytes: where one pixel alone counts, which would be 128, it is taken twice.
        right, second = np.where(second > 0, right, left), np.where(second > 0, second, 64)
        taps, weights = [left, right], (((128 - second | second << 8) * 0x10001).astype(np.int32),)
    blocks = np.stack(taps).reshape(len(taps), -1, _BLOCK)
    low, high = blocks.min(axis=(0, 2)), blocks.max(axis=(0, 2))
    if int((high - low).max()) >= _NEAR:
        return (*((4 * (pixels - origin)).astype(np.int32) for pixels in taps), *weights)
    # The first pixel that is loaded lies so that as many as are loaded at once follow, if the row has them.
    count = np.minimum((high - low + _BLOCK) // _BLOCK * _BLOCK, end - origin)
    low = np.minimum(low, end - count)
    places = (blocks - low[:, None]).astype(np.int32)
    return (*places, *weights, np.stack([4 * (low - origin), count], axis=1))


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

    @property
    def is_half(self) -> bool:
        """Whether the box filter makes one pixel of two by two whole ones, in the same order."""
        lines = (self.x.axis, self.y.axis)
        halves = all(axis.length == 2 * axis.size * ONE and axis.origin % ONE == 0 for axis in lines)
        return halves and not any(axis.reverse for axis in lines)


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
        over: As in `sample`.
    """
    pitch, (left, top) = image.strides[0], origin
    arguments = (*_image(out), over)
    if view.turned:
        _turn(modules, image, origin, view, out, over)
    elif view.filter is Filter.BOX:
        region = view.region
        start = _address(image) + (region.y - top) * pitch + 4 * (region.x - left)
        _shrink(modules, view, (*arguments, start, pitch))
    else:
        rows = [_address(table) for table in _row_tables(view.filter, view.y, top, pitch)]
        columns = [
            _address(table) for table in _column_tables(view.filter, view.x, left, left + image.shape[1])
        ]
        if view.filter is Filter.NEAREST:
            blocks = columns[1] if len(columns) > 1 else 0
            modules.filters.nearest(*arguments, _address(image), columns[0], blocks, *rows)
        else:
            blocks = columns[3] if len(columns) > 3 else 0
            lines = _scratch.words("lines", 4, -(-out.shape[1] // _BLOCK) * _BLOCK)
            room = _address(lines[0]), _address(lines[2])
            modules.filters.bilinear(*arguments, _address(image), *columns[:3], blocks, *rows, *room)


def _shrink(modules: _Modules, view: _View, arguments: tuple[int, ...]) -> None:
    """The box filter; arguments are those that its kernels begin with."""
    if view.is_half:
        modules.box.halve(*arguments)
        return
    left, top, length, _ = view.region
    width = view.x.stop - view.x.start
    columns, rows = _edges(view.x, left), _edges(view.y, top)
    sums = _scratch.words("sums", 4, -(-length // 4) * 4)
    line = _scratch.words("line", 1, -(-width // _BLOCK) * _BLOCK)
    modules.box.box(*arguments, _address(columns), _address(rows), _address(sums), length, _address(line))


def _turn(
    modules: _Modules, image: Pixels, origin: tuple[int, int], view: _View, out: Words, over: bool
) -> None:
    """As `_filter`, where the screen's rows run along the buffer's columns: scaled first, then turned."""
    if view.x.axis.is_whole and view.y.axis.is_whole:
        (row, backwards), (column, mirrored) = (
            (int(line.axis.nearest(line.start, line.start + 1)[0]), line.axis.reverse)
            for line in (view.x, view.y)
        )
        pitch = image.strides[0]
        start = _address(image) + (row - origin[1]) * pitch + 4 * (column - origin[0])
        steps = -pitch if backwards else pitch, -4 if mirrored else 4
    else:
        upright = _scratch.words("upright", *out.shape[::-1])
        _filter(modules, image, origin, view._replace(x=view.y, y=view.x, turned=False), upright, False)
        start, steps = _address(upright), (upright.strides[0], 4)
    room = _scratch.words("tile", 1, modules.turn.ROOM)
    modules.turn.turn(*_image(out), over, start, *steps, _address(room))


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
