"""The other renderers: what is installed of them, and how each blends one picture over another."""

from __future__ import annotations

import ctypes
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Draw = Callable[[], object]

_XRGB, _ARGB = 0x20020888, 0x20028888  # pixman.h: PIXMAN_x8r8g8b8, PIXMAN_a8r8g8b8
_SRC, _OVER = 1, 3  # pixman.h: PIXMAN_OP_SRC, PIXMAN_OP_OVER


class Peers:
    """The renderers that are installed.

    Attributes:
        versions: By name.
        missing: Why the others are not used, by name.
        pixman: None: not installed; so with the others.
        cairo: cairo's library.
        skia: skia-python.
        cv2: OpenCV.
    """

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.missing: dict[str, str] = {}
        self.pixman = self._library("pixman", "libpixman-1.so.0", "pixman_version_string", "libpixman-1-0")
        self.cairo = self._library("cairo", "libcairo.so.2", "cairo_version_string", "libcairo2")
        self.skia = self._module("skia", "skia-python")
        self.cv2 = self._module("cv2", "opencv-python-headless")
        if self.cv2 is not None:
            self.cv2.setNumThreads(1)  # by itself it takes all cores; no other renderer here does

    def over(self, target: Pixels, source: Pixels, x: int = 0, y: int = 0) -> dict[str, Draw]:
        """For each renderer, what puts premultiplied ARGB8888 `source` over XRGB8888 `target` at (x, y)."""
        draws: dict[str, Draw] = {}
        if self.pixman is not None:
            draws["pixman"] = self.pixman_draw(target, source, x, y)
        if self.cairo is not None:
            draws["cairo"] = _cairo_over(self.cairo, target, source, x, y)
        if self.skia is not None:
            draws["skia"] = _skia_over(self.skia, target, source, x, y)
        return draws

    def pixman_draw(self, target: Pixels, source: Pixels, x: int, y: int, opaque: bool = False) -> Draw:
        """What has pixman put `source` at (x, y), with OVER or, if it is `opaque`, with SRC."""
        pixman = self.pixman
        above = _pixman_image(pixman, source, _XRGB if opaque else _ARGB)
        below = _pixman_image(pixman, target, _XRGB)
        height, width = source.shape[:2]
        arguments = (_SRC if opaque else _OVER, above, None, below, 0, 0, 0, 0, x, y, width, height)

        def draw(_keep: Any = (target, source)) -> None:
            pixman.pixman_image_composite32(*arguments)

        return draw

    def _library(self, name: str, file: str, version: str, package: str) -> Any:
        try:
            library = ctypes.CDLL(file)
        except OSError:
            self.missing[name] = f"sudo apt-get install {package}"
            return None
        function = library[version]
        function.restype = ctypes.c_char_p
        self.versions[name] = function().decode()
        return library

    def _module(self, name: str, package: str) -> Any:
        try:
            module = importlib.import_module(name)
        except ImportError:
            self.missing[name] = f"pip install {package}"
            return None
        self.versions[name] = module.__version__
        return module


def _pixman_image(pixman: Any, pixels: Pixels, form: int) -> ctypes.c_void_p:
    create = pixman.pixman_image_create_bits
    create.restype = ctypes.c_void_p
    height, width = pixels.shape[:2]
    data = ctypes.c_void_p(pixels.ctypes.data)
    return ctypes.c_void_p(create(form, width, height, data, pixels.strides[0]))


def _cairo_over(cairo: Any, target: Pixels, source: Pixels, x: int, y: int) -> Draw:
    cairo.cairo_image_surface_create_for_data.restype = cairo.cairo_create.restype = ctypes.c_void_p

    def surface(pixels: Pixels, form: int) -> ctypes.c_void_p:
        height, width = pixels.shape[:2]
        data = ctypes.c_void_p(pixels.ctypes.data)
        create = cairo.cairo_image_surface_create_for_data
        return ctypes.c_void_p(create(data, form, width, height, pixels.strides[0]))

    above, below = surface(source, 0), surface(target, 1)  # cairo.h: CAIRO_FORMAT_ARGB32, _RGB24
    context = ctypes.c_void_p(cairo.cairo_create(below))
    cairo.cairo_set_source_surface(context, above, ctypes.c_double(x), ctypes.c_double(y))

    def draw(_keep: Any = (target, source)) -> None:
        cairo.cairo_paint(context)
        cairo.cairo_surface_flush(below)

    return draw


def _skia_over(skia: Any, target: Pixels, source: Pixels, x: int, y: int) -> Draw:
    form = skia.ColorType.kBGRA_8888_ColorType
    canvas = skia.Surface(target, form, skia.AlphaType.kOpaque_AlphaType).getCanvas()
    image = skia.Image.fromarray(source, form, skia.AlphaType.kPremul_AlphaType, copy=False)

    def draw(_keep: Any = (target, source)) -> None:
        canvas.drawImage(image, x, y)

    return draw
