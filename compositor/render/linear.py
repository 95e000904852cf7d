"""Composition in linear light: what shines through half of a white pixel is half of the light below it.

The transfer function is sRGB's (IEC 61966-2-1): a code c of 0 to 1 is c / 12.92 of light up to 0.04045, and
((c + 0.055) / 1.055) ** 2.4 above. Light is counted in 65535ths, rounded to nearest, and comes back as the
code of 8 bits nearest to it; each code comes back as itself. The tables are computed in decimal numbers,
so they are the same on every machine.

Colours are premultiplied as they are stored, so they are divided by alpha first, rounded to nearest and no
more than 255: out = code((light(c / a) a + light(below) (255 - a)) / 255), the quotient rounded to nearest. A
pixel without alpha changes nothing. Layers are blended one after the other, each result rounded to 8 bits.

There is no compiled kernel: this costs some tens of milliseconds for a picture of 1920x1080.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.geometry import Rect
from compositor.render import exact, pieces, sample
from compositor.render.layer import Layer, Pixels

_LIGHT = 65535


def compose(
    target: Pixels, layers: Sequence[Layer], damage: Iterable[Rect], background: int = 0
) -> list[int]:
    """As `compositor.render.cpu.compose`, in linear light."""
    screen = Rect(0, 0, target.shape[1], target.shape[0])
    written = [0] * (len(layers) + 1)
    for rect in damage:
        for index, piece in pieces.pieces(rect.intersect(screen), layers):
            out = target[piece.y : piece.bottom, piece.x : piece.right]
            written[index] += 4 * piece.area
            if index < 0:
                exact.fill(out, background)
            else:
                _draw(out, layers[index], piece)
    return written


def _draw(out: Pixels, layer: Layer, piece: Rect) -> None:
    if layer.incoming is not None:
        layer.incoming.finish()
    if layer.is_opaque:
        sample.draw(out, layer, piece)
        return
    layer.plane.check(*layer.image_size)
    for band in sample.bands(piece):
        drawn = np.empty((band.height, band.width), np.uint32)
        sample.sample(layer, band, drawn)
        rows = out[band.y - piece.y : band.bottom - piece.y]
        over(rows, drawn.view(np.uint8).reshape(rows.shape))


def over(target: Pixels, source: Pixels) -> None:
    """Blend premultiplied ARGB8888 `source` over XRGB8888 `target` of the same size."""
    light, code = tables()
    alpha = source[..., 3:].astype(np.uint32)
    doubled = 510 * source[..., :3].astype(np.uint32)
    straight = np.minimum((doubled + alpha) // np.maximum(2 * alpha, 1), 255)
    mixed = light[straight] * alpha + light[target[..., :3]] * (255 - alpha)
    target[..., :3] = np.where(alpha > 0, code[(mixed + 127) // 255], target[..., :3])
    target[..., 3] = 0xFF


@functools.cache
def tables() -> tuple[NDArray[np.uint32], NDArray[np.uint8]]:
    """Light, 0 to 65535, of each code of 8 bits; and the code of each light."""
    with localcontext(prec=30):
        light = [int((_light(Decimal(code) / 255) * _LIGHT).to_integral_value()) for code in range(256)]
        halves = [_light((Decimal(code) - Decimal("0.5")) / 255) * _LIGHT for code in range(1, 256)]
        first = [int(half.to_integral_value(rounding="ROUND_CEILING")) for half in halves]
    code = np.searchsorted(np.array(first), np.arange(_LIGHT + 1), side="right")
    return np.array(light, np.uint32), code.astype(np.uint8)


def _light(code: Decimal) -> Decimal:
    if code <= Decimal("0.04045"):
        return code / Decimal("12.92")
    return Decimal(((code + Decimal("0.055")) / Decimal("1.055")) ** Decimal("2.4"))
