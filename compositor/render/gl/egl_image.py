"""A dma-buf as a texture, uncopied, by EGL.

EGL_EXT_image_dma_buf_import makes an EGLImage from a descriptor, an offset, a pitch and a DRM format;
GL_OES_EGL_image makes it a texture. Both belong to EGL: in a context of GLX, which pyglet's windows on X
have, the second one crashes the process, so the kind of the current context is asked for first.
"""

from __future__ import annotations

import ctypes
from typing import Any

from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.render.gl.library import check, extensions
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Layout

_EXTENSION = "EGL_EXT_image_dma_buf_import"
_EGL_EXTENSIONS = 0x3055
_LINUX_DMA_BUF = 0x3270
_WIDTH, _HEIGHT, _FOURCC = 0x3057, 0x3056, 0x3271
_FD, _OFFSET, _PITCH = 0x3272, 0x3273, 0x3274
_NONE = 0x3038

_RAW = PixelFormat.ABGR8888  # R, G, B, A in memory, as OpenGL has them: every driver takes that


class EglImages:
    """Makes textures in the current context, which is one of EGL's."""

    name = "EGL dma-buf import"

    def __init__(self, gl: Any) -> None:
        """Look at what the current context can do.

        Raises:
            ScreenError: It cannot; the message says what is missing.
        """
        self._gl = gl
        self._egl = _functions()
        if not self._egl.eglGetCurrentContext():
            raise ScreenError("the context is not EGL's")
        self._display = self._egl.eglGetCurrentDisplay()
        if _EXTENSION not in self._egl.eglQueryString(self._display, _EGL_EXTENSIONS).decode().split():
            raise ScreenError(f"the driver has no {_EXTENSION}")
        if "GL_OES_EGL_image" not in extensions(gl):
            raise ScreenError("the driver has no GL_OES_EGL_image")

    def texture(
        self, fd: int, offset: int, pitch: int, width: int, height: int, pixel_format: PixelFormat
    ) -> Texture:
        """The image at `offset` of a dma-buf. The driver holds the memory from now on; `fd` may be closed.

        Args:
            fd: The dma-buf.
            offset: Bytes.
            pitch: Bytes from one row to the next.
            width: Pixels.
            height: Pixels.
            pixel_format: Any; where the driver does not know it, the swizzle puts its bytes right.

        Raises:
            ScreenError: The driver refuses.
        """
        for known_as, layout in ((pixel_format, Layout.NATIVE), (_RAW, Layout.RAW)):
            image = self._image(fd, offset, pitch, width, height, known_as)
            if image:
                return self._bind(image, width, height, pixel_format, layout)
        raise ScreenError(f"EGL does not import the memory (error {self._egl.eglGetError():#x})")

    def _image(
        self, fd: int, offset: int, pitch: int, width: int, height: int, pixel_format: PixelFormat
    ) -> int | None:
        # As a format with alpha, also where there is none: the swizzle hides it, and a software driver copies
        # from like to like, as targets are, but draws from what lacks a channel (19 ms a frame instead of 2).
        fourcc = int.from_bytes(pixel_format.value.replace("X", "A").encode(), "little")
        values = (_WIDTH, width, _HEIGHT, height, _FOURCC, fourcc)
        plane = (_FD, fd, _OFFSET, offset, _PITCH, pitch, _NONE)
        attributes = (ctypes.c_int32 * (len(values) + len(plane)))(*values, *plane)
        image: int | None = self._egl.eglCreateImageKHR(self._display, None, _LINUX_DMA_BUF, None, attributes)
        return image

    def _bind(
        self, image: int, width: int, height: int, pixel_format: PixelFormat, layout: Layout
    ) -> Texture:
        texture = Texture(self._gl, width, height, pixel_format, layout, imported=True)
        try:
            self._egl.glEGLImageTargetTexture2DOES(self._gl.GL_TEXTURE_2D, image)
            check(self._gl, "importing a guest's memory")
        except BaseException:
            texture.delete()
            raise
        finally:
            self._egl.eglDestroyImageKHR(self._display, image)  # the texture keeps what it needs
        return texture


class _Functions:
    """EGL's, with their types."""

    def __init__(self) -> None:
        from pyglet.libs.egl.lib import link_EGL  # noqa: PLC0415 - where there is EGL only

        pointer, integer, text = ctypes.c_void_p, ctypes.c_int32, ctypes.c_char_p
        integers = ctypes.POINTER(integer)
        for name, result, arguments in (
            ("eglGetCurrentContext", pointer, []),
            ("eglGetCurrentDisplay", pointer, []),
            ("eglGetError", integer, []),
            ("eglQueryString", text, [pointer, integer]),
            ("eglCreateImageKHR", pointer, [pointer, pointer, ctypes.c_uint, pointer, integers]),
            ("eglDestroyImageKHR", ctypes.c_uint, [pointer, pointer]),
            ("glEGLImageTargetTexture2DOES", None, [ctypes.c_uint, pointer]),
        ):
            setattr(self, name, link_EGL(name, result, arguments))  # type: ignore[no-untyped-call]


def _functions() -> Any:
    try:
        return _Functions()
    except ImportError:
        raise ScreenError("EGL is not installed") from None
