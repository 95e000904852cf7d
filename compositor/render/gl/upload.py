"""How pixels are handed to OpenGL: the ways that there are, and which is fastest here.

Drivers rank them differently, so they are measured when a context is opened (0.1 s). What can differ is
what the texture is made from, and whether the bytes take a detour through a buffer object of the driver's
(PBO), which lets a GPU fetch them later. llvmpipe at 1920x1080, milliseconds:

| layout | texture | bytes are declared as | upload |
|---|---|---|--:|
| `native` | `GL_RGBA`, *unsized*: the driver may keep the order of the bytes | what they are | 0.8 |
| `sized` | `GL_RGBA8` | what they are | 3.0 |
| `raw` | `GL_RGBA8` | R, G, B, A, whatever they are; `GL_TEXTURE_SWIZZLE` puts it right | 0.6 |

A raw texture must be drawn by a shader; the two others can also be blitted, which ignores the swizzle.
"""

from __future__ import annotations

import ctypes
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect


class Layout(Enum):
    """What a texture is made from; see the table above."""

    NATIVE = "native"
    SIZED = "sized"
    RAW = "raw"


class Way(NamedTuple):
    """One way to hand pixels over.

    Attributes:
        layout: Of the texture.
        pbo: Whether by a buffer object.
    """

    layout: Layout
    pbo: bool = False

    def __str__(self) -> str:
        return f"{self.layout.value}{', by buffer object' if self.pbo else ''}"


EVERY_WAY = [Way(layout, pbo) for layout in Layout for pbo in (False, True)]


def declare(gl: Any, pixel_format: PixelFormat, layout: Layout) -> tuple[int, int]:
    """(format, type) that tell OpenGL the memory order: from the first byte, or the word's high end."""
    if layout is Layout.RAW:
        return gl.GL_RGBA, gl.GL_UNSIGNED_BYTE
    if pixel_format.alpha == 3:
        blue_first, kind = pixel_format.blue == 0, gl.GL_UNSIGNED_BYTE
    else:
        blue_first, kind = pixel_format.blue == 3, gl.GL_UNSIGNED_INT_8_8_8_8
    return (gl.GL_BGRA if blue_first else gl.GL_RGBA), kind


def swizzle(gl: Any, pixel_format: PixelFormat, layout: Layout) -> tuple[int, int, int, int]:
    """Which component of the texture a shader shall get as red, green, blue and alpha."""
    if layout is not Layout.RAW:
        return gl.GL_RED, gl.GL_GREEN, gl.GL_BLUE, gl.GL_ALPHA if pixel_format.has_alpha else gl.GL_ONE
    component = (gl.GL_RED, gl.GL_GREEN, gl.GL_BLUE, gl.GL_ALPHA)
    return (
        component[pixel_format.red],
        component[pixel_format.green],
        component[pixel_format.blue],
        component[pixel_format.alpha] if pixel_format.has_alpha else gl.GL_ONE,
    )


class Uploader:
    """Copies rectangles of images into the bound texture.

    Attributes:
        bytes: Copied so far.
    """

    def __init__(self, gl: Any) -> None:
        self.bytes = 0
        self._gl = gl
        self._buffer: Any = None

    def upload(
        self, pixels: NDArray[np.uint8], rects: list[Rect], order: int, kind: int, *, pbo: bool
    ) -> None:
        """Copy rectangles to the same place in the bound texture.

        Args:
            pixels: (height, width, 4) uint8; rows may be padded by any number of bytes.
            rects: Inside of it.
            order: OpenGL's format of the pixels.
            kind: OpenGL's type of the pixels.
            pbo: By a buffer object.
        """
        gl = self._gl
        if pixels.strides[0] % 4:  # OpenGL counts padding in whole pixels
            pixels = np.ascontiguousarray(pixels)
        pitch, address = pixels.strides[0], pixels.ctypes.data
        if pbo:
            self._bind_buffer()
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, pitch // 4)
        for x, y, width, height in rects:
            size = pitch * (height - 1) + 4 * width
            data = address + y * pitch + 4 * x
            if pbo:
                # The old memory is left to what is still being drawn from it.
                gl.glBufferData(gl.GL_PIXEL_UNPACK_BUFFER, size, data, gl.GL_STREAM_DRAW)
                data = 0
            gl.glTexSubImage2D(gl.GL_TEXTURE_2D, 0, x, y, width, height, order, kind, data)
            self.bytes += 4 * width * height
        gl.glPixelStorei(gl.GL_UNPACK_ROW_LENGTH, 0)
        if pbo:
            gl.glBindBuffer(gl.GL_PIXEL_UNPACK_BUFFER, 0)

    def _bind_buffer(self) -> None:
        gl = self._gl
        if self._buffer is None:
            self._buffer = gl.GLuint()
            gl.glGenBuffers(1, ctypes.byref(self._buffer))
        gl.glBindBuffer(gl.GL_PIXEL_UNPACK_BUFFER, self._buffer)

    def delete(self) -> None:
        """Give the buffer object back."""
        if self._buffer is not None:
            self._gl.glDeleteBuffers(1, ctypes.byref(self._buffer))
            self._buffer = None
