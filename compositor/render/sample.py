"""A layer with a plane's state, drawn as plain premultiplied ARGB8888 pixels of the screen.

The order is: convert to ARGB8888, multiply by alpha where that was not done (coverage), filter, multiply by
the plane's alpha; each step has eight bits a channel. Steps that change nothing are left out, and where the
order makes no difference the cheap one is taken: channels of the eight 32-bit formats are put in order after
the filter, when they need not be copied first.

A picture is drawn in bands of rows, so small that what was drawn is in the cache when it is blended. Without
numba the reference renderer draws, with the same result.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from compositor.pixels.format import PixelFormat, SampledFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE, BlendMode, Filter
from compositor.render import blend, reference
from compositor.render.filter_tables import BLOCK
from compositor.render.fused.tables import address_of
from compositor.render.layer import Layer, Pixels
from compositor.render.transform import Kernels, load, transform
from compositor.render.view import View, view_of
from compositor.render.words import Words, image_of, scratch, words_of
from compositor.render.yuv import matrix

BAND_BYTES = 1 << 19
_ALPHA = -0x1000000  # 0xff000000, signed


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
    view, out = view_of(layer, piece), words_of(target)
    blends = not layer.is_opaque
    if out is None or (blends and not _can_blend(layer, view)):
        for band in bands(piece):
            drawn = scratch.words("drawn", band.height, band.width)
            sample(layer, band, drawn)
            rows = target[band.y - piece.y : band.bottom - piece.y]
            blend.over(rows, drawn.view(np.uint8).reshape(*drawn.shape, 4), PixelFormat.ARGB8888)
    elif _fetches(layer, view):
        for band in bands(piece):
            sample(layer, band, out[band.y - piece.y : band.bottom - piece.y], over=blends)
    else:
        _sample(layer, piece, view, out, blends)


def bands(piece: Rect) -> Iterator[Rect]:
    """A rectangle in bands of rows that fit into the cache."""
    fitting = BAND_BYTES // (4 * piece.width)
    step = fitting & -BLOCK or max(2, fitting & ~1)  # chroma has every other row; what is turned, blocks
    for y in range(piece.y, piece.bottom, step):
        yield Rect(piece.x, y, piece.width, min(step, piece.bottom - y))


def _fetches(layer: Layer, view: View) -> bool:
    """Whether a part of the buffer is converted before it is filtered, and so has to fit into the cache."""
    if view.is_straight:
        return False
    return not isinstance(layer.format, PixelFormat) or (
        _is_coverage(layer) and view.filter is not Filter.NEAREST
    )


def _can_blend(layer: Layer, view: View) -> bool:
    """Whether there is a filter that is the last step, so that it can blend what it draws."""
    last = _fetches(layer, view) or (
        layer.format is PixelFormat.ARGB8888 and layer.has_pixel_alpha and not _is_coverage(layer)
    )
    filtered = load() is not None and not view.is_straight
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
    _sample(layer, piece, view_of(layer, piece), out, over)


def _sample(layer: Layer, piece: Rect, view: View, out: Words, over: bool) -> None:
    """As `sample`, of what has this view."""
    if (modules := load()) is None:
        out[...] = reference.sample(layer, piece) @ np.array([1, 1 << 8, 1 << 16, 1 << 24])
        return
    if view.is_straight:
        _fetch(modules, layer, view.region, out)
        _prepare(modules, layer, out)
    elif not _fetches(layer, view):
        transform(modules, layer.pixels, (0, 0), view, out, over)
        if not over:
            _prepare(modules, layer, out)
    else:
        fetched = scratch.words("fetched", view.region.height, view.region.width)
        _fetch(modules, layer, view.region, fetched)
        _prepare(modules, layer, fetched)
        image = fetched.view(np.uint8).reshape(*fetched.shape, 4)
        transform(modules, image, (view.region.x, view.region.y), view, out, over)
    if layer.plane.alpha != OPAQUE:
        modules.convert.fade(*image_of(out), layer.plane.alpha)


def _fetch(modules: Kernels, layer: Layer, region: Rect, out: Words) -> None:
    """A part of a buffer as words: as they are of the eight 32-bit formats, as ARGB8888 of the others."""
    form = layer.format
    if isinstance(form, PixelFormat):
        part = layer.pixels[region.y : region.bottom, region.x : region.right]
        np.copyto(out, part.view(np.uint32)[..., 0])
    elif form.is_yuv and (region.x | region.y) & 1:  # kernels begin where a Cb and a Cr do
        left, top = region.x & 1, region.y & 1
        larger = Rect(region.x - left, region.y - top, region.width + left, region.height + top)
        whole = scratch.words("whole blocks", larger.height, larger.width)
        _convert(modules, layer, form, larger, whole)
        np.copyto(out, whole[top:, left:])
    else:
        _convert(modules, layer, form, region, out)


def _convert(modules: Kernels, layer: Layer, form: SampledFormat, region: Rect, out: Words) -> None:
    """As `_fetch`, of formats that have to be converted; of YUV, from an even pixel and row on."""
    kernels, pixels = modules.convert, layer.pixels
    pitch = pixels.strides[0]
    start = address_of(pixels) + region.y * pitch + region.x // form.columns * form.pixel_bytes
    arguments = (*image_of(out), start, pitch)
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
            modules.convert_yuv.yuyv(*arguments, *matrix(layer.plane.color_encoding, layer.plane.color_range))
        case SampledFormat.NV12:
            factors = matrix(layer.plane.color_encoding, layer.plane.color_range)
            assert layer.chroma is not None
            pairs = layer.chroma.strides[0]
            modules.convert_yuv.nv12(
                *arguments, *factors, address_of(layer.chroma) + region.y // 2 * pairs + region.x, pairs
            )


def _prepare(modules: Kernels, layer: Layer, words: Words) -> None:
    """From fetched words to premultiplied ARGB8888, in place."""
    if isinstance(layer.format, PixelFormat) and (
        layer.format is not PixelFormat.ARGB8888 or not layer.has_pixel_alpha
    ):
        opaque = 0 if layer.has_pixel_alpha else _ALPHA
        modules.convert.reorder(*image_of(words), *layer.format.shifts, opaque)
    if _is_coverage(layer):
        modules.convert.premultiply(*image_of(words))
