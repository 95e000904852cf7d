"""The GL renderer: the layers and the damage that the CPU renderer takes, drawn by OpenGL.

What is visible is decided by the same code (`compositor.render.pieces`), so both paint the same pieces.
First all pixels that will be drawn are uploaded, then all pieces are drawn, for a driver has to wait when the
two alternate on one texture. Opaque pieces are blitted where the layout allows, which software drivers do as
a copy; the others are blended, premultiplied OVER, by the blend unit. That rounds once where the CPU renderer
does, but not always to the same side: a channel differs by at most 1 for each layer with alpha.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import sample
from compositor.render.gl.library import check
from compositor.render.gl.painter import Painter
from compositor.render.gl.target import Target
from compositor.render.gl.texture import Texture
from compositor.render.gl.textures import Textures
from compositor.render.gl.ways import Stopwatch
from compositor.render.layer import Layer
from compositor.render.pieces import pieces

Stroke = tuple[int, Layer | None, Rect]
"""Index of the layer, -1 for the background; what is drawn; where."""


class GlRenderer:
    """Draws layers into targets of the context that is current.

    Attributes:
        gl: OpenGL's functions, `pyglet.gl`.
        textures: Of the layers' buffers, with the ways in which they get their pixels and the reasons.
    """

    def __init__(self, gl: Any, stopwatch: Stopwatch | None = None) -> None:
        """A renderer for the current context; tries out and measures how it takes pixels.

        Args:
            gl: `pyglet.gl`.
            stopwatch: See `Textures`.

        Raises:
            ScreenError: The driver lacks what a renderer needs; OpenGL 3.3 is enough.
        """
        self.gl = gl
        self._painter = Painter(gl)
        self.textures = Textures(gl, self._painter, stopwatch)

    def compose(
        self, target: Target, layers: Sequence[Layer], damage: Iterable[Rect], background: int = 0
    ) -> list[int]:
        """Paint the damaged rectangles, as `compositor.render.cpu.compose` does into memory.

        The layers' pixels are not needed any more when this returns.

        Args:
            target: What to paint; outside of `damage` it stays as it is.
            layers: Bottom to top; may reach beyond the target.
            damage: Rectangles of the target; disjoint, or their common pixels are painted twice.
            background: 0xRRGGBB below all layers.

        Returns:
            Bytes written to `target` for each layer, and last for the background.

        Raises:
            ScreenError: The driver refuses.
        """
        strokes = [
            (index, _drawable(layers[index], piece) if index >= 0 else None, piece)
            for rect in damage
            for index, piece in pieces(rect.intersect(target.rect), layers)
        ]
        textures = self._update(strokes)
        written = [0] * (len(layers) + 1)
        with self._painter.painting(target):
            for index, layer, piece in strokes:
                written[index] += 4 * piece.area
                if layer is None:
                    self._painter.fill(piece, background)
                else:
                    self._painter.paint(textures[id(layer)], layer, piece)
        self.textures.drawn()
        check(self.gl, "drawing a frame")
        return written

    def _update(self, strokes: list[Stroke]) -> dict[int, Texture]:
        """The textures of all layers that will be drawn, by identity, up to date where they are needed."""
        wanted: dict[int, tuple[Layer, list[Rect]]] = {}
        for _, layer, piece in strokes:
            if layer is not None:
                rects = wanted.setdefault(id(layer), (layer, []))[1]
                rects.append(piece.translate(-layer.x, -layer.y))
        return {key: self.textures.get(layer, rects) for key, (layer, rects) in wanted.items()}

    def close(self) -> None:
        """Give everything back; the context must be current."""
        self.textures.close()
        self._painter.delete()


def _drawable(layer: Layer, piece: Rect) -> Layer:
    """A layer that the shader can draw: itself, or what the CPU renderer samples of it for this piece.

    So scaled and turned layers and other formats than the eight are right by construction, and uploaded as
    they appear on the screen.
    """
    if layer.is_plain:
        return layer
    if layer.incoming is not None:
        layer.incoming.finish()
    sampled = np.empty((piece.height, piece.width), np.uint32)
    layer.plane.check(*layer.image_size)
    sample.sample(layer, piece, sampled)
    pixels = sampled.view(np.uint8).reshape(piece.height, piece.width, 4)
    return Layer(pixels, PixelFormat.ARGB8888, piece.x, piece.y)
