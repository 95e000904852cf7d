"""A dma-buf as a texture, uncopied, by GL_EXT_memory_object_fd: for contexts that are not EGL's.

What a descriptor may be is the driver's business ("opaque"); the drivers of Mesa take dma-bufs, since that is
what they hand out themselves. OpenGL is told no pitch: the driver computes the one that it would use. So only
images are taken whose rows adjoin and are whole multiples of 256 bytes, where all drivers agree.
"""

from __future__ import annotations

import ctypes
import os
from typing import Any

from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.render.gl.library import check, extensions
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Layout

_EXTENSION = "GL_EXT_memory_object_fd"
_OPAQUE_FD = 0x9586  # GL_HANDLE_TYPE_OPAQUE_FD_EXT
_TILING, _LINEAR = 0x9580, 0x9585  # GL_TEXTURE_TILING_EXT, GL_LINEAR_TILING_EXT
_GRAIN = 256  # bytes; the strictest alignment of a linear texture's pitch


class MemoryObjects:
    """Makes textures in the current context."""

    name = "memory object"

    def __init__(self, gl: Any) -> None:
        """Look at what the current context can do.

        Raises:
            ScreenError: It cannot; the message says what is missing.
        """
        self._gl = gl
        if _EXTENSION not in extensions(gl):
            raise ScreenError(f"the driver has no {_EXTENSION}")
        self._ext: Any = _Functions()

    def texture(
        self, fd: int, offset: int, pitch: int, width: int, height: int, pixel_format: PixelFormat
    ) -> Texture:
        """As `compositor.render.gl.egl_image.EglImages.texture`.

        Raises:
            ScreenError: The driver refuses, or nobody can tell which pitch it would use.
        """
        if pitch != 4 * width or pitch % _GRAIN:
            raise ScreenError(f"a memory object cannot have {width} pixels in rows of {pitch} bytes")
        gl, size = self._gl, offset + pitch * height
        memory = gl.GLuint()
        self._ext.glCreateMemoryObjectsEXT(1, ctypes.byref(memory))
        try:
            self._import(memory, size, os.dup(fd))
            texture = Texture(gl, width, height, pixel_format, Layout.RAW, imported=True)
            try:
                gl.glTexParameteri(gl.GL_TEXTURE_2D, _TILING, _LINEAR)
                self._ext.glTexStorageMem2DEXT(
                    gl.GL_TEXTURE_2D, 1, gl.GL_RGBA8, width, height, memory, offset
                )
                check(gl, "importing a guest's memory")
            except BaseException:
                texture.delete()
                raise
        finally:
            self._ext.glDeleteMemoryObjectsEXT(1, ctypes.byref(memory))  # the texture keeps what it needs
        return texture

    def _import(self, memory: Any, size: int, fd: int) -> None:
        """Give `fd` to the driver, which closes it, unless it refuses."""
        self._ext.glImportMemoryFdEXT(memory, size, _OPAQUE_FD, fd)
        try:
            check(self._gl, "importing a guest's memory")
        except ScreenError:
            os.close(fd)
            raise


class _Functions:
    """The extension's, with their types."""

    def __init__(self) -> None:
        from pyglet.gl.lib import link_GL  # noqa: PLC0415 - where something is drawn only

        unsigned, integer, long = ctypes.c_uint, ctypes.c_int, ctypes.c_uint64
        names = ctypes.POINTER(unsigned)
        for name, arguments in (
            ("glCreateMemoryObjectsEXT", [integer, names]),
            ("glDeleteMemoryObjectsEXT", [integer, names]),
            ("glImportMemoryFdEXT", [unsigned, long, unsigned, integer]),
            (
                "glTexStorageMem2DEXT",
                [unsigned, integer, unsigned, integer, integer, unsigned, long],
            ),
        ):
            setattr(self, name, link_GL(name, None, arguments))
