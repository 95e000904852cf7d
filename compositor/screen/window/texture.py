"""The picture on the display's side: a texture that takes in damage and is blitted to a window.

Pixels go straight from where they are, a guest's memory or the framebuffer, into the texture: one copy.
The texture is made from BGRA bytes under the *unsized* internal format, which lets the driver keep the
order of the bytes. Measured on llvmpipe at 1920x1080: upload 0.8 ms against 3.0 ms into GL_RGBA8, and the
blit to a window of the same size 0.7 ms against 6 ms, a plain copy in both cases. So no shader is needed,
nor a textured quad (4 to 8 ms).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.frame import Frame
from compositor.geometry import Rect
from compositor.pixel import PixelFormat
from compositor.screen.window.driver import check


class Texture:
    """A texture of one size, with a framebuffer object to blit from. Its GL context must be current."""

    def __init__(self, gl: Any, width: int, height: int) -> None:
        """Memory of undefined content.

        Raises:
            ScreenError: The driver refuses.
        """
        self.width = width
        self.height = height
        self._gl = gl
        self._texture, self._framebuffer = gl.GLuint(), gl.GLuint()
        gl.glGenTextures(1, self._texture)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self._texture)
        gl.glTexParameteri(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_MAX_LEVEL, 0)
        gl.glTexImage2D(
            gl.GL_TEXTURE_2D, 0, gl.GL_RGBA, width, height, 0, gl.GL_BGRA, gl.GL_UNSIGNED_BYTE, None
        )
        gl.glGenFramebuffers(1, self._framebuffer)
        gl.glBindFramebuffer(gl.GL_READ_FRAMEBUFFER, self._framebuffer)
        gl.glFramebufferTexture2D(
            gl.GL_READ_FRAMEBUFFER, gl.GL_COLOR_ATTACHMENT0, gl.GL_TEXTURE_2D, self._texture, 0
        )
        check(gl, f"making a {width}x{height} texture")

    def update(self, pixels: NDArray[np.uint8], pixel_format: PixelFormat, damage: tuple[Rect, ...]) -> int:
        """Copy the damaged rectangles into the texture.

        Args:
            pixels: (height, width, 4) uint8 of the texture's size; rows may be padded.
            pixel_format: Their memory order.
            damage: Rectangles.

        Returns:
            Bytes copied.
        """
        gl = self._gl
        if pixels.strides[0] % 4:  # OpenGL counts padding in whole pixels
            pixels = np.ascontiguousarray(pixels)
        pitch, address = pixels.strides[0], pixels.ctypes.data
        order, kind = self._layout(pixel_format)
        gl.glBindTexture(gl.GL_TEXTURE_2D, self._texture)
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, pitch // 4)
        copied = 0
        for rect in damage:
            x, y, width, height = rect.intersect(Rect(0, 0, self.width, self.height))
            data = address + y * pitch + 4 * x
            gl.glTexSubImage2D(gl.GL_TEXTURE_2D, 0, x, y, width, height, order, kind, data)
            copied += 4 * width * height
        check(gl, "uploading a frame")
        return copied

    def _layout(self, pixel_format: PixelFormat) -> tuple[int, int]:
        """How OpenGL calls a memory order: from the first byte or from the high end of a word."""
        gl = self._gl
        if pixel_format.alpha == 3:
            order, kind = pixel_format.blue == 0, gl.GL_UNSIGNED_BYTE
        else:
            order, kind = pixel_format.blue == 3, gl.GL_UNSIGNED_INT_8_8_8_8
        return (gl.GL_BGRA if order else gl.GL_RGBA), kind

    def blit(self, place: Rect, window_height: int) -> None:
        """Draw it into rectangle `place` of the window, given in pixels from the top left."""
        gl = self._gl
        gl.glBindFramebuffer(gl.GL_READ_FRAMEBUFFER, self._framebuffer)
        gl.glBlitFramebuffer(
            *(0, 0, self.width, self.height),
            *(place.x, window_height - place.y, place.right, window_height - place.bottom),
            gl.GL_COLOR_BUFFER_BIT,
            gl.GL_NEAREST,
        )
        check(gl, "drawing a frame")

    def fits(self, frame: Frame) -> bool:
        """Whether it has the size of `frame`."""
        return frame.pixels.shape[:2] == (self.height, self.width)

    def delete(self) -> None:
        """Give its memory back."""
        self._gl.glDeleteFramebuffers(1, self._framebuffer)
        self._gl.glDeleteTextures(1, self._texture)
