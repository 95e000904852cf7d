"""Filling, copying and blending in numpy: equal in every bit to the compiled kernels, 5 to 20 times slower.

Used where numba is missing or does not pay yet, and for images whose pixels do not adjoin. Takes any strides.
Opaque copies in the target's own order are as fast as memory.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat

Pixels = NDArray[np.uint8]

_ROWS_BYTES = 1 << 18  # temporaries are 2 bytes a channel; a block of rows stays in the L2 cache
_OPAQUE = np.uint32(0xFF000000)
_IN_ORDER = {PixelFormat.XRGB8888, PixelFormat.ARGB8888}  # words as they are written


def fill(target: Pixels, colour: int) -> None:
    """Paint all of `target` (height, width, 4), XRGB8888, with 0xRRGGBB."""
    words = _words(target)
    if words is None:
        target[...] = (colour & 0xFF, colour >> 8 & 0xFF, colour >> 16 & 0xFF, 0xFF)
    else:
        words[...] = _OPAQUE | np.uint32(colour)


def convert(target: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Write `source` over `target` as opaque XRGB8888.

    Args:
        target: (height, width, 4), B, G, R, 0xff.
        source: (height, width, 4) bytes in the memory order of `source_format`; alpha is ignored.
        source_format: Any format.
    """
    out, pixels = _words(target), _words(source)
    if out is not None and pixels is not None and source_format in _IN_ORDER:
        np.bitwise_or(pixels, _OPAQUE, out=out)
        return
    target[..., 0] = source[..., source_format.blue]
    target[..., 1] = source[..., source_format.green]
    target[..., 2] = source[..., source_format.red]
    target[..., 3] = 0xFF


def over(
    target: Pixels, source: Pixels, source_format: PixelFormat, has_alpha: bool = True, opacity: int = 255
) -> None:
    """Blend premultiplied `source` OVER opaque XRGB8888 `target`, bit for bit as pixman does.

    Per channel `s + d * (255 - a) / 255`: the quotient rounded to nearest, by t = d * (255 - a) + 128,
    (t + t / 256) / 256, which is exact for all inputs; then a sum that saturates, since nothing keeps a
    guest from sending colours above their alpha.

    Args:
        target: As in `convert`.
        source: As in `convert`.
        source_format: Any format.
        has_alpha: Whether its alpha counts; else it is 255.
        opacity: All four channels are multiplied by it first, in 255ths, rounded in the same way.
    """
    height, width = target.shape[:2]
    step = max(1, _ROWS_BYTES // max(1, width * 8))
    for top in range(0, height, step):
        _over_block(target[top : top + step], source[top : top + step], source_format, has_alpha, opacity)


def _over_block(
    target: Pixels, source: Pixels, source_format: PixelFormat, has_alpha: bool, opacity: int
) -> None:
    alpha = source[..., source_format.alpha] if has_alpha else np.uint8(255)
    inverse = np.uint16(255) - _product(alpha, opacity)
    for channel, offset in enumerate((source_format.blue, source_format.green, source_format.red)):
        kept = _product(target[..., channel], inverse)
        above = _product(source[..., offset], opacity)
        np.minimum(kept + above, 255, out=target[..., channel], casting="unsafe")
    target[..., 3] = 0xFF


def _product(channel: Pixels | np.uint8, factor: NDArray[np.uint16] | int) -> NDArray[np.uint16]:
    """Channel times factor / 255, rounded to nearest."""
    if isinstance(factor, int) and factor == 255:
        return np.asarray(channel, np.uint16)
    product = np.asarray(channel, np.uint16) * np.asarray(factor, np.uint16) + np.uint16(128)
    return ((product + (product >> 8)) >> 8).astype(np.uint16, copy=False)


def _words(image: Pixels) -> NDArray[np.uint32] | None:
    """(height, width) words that alias `image`, or None when its rows are not runs of whole words."""
    row, pixel, byte = image.strides
    if pixel != 4 or byte != 1 or row % 4 or row < 0 or not image.size:
        return None
    return image.view(np.uint32)[..., 0]
