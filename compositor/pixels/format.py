"""Pixel formats, by DRM fourcc.

`PixelFormat` has the eight formats of 32 bits that a virtio-gpu scanout can have: every part of the
compositor takes them as they are. `SampledFormat` has the others that a plane of a KMS driver commonly
takes: composition converts them first (see `compositor.render.sample`), and nothing else reads them.

DRM names a format by the channels of a little-endian 32-bit word, highest byte first (drm_fourcc.h), so
XRGB8888 lies in memory as B, G, R, X. virtio-gpu names the same format by its bytes in memory
(virtio 1.3, 5.7.6.8: VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM).
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput


class PixelFormat(Enum):
    """A 32-bit pixel format; its value is its DRM fourcc.

    Attributes:
        blue: Byte offset of the channel within a pixel, 0 to 3.
        green: As `blue`.
        red: As `blue`.
        alpha: As `blue`; of the ignored byte in a format without alpha.
        has_alpha: Whether the fourth byte is alpha (colours are premultiplied by it) or ignored.
        shifts: Right shifts that bring blue, green, red and alpha of a word to its low byte.
    """

    # DRM name = fourcc, channels by memory address
    XRGB8888 = "XR24", "BGRX"
    ARGB8888 = "AR24", "BGRA"
    BGRX8888 = "BX24", "XRGB"
    BGRA8888 = "BA24", "ARGB"
    RGBX8888 = "RX24", "XBGR"
    RGBA8888 = "RA24", "ABGR"
    XBGR8888 = "XB24", "RGBX"
    ABGR8888 = "AB24", "RGBA"

    blue: int
    green: int
    red: int
    alpha: int
    has_alpha: bool
    shifts: tuple[int, int, int, int]

    def __new__(cls, fourcc: str, channels: str) -> PixelFormat:
        """The value is the fourcc alone, so that `PixelFormat("XR24")` finds the member."""
        member = object.__new__(cls)
        member._value_ = fourcc
        member.blue, member.green, member.red = (channels.index(channel) for channel in "BGR")
        member.has_alpha = "A" in channels
        member.alpha = channels.index("A" if member.has_alpha else "X")
        member.shifts = (8 * member.blue, 8 * member.green, 8 * member.red, 8 * member.alpha)
        return member

    @property
    def opaque(self) -> PixelFormat:
        """The format with the same channels in the same places, and no alpha."""
        return PixelFormat[self.name.replace("A", "X")]

    @classmethod
    def from_fourcc(cls, code: str | int) -> PixelFormat:
        """The format with this DRM fourcc, as text ("XR24") or as the kernel's little-endian number.

        Raises:
            BadInput: A format that no virtio-gpu scanout has.
        """
        try:
            text = code if isinstance(code, str) else code.to_bytes(4, "little").decode("latin-1")
            return _BY_FOURCC[text]
        except (KeyError, OverflowError):
            known = " ".join(str(member.value) for member in cls)
            raise BadInput(f"pixel format {code!r} is not one of: {known}") from None


_BY_FOURCC: dict[str, PixelFormat] = {member.value: member for member in PixelFormat}


class SampledFormat(Enum):
    """A format that composition converts to ARGB8888 first; its value is its DRM fourcc.

    Attributes:
        pixel_bytes: Bytes of an element of the first plane: of a pixel, or in YUYV of a pair of pixels.
        columns: Pixels of a row that an element holds.
        has_alpha: Whether there is an alpha channel, by which colours are premultiplied.
        is_yuv: Whether the colour encoding and range of a plane's state apply.
        has_chroma: Whether a second plane holds Cb and Cr of each 2 x 2 pixels.
    """

    RGB888 = "RG24", 3  # bytes B, G, R
    BGR888 = "BG24", 3  # bytes R, G, B
    RGB565 = "RG16", 2
    XRGB2101010 = "XR30", 4
    ARGB2101010 = "AR30", 4
    YUYV = "YUYV", 4  # bytes Y0, Cb, Y1, Cr
    NV12 = "NV12", 1  # then a plane of bytes Cb, Cr

    pixel_bytes: int
    columns: int
    has_alpha: bool
    is_yuv: bool
    has_chroma: bool

    def __new__(cls, fourcc: str, pixel_bytes: int) -> SampledFormat:
        """As in `PixelFormat`."""
        member = object.__new__(cls)
        member._value_ = fourcc
        member.pixel_bytes = pixel_bytes
        member.columns = 2 if fourcc == "YUYV" else 1
        member.has_alpha = fourcc == "AR30"
        member.is_yuv = fourcc in {"YUYV", "NV12"}
        member.has_chroma = fourcc == "NV12"
        return member


AnyFormat = PixelFormat | SampledFormat


def size_of(pixels: NDArray[np.uint8], pixel_format: AnyFormat) -> tuple[int, int]:
    """(width, height) of a picture, from its first plane."""
    height, width = pixels.shape[:2]
    return (width if isinstance(pixel_format, PixelFormat) else width * pixel_format.columns), height


def check_layout(
    pixels: NDArray[np.uint8], pixel_format: AnyFormat, chroma: NDArray[np.uint8] | None = None
) -> None:
    """Refuse planes that do not hold a picture of this format.

    Args:
        pixels: (height, elements of a row, bytes of an element) uint8, at least one element; elements of
            a row adjoin, rows may be padded. A row of YUYV holds whole pairs: a picture of an odd width
            is a crop.
        pixel_format: Any.
        chroma: (height / 2, width / 2, 2) uint8, both rounded up; for NV12, and for no other format.

    Raises:
        BadInput: Another shape or type, or a stride that is too small.
    """
    element = 4 if isinstance(pixel_format, PixelFormat) else pixel_format.pixel_bytes
    _check_plane("a buffer", pixels, element)
    wanted = isinstance(pixel_format, SampledFormat) and pixel_format.has_chroma
    if wanted != (chroma is not None):
        raise BadInput(f"format {pixel_format.name} has {'a' if wanted else 'no'} chroma plane")
    if chroma is not None:
        _check_plane("a chroma plane", chroma, 2)
        halves = tuple(-(-size // 2) for size in pixels.shape[:2])
        if chroma.shape[:2] != halves:
            raise BadInput(f"chroma of {pixels.shape[:2]} pixels is {halves} pairs, not {chroma.shape[:2]}")


def _check_plane(what: str, plane: NDArray[np.uint8], element: int) -> None:
    if plane.dtype != np.uint8 or plane.ndim != 3 or plane.shape[2] != element or not plane.size:
        raise BadInput(f"{what} is (height, width, {element}) uint8, not {plane.shape} {plane.dtype}")
    if plane.strides[1:] != (element, 1) or plane.strides[0] < element * plane.shape[1]:
        raise BadInput(f"{what}'s rows must be contiguous and apart, not strides {plane.strides}")


OUTPUT_FORMAT = PixelFormat.XRGB8888  # what composition writes: B, G, R, 0xff
