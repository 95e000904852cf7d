"""What is drawn into, and read back to check a driver."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import OUTPUT_FORMAT
from compositor.pixels.geometry import Rect
from compositor.render.gl.library import check
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Layout


class Target:
    """A picture of one size on OpenGL's side; keeps its content from frame to frame.

    Its first row is the picture's top row, so rectangles need no turning over. Alpha means nothing in it.

    Attributes:
        width: Pixels.
        height: Pixels.
        readback_bytes: What `read` brought back so far.
    """

    def __init__(self, gl: Any, width: int, height: int) -> None:
        """A picture of undefined content.

        Raises:
            ScreenError: The driver refuses, or cannot draw into a texture.
        """
        self.width = width
        self.height = height
        self.readback_bytes = 0
        self._gl = gl
        self.texture = Texture(gl, width, height, OUTPUT_FORMAT, Layout.NATIVE)
        self.bind()

    def bind(self) -> None:
        """Draw into it from now on."""
        self.texture.bind_framebuffer(self._gl.GL_DRAW_FRAMEBUFFER)
        self._gl.glViewport(0, 0, self.width, self.height)

    def read(self) -> NDArray[np.uint8]:
        """A copy of the picture, (height, width, 4) uint8 XRGB8888: B, G, R, 255 in memory.

        Waits until it is drawn.

        Raises:
            ScreenError: The driver refuses.
        """
        gl = self._gl
        out = np.empty((self.height, self.width, 4), np.uint8)
        self.texture.bind_framebuffer(gl.GL_READ_FRAMEBUFFER)
        gl.glReadPixels(0, 0, self.width, self.height, gl.GL_BGRA, gl.GL_UNSIGNED_BYTE, out.ctypes.data)
        check(gl, "reading a frame back")
        out[..., 3] = 255
        self.readback_bytes += out.nbytes
        return out

    @property
    def rect(self) -> Rect:
        """All of it."""
        return Rect(0, 0, self.width, self.height)

    def delete(self) -> None:
        """Give its memory back."""
        self.texture.delete()
