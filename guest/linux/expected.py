"""What the guests' programs draw, computed here: the same integers, so that pictures compare equal.

`pageflip` is `programs/pageflip.c`, `pattern` is `programs/pattern.c`; where a rule looks arbitrary, the
C program is the one that says why.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guest.workloads.stamp import write_stamp

Picture = NDArray[np.uint8]
"""(height, width, 4) uint8 in the memory order of XRGB8888: blue, green, red, padding."""

# Rows from the top, three dots each, most significant first.
_FONT = (
    0o75557, 0o26227, 0o71747, 0o71717, 0o55711, 0o74717, 0o74757, 0o71111, 0o75757, 0o75717,
)  # fmt: skip
_DIGITS = 6


def pageflip(width: int, height: int, frame: int) -> Picture:
    """Frame `frame` of `pageflip` at this mode: waves over a gradient, a bar, its number, its stamp.

    Args:
        width: Pixels, at least 40.
        height: Pixels, at least 5.
        frame: From 0, the one that comes with the mode set.
    """
    picture = _background(width, height, frame)
    _draw_bar(picture, frame)
    _draw_number(picture, frame)
    write_stamp(picture, frame)
    return picture


def pattern(width: int, height: int) -> Picture:
    """The colour bars of `pattern`, which are those of modetest; the padding byte is 0."""
    x = np.arange(width)
    five, six = width * 5 // 7, width * 6 // 7
    top = np.array([0xC0C0C0, 0xC0C000, 0x00C0C0, 0x00C000, 0xC000C0, 0xC00000, 0x0000C0], "<u4")
    middle = np.array([0x0000C0, 0x131313, 0xC000C0, 0x131313, 0x00C0C0, 0x131313, 0xC0C0C0], "<u4")
    left = np.array([0x00214C, 0xFFFFFF, 0x32006A, 0x131313], "<u4")
    right = np.array([0x090909, 0x131313, 0x1D1D1D, 0x131313], "<u4")
    rows = np.empty((height, width), "<u4")
    rows[: height * 6 // 9] = top[x * 7 // width]
    rows[height * 6 // 9 : height * 7 // 9] = middle[x * 7 // width]
    bottom = np.full(width, 0x131313, "<u4")
    bottom[:five] = left[x[:five] * 4 // five]
    bottom[five:six] = right[(x[five:six] - five) * 3 // (width // 7)]
    rows[height * 7 // 9 :] = bottom
    return rows.view(np.uint8).reshape(height, width, 4)


def _background(width: int, height: int, frame: int) -> Picture:
    x, y = np.arange(width), np.arange(height)[:, None]
    u, v = x * 255 // (width - 1), y * 255 // (height - 1)
    phase = (x + y + 4 * frame) % 512
    wave = np.where(phase < 256, phase, 511 - phase)
    picture = np.empty((height, width, 4), np.uint8)
    picture[..., 0] = 255 - (u + v) // 2
    picture[..., 1] = (3 * v + 255 - wave) // 4
    picture[..., 2] = (3 * u + wave) // 4
    picture[..., 3] = 255
    return picture


def _draw_bar(picture: Picture, frame: int) -> None:
    full = picture.shape[1]
    width = full // 40
    columns = (frame * ((width + 1) // 2) + np.arange(width)) % full
    picture[:, columns, :3] = picture[:, columns, :3] // 4 + 192


def _draw_number(picture: Picture, frame: int) -> None:
    height, width = picture.shape[:2]
    scale = min(height // 48, width // 50)
    if scale == 0:
        return
    dots = np.zeros((7, 4 * _DIGITS + 1), bool)  # a dot of margin all around, a gap after each digit
    for place in range(_DIGITS):
        glyph = _FONT[frame // 10 ** (_DIGITS - 1 - place) % 10]
        bits = [[glyph >> (3 * (4 - row) + 2 - column) & 1 for column in range(3)] for row in range(5)]
        dots[1:6, 1 + 4 * place : 4 + 4 * place] = bits
    lit = dots.repeat(scale, axis=0).repeat(scale, axis=1)
    top, left = (height - lit.shape[0]) // 2, (width - lit.shape[1]) // 2
    panel = picture[top : top + lit.shape[0], left : left + lit.shape[1], :3]
    panel[...] = np.where(lit[..., None], 255, panel // 4)
