"""PNG files read exactly: every bit depth, colour type and transparency, nothing rounded or left out.

Pillow inflates and unfilters; it has no mode for 16 bits a channel, though: it drops the low bytes of colours
and clips grey. So the bytes of such files are fetched through modes that leave them as they are, and
transparent colours (tRNS) are applied here, to samples as the file has them.

Sections are those of the PNG specification, third edition.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput

Pixels = NDArray[Any]
"""(height, width, 4) uint8 or uint16, in the order R, G, B, A."""

LARGEST = 8192
"""The most pixels of a side, as of a monitor's mode."""

LARGEST_FILE = 1 << 30
"""More bytes than a file of LARGEST x LARGEST pixels has, if it is 16 bits deep and not compressed at all."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEFLATE_RATIO = 1032  # the most that zlib's format makes of a byte
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGBA = 0, 2, 3, 4, 6  # 11.2.1: colour types
_COLOURS = {_GREY: "grey", _RGB: "RGB", _PALETTE: "palette", _GREY_ALPHA: "grey", _RGBA: "RGB"}
_ALPHA = frozenset({_GREY_ALPHA, _RGBA})
_PROFILE = ("cHRM", "cICP", "gAMA", "iCCP", "sRGB")
_KEPT = frozenset({"PLTE", "tRNS", *_PROFILE})

# What Pillow decodes the bytes of 16-bit samples to, once for each way: the mode and the raw mode. Where
# there are two, the first finds all high bytes, the second all low ones; else they come as neighbours.
_SIXTEEN = {
    _GREY: (("LA", "LA"),),
    _RGB: (("RGB", "RGB;16B"), ("RGB", "RGB;16L")),
    _GREY_ALPHA: (("RGBA", "RGBA"),),
    _RGBA: (("RGBA", "RGBA;16B"), ("RGBA", "RGBA;16L")),
}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a PNG stores its colours, beside what colours they are.

    Attributes:
        depth: Bits of a sample: 1, 2, 4, 8 or 16.
        colour: "grey", "RGB" or "palette".
        alpha: Whether there is a channel, or a chunk (tRNS), of transparency.
        profile: What says how bright the samples are meant to be: the chunks gAMA, cHRM, sRGB, iCCP and cICP
            with their content.
    """

    depth: int
    colour: str
    alpha: bool
    profile: tuple[tuple[str, bytes], ...] = ()

    def against(self, other: Encoding) -> tuple[str, ...]:
        """How the other one differs, a phrase for each way."""
        found = []
        if self.colour != other.colour:
            found.append(f"{self.colour} against {other.colour}")
        if self.depth != other.depth:
            found.append(f"{self.depth} bits against {other.depth}")
        if self.alpha != other.alpha:
            found.append(f"an alpha channel in the {'first' if self.alpha else 'second'} alone")
        mine, theirs = dict(self.profile), dict(other.profile)
        for name in sorted(mine.keys() | theirs.keys()):
            if name not in theirs or name not in mine:
                found.append(f"a chunk {name} in the {'first' if name in mine else 'second'} alone")
            elif mine[name] != theirs[name]:
                found.append(f"another {name}")
        return tuple(found)


@dataclass(frozen=True, slots=True)
class Png:
    """A PNG file whose pixels are not decoded yet.

    Attributes:
        name: What messages call it.
        data: The file's content.
        width: In pixels, 1 to 8192.
        height: As `width`.
        encoding: How its colours are stored.
    """

    name: str
    data: bytes
    width: int
    height: int
    encoding: Encoding
    _colour: int
    _palette: bytes
    _transparent: bytes | None

    @classmethod
    def parse(cls, name: str, data: bytes) -> Png:
        """Read the chunks of a file.

        Raises:
            BadInput: It is no PNG, it is damaged or animated, or has more pixels than a screenshot can have.
        """
        if not data.startswith(_SIGNATURE):
            raise BadInput(f"{name} is not a PNG")
        width, height, depth, colour = _header(name, data)
        found: dict[str, bytes] = {}
        for chunk, content in _chunks(name, data):
            if chunk == "acTL":
                raise BadInput(f"{name} is an animated PNG: give a still picture")
            if chunk in _KEPT and chunk not in found:
                found[chunk] = bytes(content)
        transparent = None if colour in _ALPHA else found.get("tRNS")
        profile = tuple((chunk, found[chunk]) for chunk in _PROFILE if chunk in found)
        encoding = Encoding(depth, _COLOURS[colour], colour in _ALPHA or transparent is not None, profile)
        return cls(name, data, width, height, encoding, colour, found.get("PLTE", b""), transparent)

    def decode(self) -> Pixels:
        """The pixels, (height, width, 4), RGBA: uint16 of a file of 16 bits a sample, else uint8.

        Raises:
            BadInput: The file is damaged.
        """
        try:
            return self._expanded(self._samples())
        except Exception as error:  # a damaged file makes Pillow raise whatever it stumbles over
            raise BadInput(f"{self.name} is a damaged PNG: {error}") from None

    def _samples(self) -> Pixels:
        """(height, width, channels) of the file, as many as its colour type has; a palette's are indices."""
        if self.encoding.depth < 16:
            samples = self._pillow(None, None)
            if samples.dtype == np.bool_:
                samples = samples.astype(np.uint8) * np.uint8(255)
        else:
            high, *low = (self._pillow(*way) for way in _SIXTEEN[self._colour])
            low_bytes = low[0] if low else high[..., 1::2]
            high_bytes = high if low else high[..., 0::2]
            samples = high_bytes.astype(np.uint16) << np.uint16(8) | low_bytes
        return samples.reshape(self.height, self.width, -1)

    def _pillow(self, mode: str | None, raw_mode: str | None) -> Pixels:
        """What Pillow decodes the file to, as it would by itself or in a mode of ours."""
        from PIL import Image  # noqa: PLC0415 - a golden picture whose hash is right needs no decoder

        with Image.open(io.BytesIO(self.data), formats=["PNG"]) as image:
            if image.size != (self.width, self.height) or len(image.tile) != 1:
                raise ValueError("it has two headers")
            if mode is not None:
                image._mode = mode
                image.tile = [image.tile[0]._replace(args=raw_mode)]
            return np.asarray(image)

    def _expanded(self, samples: Pixels) -> Pixels:
        """RGBA from samples: 13.12 (sample depth rescaling) has been done, 4.3.2 (alpha) and 11.3.2.1 are."""
        if self._colour == _PALETTE:
            words = self._table().view(np.uint32)[:, 0]
            return words[samples].view(np.uint8)
        pixels = to_rgba(samples)
        if self._transparent is not None:
            pixels[(samples == self._transparent_colour(samples)).all(axis=2), 3] = 0
        return pixels

    def _table(self) -> Pixels:
        """What indices stand for, (256, 4) uint8; those that the palette does not have are black."""
        table = np.zeros((256, 4), np.uint8)
        table[:, 3] = 255
        colours = np.frombuffer(self._palette[: len(self._palette) // 3 * 3][:768], np.uint8).reshape(-1, 3)
        table[: len(colours), :3] = colours
        alpha = np.frombuffer((self._transparent or b"")[:256], np.uint8)
        table[: len(alpha), 3] = alpha
        return table

    def _transparent_colour(self, samples: Pixels) -> Pixels:
        """11.3.2.1: samples of 2 bytes at the file's depth, brought to the depth that Pillow gives."""
        assert self._transparent is not None
        colour = np.frombuffer(self._transparent[: 2 * samples.shape[2]], ">u2")
        if colour.size != samples.shape[2]:
            raise ValueError("its chunk tRNS is too short")
        depth = self.encoding.depth
        given = colour.astype(np.int64) & ((1 << depth) - 1)
        return (given * (255 // ((1 << depth) - 1)) if depth < 8 else given).astype(samples.dtype)


def to_rgba(samples: Pixels) -> Pixels:
    """RGBA of grey, grey with alpha, RGB or RGBA, (height, width, 1 to 4); RGBA stays what it is."""
    height, width, channels = samples.shape
    if channels == 4:
        return samples
    pixels = np.empty((height, width, 4), samples.dtype)
    for channel in range(3):  # one by one is ten times as fast as all at once
        pixels[..., channel] = samples[..., channel if channels == 3 else 0]
    pixels[..., 3] = samples[..., 1] if channels == 2 else np.iinfo(samples.dtype).max
    return pixels


def _header(name: str, data: bytes) -> tuple[int, int, int, int]:
    """Width, height, bit depth and colour type; refuses what would take too much memory (11.2.1)."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise BadInput(f"{name} is a damaged PNG: it does not begin with a header")
    width, height, depth, colour = struct.unpack_from(">IIBB", data, 16)
    if max(width, height) > LARGEST:
        raise BadInput(f"{name} has more than {LARGEST}x{LARGEST} pixels: too large for a screenshot")
    if colour not in _COLOURS or depth not in (1, 2, 4, 8, 16) or min(width, height) == 0:
        raise BadInput(
            f"{name} is a damaged PNG: {width}x{height} pixels, {depth} bits, colour type {colour}"
        )
    # A pixel has at least one bit, which no compressor makes smaller than this.
    if width * height // 8 > len(data) * _DEFLATE_RATIO:
        raise BadInput(f"{name} is a damaged PNG: {len(data)} bytes cannot hold {width}x{height} pixels")
    return width, height, depth, colour


def _chunks(name: str, data: bytes) -> Iterator[tuple[str, memoryview]]:
    """The type and the content of each chunk up to the last (5.3)."""
    view, at = memoryview(data), len(_SIGNATURE)
    while at + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        yield kind.decode("latin-1"), view[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
    raise BadInput(f"{name} is a damaged PNG: it ends before its last chunk does")
