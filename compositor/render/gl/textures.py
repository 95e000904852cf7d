"""The textures of buffers, kept from frame to frame, and how their pixels get there."""

from __future__ import annotations

from typing import Any

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.gl import ways
from compositor.render.gl.painter import Painter
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Uploader, Way
from compositor.render.gl.ways import Stopwatch
from compositor.render.layer import Layer

_KEPT = 8  # frames for which a texture is kept that none of them shows; guests have two or three buffers


class _Entry:
    """A texture, and what it stands for.

    Attributes:
        texture: The texture.
        seen: Number of the last frame that showed it.
    """

    __slots__ = ("seen", "texture")

    def __init__(self, texture: Texture) -> None:
        self.texture = texture
        self.seen = 0


class Textures:
    """All textures of one context.

    A buffer is known by its place in memory, its shape and format. Its texture is brought up to date exactly
    where it is about to be drawn, so what it holds elsewhere is never asked.

    Attributes:
        opaque: How pixels without alpha are uploaded, and why so.
        blended: As `opaque`, with alpha.
    """

    def __init__(self, gl: Any, painter: Painter, stopwatch: Stopwatch | None = None) -> None:
        """Try out what the current context can do.

        Args:
            gl: `pyglet.gl`.
            painter: Of the context.
            stopwatch: Seconds, to measure the ways to upload; None: take the first that works.

        Raises:
            ScreenError: The driver shows no picture as it is.
        """
        self.opaque = ways.fastest(gl, painter, PixelFormat.XRGB8888, stopwatch)
        self.blended = ways.fastest(gl, painter, PixelFormat.ARGB8888, stopwatch)
        self._gl = gl
        self._uploader = Uploader(gl)
        self._entries: dict[tuple[object, ...], _Entry] = {}
        self._frame = 0

    @property
    def upload_bytes(self) -> int:
        """Copied into textures so far."""
        return self._uploader.bytes

    def describe(self) -> list[str]:
        """What is used and why, a line for each decision."""
        return [
            f"upload of opaque images: {self.opaque[0]} ({self.opaque[1]})",
            f"upload of blended images: {self.blended[0]} ({self.blended[1]})",
        ]

    def get(self, layer: Layer, rects: list[Rect]) -> Texture:
        """The texture of a plain layer's buffer, up to date in these rectangles of it.

        Raises:
            ScreenError: The driver refuses.
        """
        if layer.incoming is not None:
            layer.incoming.finish()
        entry = self._entry(layer)
        entry.seen = self._frame
        entry.texture.update(self._uploader, self._way(layer), layer.pixels, rects)
        return entry.texture

    def _entry(self, layer: Layer) -> _Entry:
        key = (layer.pixels.ctypes.data, layer.pixels.shape, layer.pixels.strides, layer.format)
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(self._make(layer))
        return entry

    def _make(self, layer: Layer) -> Texture:
        assert isinstance(layer.format, PixelFormat)  # plain layers have one of these
        height, width = layer.pixels.shape[:2]
        return Texture(self._gl, width, height, layer.format, self._way(layer).layout)

    def _way(self, layer: Layer) -> Way:
        return self.opaque[0] if layer.is_opaque else self.blended[0]

    def drawn(self) -> None:
        """A frame was drawn: forget what was long not used."""
        self._frame += 1
        for key in [k for k, entry in self._entries.items() if entry.seen < self._frame - _KEPT]:
            self._entries.pop(key).texture.delete()

    def close(self) -> None:
        """Give all textures back."""
        for entry in self._entries.values():
            entry.texture.delete()
        self._entries.clear()
        self._uploader.delete()
