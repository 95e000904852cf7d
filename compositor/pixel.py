"""Pixel formats, by DRM fourcc: the eight 32-bit formats that a virtio-gpu scanout can have.

DRM names a format by the channels of a little-endian 32-bit word, highest byte first (drm_fourcc.h), so
XRGB8888 lies in memory as B, G, R, X. virtio-gpu names the same format by its bytes in memory
(virtio 1.3, 5.7.6.8: VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM).
"""

from __future__ import annotations

from enum import Enum

from compositor.errors import BadInput


class PixelFormat(Enum):
    """A 32-bit pixel format; its value is its DRM fourcc.

    Attributes:
        blue: Byte offset of the channel within a pixel, 0 to 3.
        green: As `blue`.
        red: As `blue`.
        alpha: As `blue`; of the ignored byte in a format without alpha.
        has_alpha: Whether the fourth byte is alpha (colours are premultiplied by it) or ignored.
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

    def __new__(cls, fourcc: str, channels: str) -> PixelFormat:
        """The value is the fourcc alone, so that `PixelFormat("XR24")` finds the member."""
        member = object.__new__(cls)
        member._value_ = fourcc
        member.blue, member.green, member.red = (channels.index(channel) for channel in "BGR")
        member.has_alpha = "A" in channels
        member.alpha = channels.index("A" if member.has_alpha else "X")
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

OUTPUT_FORMAT = PixelFormat.XRGB8888  # what composition writes: B, G, R, 0xff
