"""The picture on the display's side: a texture that takes in damage and is shown in the window.

What OpenGL composes is drawn into a texture (`compositor.screen.window.composition`). All other pixels go
straight from where they are, a guest's memory or the framebuffer, into a texture: one copy. Then a blit,
which on llvmpipe is a tenth of a textured quad. See `compositor.render.gl.ways` for how they are uploaded.
"""

from __future__ import annotations

import time
from typing import Any

from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.gl import ways
from compositor.render.gl.library import driver_name
from compositor.render.gl.painter import Painter
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Uploader
from compositor.screen import Renderer
from compositor.screen.window.choice import choose


class Picture:
    """What a window shows. Its GL context must be current.

    Attributes:
        way: How pixels are uploaded.
        reason: Why so.
        composition: OpenGL's; None: the CPU composes.
        composition_reason: Why so.
    """

    def __init__(self, gl: Any, output: Output, renderer: Renderer = "cpu") -> None:
        """No picture yet; measures how the driver takes pixels.

        Args:
            gl: `pyglet.gl`.
            output: Whose frames it will show.
            renderer: Who composes.

        Raises:
            ScreenError: The driver shows no picture as it is, or not at all.
        """
        self._gl = gl
        self._painter = Painter(gl)
        self._uploader = Uploader(gl)
        self.way, self.reason = ways.fastest(gl, self._painter, PixelFormat.XRGB8888, time.perf_counter)
        self.composition, self.composition_reason = choose(renderer, gl, self.way, output.mode)
        self._uploaded: Texture | None = None
        self._shown: Texture | None = None

    def describe(self) -> list[str]:
        """The driver, how pixels are uploaded, and who composes, with the reasons."""
        driver, uploads = driver_name(self._gl), f"uploads: {self.way} ({self.reason})"
        if self.composition is None:
            return [driver, uploads, f"composition: the CPU ({self.composition_reason})"]
        ways_of_layers = self.composition.renderer.textures.describe()
        return [driver, uploads, f"composition: OpenGL ({self.composition_reason})", *ways_of_layers]

    @property
    def size(self) -> tuple[int, int] | None:
        """(width, height), pixels; None before the first frame."""
        return None if self._shown is None else (self._shown.width, self._shown.height)

    @property
    def upload_bytes(self) -> int:
        """Copied into textures so far."""
        composed = 0 if self.composition is None else self.composition.upload_bytes
        return self._uploader.bytes + composed

    def update(self, output: Output, frame: Frame) -> None:
        """Take in what the frame changed, or all of it when it comes in another way than the last.

        Raises:
            ScreenError: The driver refuses.
        """
        if self.composition is not None and frame.above:
            whole = self._shown is None or self._shown is self._uploaded
            self._shown = self.composition.paint(frame, output.background, whole=whole)
        else:
            self._shown = self._upload(frame)

    def _upload(self, frame: Frame) -> Texture:
        height, width = frame.pixels.shape[:2]
        damage = list(frame.damage)
        texture = self._uploaded
        kind = width, height, frame.format
        if texture is None or (texture.width, texture.height, texture.format) != kind:
            self._forget()
            texture = Texture(self._gl, width, height, frame.format, self.way.layout)
            self._uploaded = texture
        if self._shown is not texture:
            damage = [Rect(0, 0, width, height)]
        texture.update(self._uploader, self.way, frame.pixels, damage)
        return texture

    def draw(self, place: Rect, window_height: int) -> None:
        """Draw it into a rectangle of the window, given in pixels from the left upper corner.

        Raises:
            ScreenError: The driver refuses.
        """
        if self._shown is not None:
            self._painter.present(self._shown, place, window_height)

    def _forget(self) -> None:
        if self._uploaded is not None:
            self._uploaded.delete()
            self._uploaded = None

    def delete(self) -> None:
        """Give everything back."""
        self._forget()
        self._shown = None
        if self.composition is not None:
            self.composition.delete()
        self._uploader.delete()
        self._painter.delete()
