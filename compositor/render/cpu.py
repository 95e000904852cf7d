"""The CPU renderer: layers and a damage list in, an XRGB8888 picture out, exact in every bit.

Per damaged rectangle, from the top layer down, each layer gets the pieces that no opaque layer above it
covers; what no opaque layer covers at all is background. Then the pieces are painted from the bottom up.
So a pixel under an opaque window is never touched, and a picture does not depend on how it was damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.incoming import Incoming
from compositor.pixel import PixelFormat
from compositor.render import blend, lanes

Pixels = NDArray[np.uint8]

_PIXEL = 4  # bytes


class Layer(NamedTuple):
    """An image at a place.

    Attributes:
        pixels: (height, width, 4) uint8, any strides; only read.
        format: Memory order; with alpha the colours are premultiplied.
        x: Target column of its left edge; may be negative.
        y: As `x`.
        incoming: What has to be copied into `pixels` before they are read.
    """

    pixels: Pixels
    format: PixelFormat
    x: int = 0
    y: int = 0
    incoming: Incoming | None = None

    @property
    def bounds(self) -> Rect:
        """The rectangle of the target that it covers."""
        height, width = self.pixels.shape[:2]
        return Rect(self.x, self.y, width, height)


def compose(
    target: Pixels, layers: Sequence[Layer], damage: Iterable[Rect], background: int = 0
) -> list[int]:
    """Paint the damaged rectangles.

    Args:
        target: (height, width, 4) uint8, XRGB8888 (B, G, R, 0xff in memory); rows may be padded.
        layers: Bottom to top; may reach beyond the target.
        damage: Rectangles of the target; disjoint, or their common pixels are painted twice.
        background: 0xRRGGBB below all layers.

    Returns:
        Bytes written to `target` for each layer, and last for the background; a pass of blending counts
        again.
    """
    screen = Rect(0, 0, target.shape[1], target.shape[0])
    written = [0] * (len(layers) + 1)
    for rect in damage:
        for index, piece in _pieces(rect.intersect(screen), layers):
            layer = layers[index] if index >= 0 else None
            _paint(target[piece.y : piece.bottom, piece.x : piece.right], layer, piece, background)
            written[index] += 4 * piece.area
    return written


def _pieces(rect: Rect, layers: Sequence[Layer]) -> list[tuple[int, Rect]]:
    """What has to be painted within `rect`, in order: index of the layer, -1 for the background."""
    pieces: list[tuple[int, Rect]] = []
    uncovered = [] if rect.empty else [rect]
    for index in range(len(layers) - 1, -1, -1):
        if not uncovered:
            break
        layer = layers[index]
        bounds = layer.bounds
        pieces += [(index, part) for r in uncovered if not (part := r.intersect(bounds)).empty]
        if not layer.format.has_alpha:
            uncovered = [rest for r in uncovered for rest in r.subtract(bounds)]
    pieces += [(-1, rest) for rest in uncovered]
    pieces.reverse()
    return pieces


def _paint(out: Pixels, layer: Layer | None, piece: Rect, background: int) -> None:
    if layer is None:
        blend.fill(out, background)
        return
    incoming = layer.incoming
    if incoming is not None and not incoming.done:
        if piece == layer.bounds and not layer.format.has_alpha:
            fetch = partial(_fetch, out, incoming, layer.format)
            lanes.run(fetch, piece.height, 2 * _PIXEL * piece.width)
            incoming.done = True
            return
        incoming.finish()
    x, y = piece.x - layer.x, piece.y - layer.y
    source = layer.pixels[y : y + piece.height, x : x + piece.width]
    paint = partial(_blend if layer.format.has_alpha else _convert, out, source, layer.format)
    lanes.run(paint, piece.height, _PIXEL * piece.width)


def _fetch(out: Pixels, incoming: Incoming, form: PixelFormat, top: int, bottom: int) -> None:
    blend.fetch(out[top:bottom], incoming.target[top:bottom], incoming.source[top:bottom], form)


def _convert(out: Pixels, source: Pixels, form: PixelFormat, top: int, bottom: int) -> None:
    blend.convert(out[top:bottom], source[top:bottom], form)


def _blend(out: Pixels, source: Pixels, form: PixelFormat, top: int, bottom: int) -> None:
    blend.over(out[top:bottom], source[top:bottom], form)
