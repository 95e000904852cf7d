"""Opaque copy and OVER on two images of one size: picks the fastest loop that is exact for them.

| source | loop |
|---|---|
| XRGB8888, opaque | numpy on whole words, at the speed of memory; numba is not even loaded |
| any other, rows on whole words (every sane buffer; the first pixel may lie at any byte) | numba |
| stride that is not a multiple of 4; numba is missing, or not loaded yet | numpy, exact and slow |

Loading numba takes as long as blending fifty frames without it. So numpy does the work, with the same
result in every bit, until it has spent about that time; a short run never pays. Where a pause of half a
second in the middle would be seen, call `load` at the start.

Nothing is copied on the way: words are views of the bytes.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import numpy as np
from numpy.lib.stride_tricks import as_strided
from numpy.typing import NDArray

from compositor.pixel import PixelFormat
from compositor.render import exact

Pixels = NDArray[np.uint8]

_OPAQUE = np.uint32(0xFF000000)
_WORD_ORDER = {PixelFormat.XRGB8888, PixelFormat.ARGB8888}  # words as they are written


_BLOCK = 1 << 17  # bytes that are still in the L2 cache when they are read again
_PATIENCE = 32_000_000  # pixels; in numpy 0.4 s
_spent = 0


@functools.cache
def load() -> ModuleType | None:
    """The compiled kernels, or None where numba is not installed.

    The first call imports numba and loads the kernels from its cache (0.4 s) or compiles them (1.3 s).
    """
    try:
        return importlib.import_module("compositor.render.kernels")
    except ImportError:
        return None


def _kernels(pixels: int) -> ModuleType | None:
    """The compiled kernels for so many pixels more; None while they would not pay, or are missing."""
    global _spent  # noqa: PLW0603 - the time of the process, not of an object
    if _spent < _PATIENCE and not load.cache_info().currsize:
        _spent += pixels
        return None
    return load()


def fill(target: Pixels, colour: int) -> None:
    """Paint all of `target` (height, width, 4), XRGB8888, with 0xRRGGBB."""
    words = _words(target)
    if words is None:
        target[...] = (colour & 0xFF, colour >> 8 & 0xFF, colour >> 16 & 0xFF, 0xFF)
    else:
        words[...] = _OPAQUE | np.uint32(colour)


def convert(target: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Write `source` over `target` as opaque XRGB8888; sizes are equal, alpha is ignored.

    Args:
        target: (height, width, 4), B, G, R, 0xff in memory; must not overlap `source`.
        source: (height, width, 4), in the memory order of `source_format`.
        source_format: Any format.
    """
    out, pixels = _words(target), _words(source)
    if out is None or pixels is None:
        exact.convert(target, source, source_format)
    elif source_format in _WORD_ORDER:
        np.bitwise_or(pixels, _OPAQUE, out=out)
    elif (kernels := _kernels(out.size)) is None:
        exact.convert(target, source, source_format)
    else:
        kernels.convert(*_images(out, pixels), *_shifts(source_format)[:3])


def fetch(target: Pixels, copy: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Copy `source` to `copy` as it is and, in the same pass, to `target` as `convert` does."""
    out, kept, pixels = _words(target), _words(copy), _words(source)
    if out is None or kept is None or pixels is None or (kernels := _kernels(out.size)) is None:
        for top in range(0, len(source), step := max(1, _BLOCK // source.strides[0])):
            rows = slice(top, top + step)
            copy[rows] = source[rows]
            convert(target[rows], copy[rows], source_format)
    else:
        height, width = out.shape
        images = (*_flat(out), *_flat(kept), *_flat(pixels))
        kernels.fetch(*images, width, height, *_shifts(source_format)[:3])


def over(target: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Blend premultiplied `source` OVER opaque `target`, as pixman does; arguments as `convert`."""
    out, pixels = _words(target), _words(source)
    if out is None or pixels is None or (kernels := _kernels(out.size)) is None:
        exact.over(target, source, source_format)
    else:
        kernels.over(*_images(out, pixels), *_shifts(source_format))


def _words(image: Pixels) -> NDArray[np.uint32] | None:
    """(height, width) words that alias `image`, or None when its rows are not runs of whole words."""
    row, pixel, byte = image.strides
    if pixel != 4 or byte != 1 or row % 4 or row < 0 or not image.size:
        return None
    return image.view(np.uint32)[..., 0]


Images = tuple[NDArray[np.uint32], int, NDArray[np.uint32], int, int, int]


def _images(target: NDArray[np.uint32], source: NDArray[np.uint32]) -> Images:
    """The kernels' first six arguments."""
    height, width = target.shape
    return (*_flat(target), *_flat(source), width, height)


def _flat(words: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], int]:
    """One run from the first to the last word, the padding between rows included, and its pitch."""
    height, width = words.shape
    pitch = words.strides[0] // 4
    return as_strided(words, ((height - 1) * pitch + width,), (4,)), pitch


@functools.cache
def _shifts(source_format: PixelFormat) -> tuple[int, int, int, int]:
    """Right shifts that bring blue, green, red and alpha of a word to its low byte."""
    offsets = (source_format.blue, source_format.green, source_format.red, source_format.alpha)
    blue, green, red, alpha = (8 * offset for offset in offsets)
    return blue, green, red, alpha
