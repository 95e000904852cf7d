"""Kernel images, made quick to boot.

An x86 distribution kernel is compressed and unpacks itself, which an emulated processor does for 4 of
the 10 seconds until init. QEMU also starts the kernel that is inside (by its PVH entry point).
"""

from __future__ import annotations

import gzip
import lzma
import struct

_ELF = b"\x7fELF"


def unpacked_image(image: bytes) -> bytes:
    """The ELF kernel inside an x86 bzImage; any other image, or an unknown compression, unchanged.

    The layout is the x86 boot protocol's (Documentation/arch/x86/boot.rst): magic at 0x202, number of
    512-byte setup sectors at 0x1f1, offset and length of the payload behind them at 0x248.
    """
    if image[0x202:0x206] != b"HdrS":
        return image
    offset, length = struct.unpack_from("<II", image, 0x248)
    start = (image[0x1F1] + 1) * 512 + offset
    payload = image[start : start + length]
    if payload.startswith(b"\xfd7zXZ"):
        kernel = lzma.LZMADecompressor().decompress(payload)
    elif payload.startswith(b"\x1f\x8b"):
        kernel = gzip.decompress(payload[:-4])  # behind it lies the unpacked size
    else:
        return image
    return kernel if kernel.startswith(_ELF) else image
