"""What EDID's base block and its extensions share: 128 bytes that add up to zero."""

from __future__ import annotations

BLOCK_BYTES = 128


def checksum(data: bytes) -> int:
    """The byte that makes the sum of `data` and itself a multiple of 256."""
    return -sum(data) & 0xFF


def sealed(data: bytes) -> bytes:
    """A whole block of `data`, which is 127 bytes, with its checksum."""
    assert len(data) == BLOCK_BYTES - 1, len(data)
    return data + bytes([checksum(data)])
