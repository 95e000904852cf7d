"""The picture on the display's side: a texture that takes in damage and is shown in the window.

Pixels go straight from where they are, a guest's memory or the framebuffer, into the texture: one copy. Then
a blit, which on llvmpipe is a tenth of a textured quad. See `compositor.render.gl.ways` for how they are
uploaded.
"""

from __future__ import annotations

import time
from typing import Any

from compositor.output.frame import Frame
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.gl import ways
from compositor.render.gl.library import driver_name
from compositor.render.gl.painter import Painter
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Uploader


class Picture:
    """What a window shows. Its GL context must be current.

    Attributes:
        way: How pixels are uploaded.
        reason: Why so.
    """

    def __init__(self, gl: Any) -> None:
        """No picture yet; measures how the driver takes pixels.

        Raises:
            ScreenError: The driver shows no picture as it is, or not at all.
        """
        self._gl = gl
        self._painter = Painter(gl)
        self._uploader = Uploader(gl)
        self.way, self.reason = ways.fastest(gl, self._painter, PixelFormat.XRGB8888, time.perf_counter)
        self._texture: Texture | None = None

    def describe(self) -> tuple[str, str]:
        """The driver, and how pixels are uploaded and why."""
        return driver_name(self._gl), f"{self.way} ({self.reason})"

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height), pixels; None before the first frame."""
        return None if self._texture is None else (self._texture.width, self._texture.height)

    @property
    def upload_bytes(self) -> int:
        """Copied into the texture so far."""
        return self._uploader.bytes

    def update(self, frame: Frame) -> None:
        """Take in what the frame changed, or all of it when it has another size or format.

        Raises:
            ScreenError: The driver refuses.
        """
        height, width = frame.pixels.shape[:2]
        damage = list(frame.damage)
        texture = self._texture
        if texture is None or self.size != (width, height) or texture.format is not frame.format:
            self._forget()
            texture = Texture.create(self._gl, width, height, frame.format, self.way.layout)
            self._texture = texture
            damage = [Rect(0, 0, width, height)]
        texture.update(self._uploader, self.way, frame.pixels, damage)

    def draw(self, place: Rect, window_height: int) -> None:
        """Draw it into a rectangle of the window, given in pixels from the left upper corner.

        Raises:
            ScreenError: The driver refuses.
        """
        if self._texture is not None:
            self._painter.present(self._texture, place, window_height)

    def _forget(self) -> None:
        if self._texture is not None:
            self._texture.delete()
            self._texture = None

    def delete(self) -> None:
        """Give everything back."""
        self._forget()
        self._uploader.delete()
        self._painter.delete()
