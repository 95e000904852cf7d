"""Which part of which layer is seen, and painting it piece by piece: for what the fused kernel does not take.

Per damaged rectangle, from the top layer down, each layer gets the pieces that no opaque layer above it
covers; what no opaque layer covers at all is background. Then the pieces are painted from the bottom up.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.incoming import Incoming
from compositor.render import blend, exact, lanes, sample
from compositor.render.layer import Layer, Pixels

_PIXEL = 4  # bytes


def pieces(rect: Rect, layers: Sequence[Layer]) -> list[tuple[int, Rect]]:
    """What has to be painted within `rect`, in order: index of the layer, -1 for the background."""
    found: list[tuple[int, Rect]] = []
    uncovered = [] if rect.empty else [rect]
    for index in range(len(layers) - 1, -1, -1):
        if not uncovered:
            break
        layer = layers[index]
        bounds = layer.bounds
        found += [(index, part) for r in uncovered if not (part := r.intersect(bounds)).empty]
        if layer.is_opaque:
            uncovered = [rest for r in uncovered for rest in r.subtract(bounds)]
    found += [(-1, rest) for rest in uncovered]
    found.reverse()
    return found


def compose(target: Pixels, layers: Sequence[Layer], damage: Sequence[Rect], background: int) -> list[int]:
    """As `compositor.render.cpu.compose`; the rectangles lie within the target."""
    written = [0] * (len(layers) + 1)
    for rect in damage:
        for index, piece in pieces(rect, layers):
            layer = layers[index] if index >= 0 else None
            _paint(target[piece.y : piece.bottom, piece.x : piece.right], layer, piece, background)
            written[index] += _PIXEL * piece.area
    return written


def fetch(out: Pixels, layer: Layer) -> None:
    """Put an opaque layer's incoming content into its buffer and, in the same pass, on the screen.

    Args:
        out: (height, width, 4), XRGB8888: what the layer covers.
        layer: One with content that has not been copied yet.
    """
    incoming = layer.incoming
    assert incoming is not None
    height, width = layer.pixels.shape[:2]
    assert isinstance(layer.format, PixelFormat)
    lanes.run(partial(_fetch, out, incoming, layer.format), height, 2 * _PIXEL * width)
    incoming.done = True


def _paint(out: Pixels, layer: Layer | None, piece: Rect, background: int) -> None:
    if layer is None:
        exact.fill(out, background)
        return
    if layer.incoming is not None and not layer.incoming.done:
        if piece == layer.bounds and layer.is_plain and layer.is_opaque:
            fetch(out, layer)
            return
        layer.incoming.finish()
    paint = _blend if layer.is_plain else _sample
    lanes.run(partial(paint, out, layer, piece), piece.height, _PIXEL * piece.width)


def _fetch(out: Pixels, incoming: Incoming, form: PixelFormat, top: int, bottom: int) -> None:
    blend.fetch(out[top:bottom], incoming.target[top:bottom], incoming.source[top:bottom], form)


def _blend(out: Pixels, layer: Layer, piece: Rect, top: int, bottom: int) -> None:
    x, y = piece.x - layer.x, piece.y - layer.y
    source = layer.pixels[y + top : y + bottom, x : x + piece.width]
    assert isinstance(layer.format, PixelFormat)
    if layer.is_opaque:
        blend.convert(out[top:bottom], source, layer.format)
    else:
        blend.over(out[top:bottom], source, layer.format, layer.has_pixel_alpha, layer.opacity)


def _sample(out: Pixels, layer: Layer, piece: Rect, top: int, bottom: int) -> None:
    sample.draw(out[top:bottom], layer, Rect(piece.x, piece.y + top, piece.width, bottom - top))
