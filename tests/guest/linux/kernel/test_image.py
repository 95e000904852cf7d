import gzip
import lzma
import struct

import pytest

from guest.linux.kernel.image import unpacked_image

KERNEL = b"\x7fELF" + bytes(range(256)) * 40


def bz_image(payload: bytes, *, setup_sectors: int = 3, offset: int = 700) -> bytes:
    """Boot protocol 2.08: setup code, then the kernel that unpacks itself, the payload somewhere in it."""
    header = bytearray((setup_sectors + 1) * 512)
    header[0x1F1] = setup_sectors
    header[0x202:0x206] = b"HdrS"
    struct.pack_into("<II", header, 0x248, offset, len(payload))
    return bytes(header) + bytes(offset) + payload + b"more code"


@pytest.mark.parametrize(
    "payload",
    [
        lzma.compress(KERNEL, check=lzma.CHECK_CRC32) + struct.pack("<I", len(KERNEL)),
        gzip.compress(KERNEL) + struct.pack("<I", len(KERNEL)),
    ],
    ids=["xz", "gzip"],
)
def test_the_kernel_inside_is_found(payload: bytes) -> None:
    assert unpacked_image(bz_image(payload)) == KERNEL


@pytest.mark.parametrize(
    "image",
    [
        b"MZ\x00\x91" + bytes(2000),  # arm64
        bz_image(b"\x28\xb5\x2f\xfd zstd"),
        bz_image(lzma.compress(b"not a kernel") + bytes(4)),
        b"short",
    ],
    ids=["another architecture", "another compression", "no kernel inside", "short"],
)
def test_any_other_image_stays_as_it_is(image: bytes) -> None:
    assert unpacked_image(image) == image
