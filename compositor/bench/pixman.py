"""pixman by ctypes, as the peer to be measured against and to be equal to: what it needs of pixman.h."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from functools import cache
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import AnyFormat, PixelFormat, SampledFormat
from compositor.pixels.plane_state import ONE, PlaneState
from compositor.render.layer import Layer

SRC, OVER = 1, 3
FILTERS = {"nearest": 3, "bilinear": 4}
_REPEAT_PAD = 2

# pixman.h: PIXMAN_FORMAT(bits, type, a, r, g, b); types ARGB 2, ABGR 3, YUY2 6, BGRA 8, RGBA 9.
FORMATS: dict[AnyFormat, int] = {
    PixelFormat.XRGB8888: 0x20020888, PixelFormat.ARGB8888: 0x20028888,
    PixelFormat.XBGR8888: 0x20030888, PixelFormat.ABGR8888: 0x20038888,
    PixelFormat.BGRX8888: 0x20080888, PixelFormat.BGRA8888: 0x20088888,
    PixelFormat.RGBX8888: 0x20090888, PixelFormat.RGBA8888: 0x20098888,
    SampledFormat.RGB888: 0x18020888, SampledFormat.BGR888: 0x18030888,
    SampledFormat.RGB565: 0x10020565,
    SampledFormat.XRGB2101010: 0x20020AAA, SampledFormat.ARGB2101010: 0x20022AAA,
    SampledFormat.YUYV: 0x10060000,
}  # fmt: skip


@cache
def load() -> ctypes.CDLL:
    """The library.

    Raises:
        OSError: It is not installed (apt install libpixman-1-0).
    """
    library = ctypes.CDLL("libpixman-1.so.0")
    image, integer = ctypes.c_void_p, ctypes.c_int
    library.pixman_version_string.restype = ctypes.c_char_p
    library.pixman_image_create_bits.restype = image
    library.pixman_image_create_bits.argtypes = [ctypes.c_uint, integer, integer, ctypes.c_void_p, integer]
    library.pixman_image_create_solid_fill.restype = image
    library.pixman_image_create_solid_fill.argtypes = [ctypes.c_void_p]
    library.pixman_image_composite32.restype = None
    library.pixman_image_composite32.argtypes = [integer, image, image, image, *[ctypes.c_int32] * 8]
    library.pixman_image_set_transform.argtypes = [image, ctypes.c_void_p]
    library.pixman_image_set_filter.argtypes = [image, integer, ctypes.c_void_p, integer]
    library.pixman_image_set_repeat.argtypes = [image, integer]
    library.pixman_image_unref.argtypes = [image]
    return library


def version() -> str:
    """Such as "0.42.2"."""
    return str(load().pixman_version_string().decode())


class Image:
    """A pixman image over pixels of ours; a context manager.

    Args:
        pixels: (height, elements, bytes) uint8; rows at addresses that are multiples of 4.
        pixel_format: A key of `FORMATS`.
        width: Pixels; by default, the elements of a row.
    """

    def __init__(self, pixels: NDArray[np.uint8], pixel_format: AnyFormat, width: int | None = None) -> None:
        self._pixels = pixels
        self.height, self.width = pixels.shape[0], width or pixels.shape[1]
        self.pointer = load().pixman_image_create_bits(
            FORMATS[pixel_format], self.width, self.height, pixels.ctypes.data, pixels.strides[0]
        )

    def transform(self, matrix: Sequence[Sequence[int]], scaling_filter: str) -> None:
        """From target to image by a 3 x 3 matrix in 16.16; the image's edges are repeated without end."""
        flat = (ctypes.c_int32 * 9)(*(value for row in matrix for value in row))
        load().pixman_image_set_transform(self.pointer, flat)
        load().pixman_image_set_filter(self.pointer, FILTERS[scaling_filter], None, 0)
        load().pixman_image_set_repeat(self.pointer, _REPEAT_PAD)

    def show(self, plane: PlaneState) -> None:
        """Crop excepted, draw this image from now on as a plane of this state shows it."""
        across, down = plane.size_of(self.width, self.height)
        if plane.rotation.swaps_axes:
            across, down = down, across
        scales = ((2 * size * ONE + shown) // (2 * shown) for size, shown in
                  ((self.width, across), (self.height, down)))  # fmt: skip
        starts, steps = [], []
        for size, step, back in zip((self.width, self.height), scales, plane.reverses, strict=True):
            starts.append(size * ONE if back else 0)
            steps.append(-step if back else step)
        rows = [[steps[0], 0, starts[0]], [0, steps[1], starts[1]]]
        if plane.rotation.swaps_axes:
            rows = [[0, steps[0], starts[0]], [steps[1], 0, starts[1]]]
        self.transform([*rows, [0, 0, ONE]], str(plane.scaling_filter.value))

    def composite(self, operator: int, source: Image, mask: int | None = None) -> None:
        """Draw `source`, by its transform, over all of this image.

        Args:
            operator: SRC or OVER.
            source: Another image.
            mask: Opacity in 65535ths; None: opaque.
        """
        library, veil = load(), None
        if mask is not None:
            veil = library.pixman_image_create_solid_fill((ctypes.c_uint16 * 4)(0, 0, 0, mask))
        library.pixman_image_composite32(
            operator, source.pointer, veil, self.pointer, 0, 0, 0, 0, 0, 0, self.width, self.height
        )
        if veil is not None:
            library.pixman_image_unref(veil)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        load().pixman_image_unref(self.pointer)


def compose(target: NDArray[np.uint8], layers: Sequence[Layer]) -> None:
    """Paint a whole picture: OVER, layer by layer from the bottom up; of opaque ones pixman makes a copy.

    Args:
        target: (height, width, 4) uint8, XRGB8888; what no layer covers stays.
        layers: Bottom to top; shown as they are.
    """
    with Image(target, PixelFormat.XRGB8888) as picture:
        for layer in layers:
            with Image(layer.pixels, layer.format) as image:
                load().pixman_image_composite32(
                    OVER, image.pointer, None, picture.pointer, 0, 0, 0, 0, *layer.bounds
                )
