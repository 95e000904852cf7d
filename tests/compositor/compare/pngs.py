"""PNG files made by hand, and pictures to put into them."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
ADAM7 = (  # x, y, and the distances to the next column and row (PNG, 8.1)
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
)  # fmt: skip
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}


def picture(width: int, height: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    following = b"".join(chunk(name, data) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + following + chunk(b"IEND", b"")


def header(width: int, height: int, depth: int, colour: int, interlaced: bool = False) -> bytes:
    return struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlaced)


def packed(samples: NDArray[Any], depth: int) -> bytes:
    """Rows of samples as they stand in a file, (height, width * channels), with no filter."""
    if depth == 16:
        rows = samples.astype(">u2").view(np.uint8)
    else:
        bits = np.unpackbits(samples.astype(np.uint8)[..., np.newaxis], axis=2)[..., 8 - depth :]
        rows = np.packbits(bits.reshape(len(samples), -1), axis=1)
    return np.hstack([np.zeros((len(rows), 1), np.uint8), rows]).tobytes()


def made(
    samples: NDArray[Any], depth: int, colour: int, *before: tuple[bytes, bytes], interlaced: bool = False
) -> bytes:
    """A file of (height, width, channels) samples; `before` are the chunks before the pixels."""
    height, width, channels = samples.shape
    assert channels == CHANNELS[colour]
    passes = [samples[y::down, x::right] for x, y, right, down in ADAM7] if interlaced else [samples]
    content = b"".join(packed(part.reshape(len(part), -1), depth) for part in passes if part.size)
    start = header(width, height, depth, colour, interlaced)
    return png(start, *before, (b"IDAT", zlib.compress(content)))
