"""One buffer's pixels on OpenGL's side."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.gl.library import check
from compositor.render.gl.upload import Layout, Uploader, Way, declare, swizzle


class Texture:
    """An image that shaders sample pixel by pixel, and that can be blitted unless its layout is raw.

    Attributes:
        width: Pixels.
        height: Pixels.
        name: OpenGL's number.
        layout: What it is made from.
    """

    def __init__(self, gl: Any, width: int, height: int, pixel_format: PixelFormat, layout: Layout) -> None:
        """A texture of undefined content.

        Raises:
            ScreenError: The driver refuses.
        """
        self.width = width
        self.height = height
        self.layout = layout
        self.format = pixel_format
        self.name = gl.GLuint()
        self._gl = gl
        self._framebuffer: Any = None
        gl.glGenTextures(1, ctypes.byref(self.name))
        gl.glBindTexture(gl.GL_TEXTURE_2D, self.name)
        for parameter, value in (
            (gl.GL_TEXTURE_MAX_LEVEL, 0),
            (gl.GL_TEXTURE_MIN_FILTER, gl.GL_NEAREST),
            (gl.GL_TEXTURE_MAG_FILTER, gl.GL_NEAREST),
        ):
            gl.glTexParameteri(gl.GL_TEXTURE_2D, parameter, value)
        components = (gl.GLint * 4)(*swizzle(gl, pixel_format, layout))
        gl.glTexParameteriv(gl.GL_TEXTURE_2D, gl.GL_TEXTURE_SWIZZLE_RGBA, components)
        order, kind = declare(gl, pixel_format, layout)
        inside = gl.GL_RGBA if layout is Layout.NATIVE else gl.GL_RGBA8
        gl.glTexImage2D(gl.GL_TEXTURE_2D, 0, inside, width, height, 0, order, kind, None)
        check(gl, f"making a {width}x{height} texture")

    @property
    def can_blit(self) -> bool:
        """Whether its components are the colours that they are called."""
        return self.layout is not Layout.RAW

    def update(self, uploader: Uploader, way: Way, pixels: NDArray[np.uint8], rects: list[Rect]) -> None:
        """Copy rectangles of an image of its size and format into it.

        Raises:
            ScreenError: The driver refuses.
        """
        gl = self._gl
        gl.glBindTexture(gl.GL_TEXTURE_2D, self.name)
        uploader.upload(pixels, rects, *declare(gl, self.format, self.layout), pbo=way.pbo)
        check(gl, "uploading a frame")

    def bind_framebuffer(self, where: int) -> None:
        """Read from it (`GL_READ_FRAMEBUFFER`) or draw into it (`GL_DRAW_FRAMEBUFFER`).

        Raises:
            ScreenError: The driver cannot do so with this kind of texture.
        """
        gl = self._gl
        if self._framebuffer is not None:
            gl.glBindFramebuffer(where, self._framebuffer)
            return
        self._framebuffer = gl.GLuint()
        gl.glGenFramebuffers(1, ctypes.byref(self._framebuffer))
        gl.glBindFramebuffer(where, self._framebuffer)
        gl.glFramebufferTexture2D(where, gl.GL_COLOR_ATTACHMENT0, gl.GL_TEXTURE_2D, self.name, 0)
        check(gl, f"attaching a {self.width}x{self.height} texture")

    def delete(self) -> None:
        """Give its memory back."""
        gl = self._gl
        if self._framebuffer is not None:
            gl.glDeleteFramebuffers(1, ctypes.byref(self._framebuffer))
            self._framebuffer = None
        gl.glDeleteTextures(1, ctypes.byref(self.name))
