"""PNG files: pixels of the size that the header says, or one line."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from compositor.compare.png import Png
from compositor.errors import BadInput
from tests.fuzz.reader import Reader
from tests.fuzz.target import Target, check_refusal

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = (
    (0, 1),
    (0, 2),
    (0, 4),
    (0, 8),
    (0, 16),
    (2, 8),
    (2, 16),
    (3, 1),
    (3, 8),
    (4, 8),
    (4, 16),
    (6, 8),
    (6, 16),
)
_AS_IT_IS, _INFLATED = 1, 2


def run(data: bytes) -> None:
    """Byte 0: bit 0 leaves the file as it is, else checksums are made right; bit 1 deflates IDAT here."""
    reader = Reader(data)
    mode = reader.number()
    content = reader.rest()
    if not mode & _AS_IT_IS:
        content = mended(content, deflate=bool(mode & _INFLATED))
    try:
        png = Png.parse("file", content)
        if png.width * png.height > 1 << 22:  # is decoded in bounds, too, but seldom worth the time
            return
        pixels = png.decode()
    except BadInput as refusal:
        check_refusal(refusal)
    else:
        assert pixels.shape == (png.height, png.width, 4)
        assert pixels.dtype == (np.uint16 if png.encoding.depth == 16 else np.uint8)


def mended(data: bytes, *, deflate: bool) -> bytes:
    """The file with right checksums, chunk by chunk as far as there are any."""
    parts, at = [data[:8]], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if deflate and kind == b"IDAT":
            content = zlib.compress(content, 1)
        parts.append(chunk(kind, content))
        at += 12 + length
    return b"".join(parts)


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def seeds() -> Iterator[bytes]:
    """A small picture of each colour type and depth, transparent or not, interlaced or not; and Pillow's."""
    for colour, depth in _DEPTHS:
        rows = bytes(range(256)) * 2
        for interlace in (0, 1):
            header = struct.pack(">IIBBBBB", 4, 3, depth, colour, 0, 0, interlace)
            parts = [_SIGNATURE, chunk(b"IHDR", header)]
            if colour == 3:
                parts.append(chunk(b"PLTE", bytes(48)))
            stride = 1 + (4 * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] + 7) // 8
            lines = b"".join(b"\0" + rows[: stride - 1] for _ in range(3))
            picture = [chunk(b"IDAT", lines), chunk(b"IEND", b"")]
            yield bytes([_INFLATED]) + b"".join(parts + picture)
            transparent = chunk(b"tRNS", bytes(6 if colour == 2 else 2))
            gamma = chunk(b"gAMA", bytes(4)) + chunk(b"acTL", b"") * interlace
            yield bytes([_INFLATED]) + b"".join([*parts, transparent, gamma, *picture])
    buffer = io.BytesIO()
    Image.new("RGBA", (5, 5), (1, 2, 3, 4)).save(buffer, "png")
    yield bytes([_AS_IT_IS]) + buffer.getvalue()
    yield b"\0" + buffer.getvalue()


WORDS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"acTL")
TARGET = Target(run, seeds, longest=512, words=WORDS)
