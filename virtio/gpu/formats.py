"""The eight pixel formats of virtio-gpu (virtio 1.3, 5.7.6.8; `enum virtio_gpu_formats`).

virtio names a format by its bytes in memory, first byte first; DRM names the same format by a
little-endian 32-bit word, most significant byte first. B8G8R8X8 and XRGB8888 are one format.
"""

from __future__ import annotations

from enum import IntEnum

from virtio.errors import Misuse

BYTES_PER_PIXEL = 4
"""Every virtio-gpu format is 32 bits wide."""


class Format(IntEnum):
    """A pixel format, named by its bytes in memory order; X is a byte without meaning."""

    B8G8R8A8 = 1
    B8G8R8X8 = 2
    A8R8G8B8 = 3
    X8R8G8B8 = 4
    R8G8B8A8 = 67
    X8B8G8R8 = 68
    A8B8G8R8 = 121
    R8G8B8X8 = 134

    @property
    def fourcc(self) -> str:
        """The four characters by which drm_fourcc.h calls the same format (XR24 for B8G8R8X8)."""
        return _FOURCC[self]

    @property
    def has_alpha(self) -> bool:
        """Whether the fourth component is alpha, and not padding."""
        return "A" in self.name

    @property
    def channels(self) -> tuple[int, ...]:
        """What each byte in memory is: 0 red, 1 green, 2 blue, 3 alpha or padding."""
        return tuple("RGBA".index(letter) for letter in self.name[::2].replace("X", "A"))

    @classmethod
    def named(cls, name: Format | str) -> Format:
        """The format of that name, virtio's or DRM's.

        Raises:
            Misuse: There is none.
        """
        if isinstance(name, Format):
            return name
        for known in cls:
            if name in (known.name, known.fourcc):
                return known
        known_names = ", ".join(f"{known.name} ({known.fourcc})" for known in cls)
        raise Misuse(f"format {name!r}: there are {known_names}")

    @classmethod
    def from_fourcc(cls, fourcc: str) -> Format:
        """The format that DRM calls `fourcc`.

        Raises:
            ValueError: No virtio-gpu format has that name.
        """
        for known, code in _FOURCC.items():
            if code == fourcc:
                return known
        known_codes = ", ".join(_FOURCC.values())
        raise ValueError(f"{fourcc!r} is not a virtio-gpu format, which are: {known_codes}")


_FOURCC = {
    Format.B8G8R8A8: "AR24",
    Format.B8G8R8X8: "XR24",
    Format.A8R8G8B8: "BA24",
    Format.X8R8G8B8: "BX24",
    Format.R8G8B8A8: "AB24",
    Format.X8B8G8R8: "RX24",
    Format.A8B8G8R8: "RA24",
    Format.R8G8B8X8: "XB24",
}
