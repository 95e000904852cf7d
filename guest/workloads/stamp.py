"""Frame stamps: a frame carries its number in its own pixels.

A stamp is what proves, at the far end of the pipeline, which frame was shown and that it was one
frame and not two halves. It lies in the pixels because nothing else takes the whole way with them.

The layout, the same for every writer (the C programs of `guest.linux` write it too):

* five marks, each one row tall and `MARK_WIDTH` = 40 pixels wide, starting at column 0;
  mark `i` (0 to 4) lies in row `i * (height - 1) / 4`, rounded down: the first row, the last, and
  three in between, so that a tear anywhere leaves marks that disagree;
* a mark is a 40-bit word, most significant bit first, one pixel a bit. A *plain* mark paints them: 1 is
  white (all four bytes 0xff), 0 is black (colour bytes 0x00, alpha or padding byte 0xff). A *hidden* mark
  changes the picture's colours by one step at most, which no eye sees: the least significant bits of bytes
  0 and 2 are the bit, that of byte 1 is its opposite;
* the word is `0xA5 << 32 | id << 8 | check`: id is the frame's number modulo 2**24, and check is the
  top byte of the 32-bit product `id * 0x9E3779B1` (modulo 2**32).

In C, for a pixel format with alpha or padding in its top byte (XR24, AR24, XB24, AB24)::

    uint32_t id = frame & 0xffffff;
    uint64_t word = 0xa5ull << 32 | (uint64_t)id << 8 | (uint32_t)(id * 0x9e3779b1u) >> 24;
    for (int i = 0; i < 5; i++) {
        uint32_t *row = (uint32_t *)(base + (size_t)(i * (height - 1) / 4) * stride);
        for (int bit = 0; bit < 40; bit++)
            row[bit] = word >> (39 - bit) & 1 ? 0xffffffff : 0xff000000;
    }

Arbitrary content is read as a stamp only if 40 pixels are pure black or white, or have the pattern of a
hidden mark (grey ones never have), and 16 bits agree.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from virtio.errors import Misuse

MARK_WIDTH = 40  # pixels, one a bit
MARKS = 5
ID_MASK = 0xFF_FFFF
_SYNC = 0xA5  # starts every mark; neither an all-black nor an all-white row has it
_LOW = bytes(ord("0") + (value & 1) for value in range(256))  # a byte's lowest bit, as a digit
_NOT_LOW = bytes(ord("1") - (value & 1) for value in range(256))
_HIDDEN = np.array((0, 1, 0), np.uint8)  # what is added to a bit, modulo 2, in each colour byte
_MIX = 0x9E37_79B1  # 2**32 divided by the golden ratio, odd: neighbouring ids get unlike checks


class Stamp(NamedTuple):
    """What a frame says about itself.

    Attributes:
        frame_id: Number (modulo 2**24) in the topmost valid mark; None when there is no valid mark.
        torn: Two valid marks disagree: the picture is made of at least two frames.
    """

    frame_id: int | None
    torn: bool


@cache
def mark_rows(height: int) -> tuple[int, ...]:
    """The rows that hold marks in a picture of `height` rows, top to bottom."""
    return tuple(i * (height - 1) // (MARKS - 1) for i in range(MARKS))


def write_stamp(pixels: NDArray[np.uint8], frame_id: int) -> None:
    """Paint `frame_id` modulo 2**24 over a picture, in plain marks.

    Args:
        pixels: (height, width, 4) uint8, alpha or padding in byte 3; at least 40 wide and 5 high.
        frame_id: The frame's number, not negative.

    Raises:
        Misuse: The picture is too small.
    """
    mark = np.repeat(_bits(pixels, frame_id)[:, None] * np.uint8(255), 4, axis=1)
    mark[:, 3] = 255
    for row in mark_rows(len(pixels)):
        pixels[row, :MARK_WIDTH] = mark


def hide_stamp(pixels: NDArray[np.uint8], frame_id: int) -> None:
    """Write `frame_id` modulo 2**24 into a picture, in hidden marks.

    Args:
        pixels: As for `write_stamp`. Colours stay within an alpha that they are premultiplied by.
        frame_id: The frame's number, not negative.

    Raises:
        Misuse: The picture is too small.
    """
    low = _bits(pixels, frame_id)[:, None] ^ _HIDDEN
    for row in mark_rows(len(pixels)):
        mark = pixels[row, :MARK_WIDTH]
        mark[:, :3] = mark[:, :3] & 0xFE | low
        np.maximum(mark[:, 3], mark[:, :3].max(axis=1), out=mark[:, 3])


def write_rows(pixels: NDArray[np.uint8], frame_id: int) -> None:
    """Paint plain marks over every row, for `read_rows`; arguments and errors as for `write_stamp`."""
    pixels[:, :MARK_WIDTH, :3] = _bits(pixels, frame_id)[None, :, None] * np.uint8(255)
    pixels[:, :MARK_WIDTH, 3] = 255


def read_rows(pixels: NDArray[np.uint8]) -> list[int | None]:
    """The frame that each row belongs to; None for a row without a mark.

    Args:
        pixels: As for `read_stamp`, at least 40 wide.
    """
    marks = [pixels[row, :MARK_WIDTH].tobytes() for row in range(len(pixels))]
    ids = {mark: _decode(mark) for mark in set(marks)}  # one, as a rule
    return [ids[mark] for mark in marks]


def read_stamp(pixels: NDArray[np.uint8]) -> Stamp:
    """Read the stamp of a picture, or of the part of a screen that shows one.

    Marks that something else covers (a cursor, another window) are not valid and do not count.

    Args:
        pixels: (height, width, 4) uint8, any order of colours, byte 3 not a colour.
    """
    height, width = pixels.shape[:2]
    if width < MARK_WIDTH or height < MARKS:
        return Stamp(None, False)
    # Read for every frame of every guest: as bytes, for which arrays this small are too slow.
    # All alike, as a rule, and then decoded once.
    marks = dict.fromkeys([pixels[row, :MARK_WIDTH].tobytes() for row in mark_rows(height)])
    ids = [frame_id for frame_id in map(_decode, marks) if frame_id is not None]
    return Stamp(ids[0], any(frame_id != ids[0] for frame_id in ids)) if ids else Stamp(None, False)


def _bits(pixels: NDArray[np.uint8], frame_id: int) -> NDArray[np.uint8]:
    """The bits of a mark, (MARK_WIDTH,) uint8, for a picture that is large enough."""
    height, width = pixels.shape[:2]
    if width < MARK_WIDTH or height < MARKS:
        raise Misuse(f"a {width}x{height} picture cannot hold a stamp; it needs {MARK_WIDTH}x{MARKS} pixels")
    return np.unpackbits(np.frombuffer(_word(frame_id & ID_MASK).to_bytes(5, "big"), np.uint8))


def _word(frame_id: int) -> int:
    return _SYNC << 32 | frame_id << 8 | (frame_id * _MIX & 0xFFFF_FFFF) >> 24


def _decode(mark: bytes) -> int | None:
    """The number in a mark's pixels, 4 bytes each; None: they are no valid mark."""
    blue, green, red = mark[0::4], mark[1::4], mark[2::4]
    digits = blue.translate(_LOW)
    is_plain = blue == green == red and not blue.translate(None, b"\x00\xff")
    if not is_plain and (green.translate(_NOT_LOW) != digits or red.translate(_LOW) != digits):
        return None
    word = int(digits, 2)
    frame_id = word >> 8 & ID_MASK
    return frame_id if word == _word(frame_id) else None
