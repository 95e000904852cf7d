"""The CPU renderer: layers and a damage list in, an XRGB8888 picture out, exact in every bit.

Per damaged rectangle, the visible pieces of the layers (`compositor.render.visible`) are painted from the
bottom up. So a pixel under an opaque window is never touched, and a picture does not depend on how it was
damaged.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.pages import Pages
from compositor.pixel import PixelFormat
from compositor.render import blend
from compositor.render.visible import pieces

Pixels = NDArray[np.uint8]


class Layer(NamedTuple):
    """An image at a place.

    Attributes:
        pixels: (height, width, 4) uint8, any strides; only read.
        format: Memory order; with alpha the colours are premultiplied.
        x: Target column of its left edge; may be negative.
        y: As `x`.
        pages: Where `pixels` lie in shared memory, for renderers that can do without a copy.
    """

    pixels: Pixels
    format: PixelFormat
    x: int = 0
    y: int = 0
    pages: Pages | None = None

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
        for index, piece in pieces(rect.intersect(screen), layers):
            layer = layers[index] if index >= 0 else None
            _paint(target[piece.y : piece.bottom, piece.x : piece.right], layer, piece, background)
            written[index] += 4 * piece.area
    return written


def _paint(out: Pixels, layer: Layer | None, piece: Rect, background: int) -> None:
    if layer is None:
        blend.fill(out, background)
        return
    x, y = piece.x - layer.x, piece.y - layer.y
    source = layer.pixels[y : y + piece.height, x : x + piece.width]
    if layer.format.has_alpha:
        blend.over(out, source, layer.format)
    else:
        blend.convert(out, source, layer.format)
