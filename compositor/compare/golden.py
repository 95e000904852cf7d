"""Golden pictures: PNG files with the hash of their pixels, so that to check an equal one decodes nothing.

The hash stands in a text chunk, with what its author wants to keep (mode, seed, digest), under a seal: a hash
of all other bytes of the file and of that text. A program that edits or recompresses the picture breaks the
seal, whether it keeps the chunk or not; the pixels are then decoded, as those of any PNG are.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from compositor.compare.png import Pixels, Png
from compositor.compare.still import Source, Still, of_array, read_file
from compositor.errors import BadInput
from compositor.files import write_atomically
from compositor.pixels.screenshot import encode_png, png_chunk

_KEYWORD = b"scanout-golden"
_AT = 33  # where the second chunk of a PNG begins: the signature is 8 bytes long, the header's chunk 25
_SEAL = 32  # hexadecimal digits


def pixel_hash(pixels: Pixels) -> str:
    """XXH3-128 of a picture's RGBA pixels, in hexadecimal.

    Args:
        pixels: (height, width) or (height, width, 1 to 4), of uint8.

    Raises:
        BadInput: The array is no picture.
    """
    return xxhash.xxh3_128_hexdigest(np.ascontiguousarray(of_array(pixels)).data)


class Golden(Still):
    """A PNG file to compare with.

    Attributes:
        path: Of the file.
        metadata: What `write_golden` was given; empty when the file was not made by it or was edited since.
        stored_hash: `pixel_hash` of its pixels; None when the file was not made by `write_golden` or was
            edited since.
    """

    def __init__(self, path: str | os.PathLike[str], png: Png, sealed: _Sealed | None) -> None:
        super().__init__(
            (png.width, png.height),
            png.decode,
            encoding=png.encoding,
            stored_hash=None if sealed is None else sealed.pixels,
        )
        self.path = Path(path)
        self.metadata: Mapping[str, Any] = {} if sealed is None else sealed.metadata

    @property
    def sealed(self) -> bool:
        """Whether the file is as `write_golden` wrote it."""
        return self.stored_hash is not None


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What a golden picture's text chunk says, once the seal was found whole."""

    pixels: str
    metadata: Mapping[str, Any]


def open_golden(path: str | os.PathLike[str]) -> Golden:
    """A PNG file to compare with: read, not decoded.

    Raises:
        BadInput: There is no such regular file, it is no PNG, it is animated, cut off, or has more pixels
            than a screenshot can have. Damaged pixels are found when they are decoded.
    """
    return parse_golden(path, read_file(path))


def parse_golden(path: str | os.PathLike[str], data: bytes) -> Golden:
    """As `open_golden`, of a file's content; `path` is its name in messages."""
    return Golden(path, Png.parse(str(path), data), _unsealed(data))


def write_golden(
    path: str | os.PathLike[str], picture: Source, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write a picture as a golden one; the file appears whole, or what lay there stays.

    Args:
        path: Of the file.
        picture: Of 8 bits a channel.
        metadata: Stored with it, as JSON in the text chunk "scanout-golden".

    Raises:
        BadInput: `path` cannot be written, the picture has 16 bits, or `metadata` is nothing that JSON holds.
    """
    pixels = Still.of(picture).pixels
    if pixels.dtype != np.uint8:
        raise BadInput(f"cannot write {path}: a golden picture has 8 bits a channel, this one has 16")
    if not pixels.size:
        raise BadInput(f"cannot write {path}: a picture of {pixels.shape[1]}x{pixels.shape[0]} has no pixels")
    try:
        text = json.dumps({"pixels": pixel_hash(pixels), "metadata": dict(metadata or {})}, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise BadInput(f"cannot write {path}: its metadata: {error}") from None
    plain = encode_png(pixels)
    sealed = _seal(plain, plain[_AT:], text)
    with write_atomically(path) as file:
        file.writelines(
            (plain[:_AT], png_chunk(b"tEXt", _KEYWORD + b"\0" + sealed.encode() + text.encode()), plain[_AT:])
        )


def _seal(head: bytes, tail: bytes | memoryview, text: str) -> str:
    """XXH3-128 of what stands before a golden picture's text chunk, of its text, and of what follows it."""
    seal = xxhash.xxh3_128(head[:_AT])
    seal.update(text.encode())
    seal.update(tail)
    return seal.hexdigest()


def _unsealed(data: bytes) -> _Sealed | None:
    """What the text chunk of a golden picture says; None where there is none, or where the seal is broken."""
    begin = _AT + 8 + len(_KEYWORD) + 1
    if data[_AT + 4 : begin] != b"tEXt" + _KEYWORD + b"\0":
        return None
    end = _AT + 8 + int.from_bytes(data[_AT : _AT + 4])
    if zlib.crc32(data[_AT + 4 : end]) != int.from_bytes(data[end : end + 4]):
        return None
    try:
        text = data[begin + _SEAL : end].decode("ascii")
        if _seal(data, memoryview(data)[end + 4 :], text).encode() != data[begin : begin + _SEAL]:
            return None
        content = json.loads(text)
        return _Sealed(content["pixels"], content["metadata"])
    except (UnicodeDecodeError, ValueError, KeyError, TypeError):  # sealed by another program
        return None
