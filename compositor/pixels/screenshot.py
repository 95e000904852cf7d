"""Pictures as PNG files: what a monitor shows, as RGBA, and written.

A picture is (height, width, 4) uint8 in the order R, G, B, A. `compositor.compare` reads PNGs.
"""

from __future__ import annotations

import os
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from compositor.files import write_atomically
from compositor.pixels.format import PixelFormat

Picture = NDArray[np.uint8]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BAND, _EVERY = 16, 128  # so many rows of so many are tried
_WORTH_IT = 0.8  # filtered pixels take four times as long to compress, and part of a picture flatters them
_LEVEL = 6  # zlib's: 9 takes ten times as long
_TRIAL_LEVEL = 4  # the lowest that ranks filters as 6 does


def to_rgba(pixels: NDArray[np.uint8], pixel_format: PixelFormat, *, opaque: bool = False) -> Picture:
    """A copy in the order R, G, B, A.

    Args:
        pixels: (height, width, 4) uint8, any strides.
        pixel_format: Their memory order.
        opaque: Make alpha 255 even where the format has one: true of what a monitor shows.
    """
    rgba = np.empty(pixels.shape, np.uint8)
    rgba[..., 0] = pixels[..., pixel_format.red]
    rgba[..., 1] = pixels[..., pixel_format.green]
    rgba[..., 2] = pixels[..., pixel_format.blue]
    keep_alpha = pixel_format.has_alpha and not opaque
    rgba[..., 3] = pixels[..., pixel_format.alpha] if keep_alpha else 255
    return rgba


def save_png(path: str | os.PathLike[str], rgba: Picture) -> None:
    """Write a PNG; the file appears whole or not at all.

    Raises:
        BadInput: `path` cannot be written.
    """
    data = encode_png(rgba)
    with write_atomically(path) as file:
        file.write(data)


def encode_png(rgba: Picture) -> bytes:
    """A picture as a PNG, of three channels where all is opaque: equal pictures give equal bytes.

    Pillow tries every filter on every row and compresses what looks smallest: 0.75 s for a screen of
    1920x1080. Screens have flat areas and repeated shapes, which compress best as they are; so one filter is
    chosen for the whole picture, by trying a part of it. That takes a sixth of the time, and no more bytes.

    Args:
        rgba: (height, width, 4), any strides, at least one pixel.
    """
    opaque = bool((rgba[..., 3] == 255).all())
    height, width = rgba.shape[:2]
    samples = rgba[..., :3] if opaque else rgba
    rows = np.ascontiguousarray(samples).reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if opaque else 6, 0, 0, 0)
    body = zlib.compress(_filtered(rows, _best_filter(rows, samples.shape[2]), samples.shape[2]), _LEVEL)
    return b"".join(
        (_SIGNATURE, png_chunk(b"IHDR", header), png_chunk(b"IDAT", body), png_chunk(b"IEND", b""))
    )


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG (5.3): length, type, content, check sum."""
    return b"".join(
        (
            struct.pack(">I", len(content)),
            kind,
            content,
            struct.pack(">I", zlib.crc32(content, zlib.crc32(kind))),
        )
    )


def _best_filter(rows: Picture, channels: int) -> int:
    """The filter that makes least of some rows: 0 none, 1 left neighbours, 2 those above (9.2)."""
    parts = [rows[top : top + _BAND] for top in range(0, len(rows), _EVERY)]
    none, left, above = (sum(_tried(part, kind, channels) for part in parts) for kind in (0, 1, 2))
    if min(left, above) > _WORTH_IT * none:
        return 0
    return 1 if left < above else 2


def _tried(rows: Picture, kind: int, channels: int) -> int:
    return len(zlib.compress(_filtered(rows, kind, channels), _TRIAL_LEVEL))


def _filtered(rows: Picture, kind: int, channels: int) -> bytes:
    """Rows, each with its filter's number before it."""
    out = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    out[:, 0] = kind
    out[:, 1:] = rows
    if kind == 1:
        out[:, 1 + channels :] -= rows[:, :-channels]
    elif kind == 2:
        out[1:, 1:] -= rows[:-1]
    return out.tobytes()
