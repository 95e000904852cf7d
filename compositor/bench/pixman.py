"""pixman by ctypes, the peer of our renderer: what X servers, weston and wlroots draw with without a GPU."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compositor.errors import Misuse
from compositor.pixel import PixelFormat
from compositor.render.cpu import Layer

Pixels = NDArray[np.uint8]

# pixman.h: PIXMAN_FORMAT(32 bits, type, a, r, g, b); types ARGB 2, ABGR 3, BGRA 8, RGBA 9.
_FORMATS = {
    PixelFormat.XRGB8888: 0x20020888, PixelFormat.ARGB8888: 0x20028888,
    PixelFormat.XBGR8888: 0x20030888, PixelFormat.ABGR8888: 0x20038888,
    PixelFormat.BGRX8888: 0x20080888, PixelFormat.BGRA8888: 0x20088888,
    PixelFormat.RGBX8888: 0x20090888, PixelFormat.RGBA8888: 0x20098888,
}  # fmt: skip
_OVER = 3


class Pixman:
    """The library.

    Attributes:
        version: As it says.

    Raises:
        Misuse: It is not installed; the message says what to install.
    """

    def __init__(self) -> None:
        try:
            library = ctypes.CDLL("libpixman-1.so.0")
        except OSError:
            raise Misuse("pixman is not installed: apt install libpixman-1-0") from None
        library.pixman_version_string.restype = ctypes.c_char_p
        self.version: str = library.pixman_version_string().decode()
        self._create = library.pixman_image_create_bits
        self._create.restype = ctypes.c_void_p
        self._create.argtypes = [ctypes.c_uint, ctypes.c_int, ctypes.c_int, ctypes.c_void_p, ctypes.c_int]
        self._composite = library.pixman_image_composite32
        self._composite.restype = None
        self._composite.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 3, *[ctypes.c_int32] * 8]
        self._unref = library.pixman_image_unref
        self._unref.argtypes = [ctypes.c_void_p]

    def compose(self, target: Pixels, layers: Sequence[Layer]) -> None:
        """Paint a whole picture: OVER, layer by layer from the bottom up; of opaque ones pixman makes a copy.

        Args:
            target: (height, width, 4) uint8, XRGB8888; what no layer covers stays.
            layers: Bottom to top.
        """
        picture = self._image(target, PixelFormat.XRGB8888)
        for layer in layers:
            image = self._image(layer.pixels, layer.format)
            self._composite(_OVER, image, None, picture, 0, 0, 0, 0, *layer.bounds)
            self._unref(image)
        self._unref(picture)

    def _image(self, pixels: Pixels, pixel_format: PixelFormat) -> int:
        height, width = pixels.shape[:2]
        stride = pixels.strides[0]
        image: int = self._create(_FORMATS[pixel_format], width, height, pixels.ctypes.data, stride)
        return image
