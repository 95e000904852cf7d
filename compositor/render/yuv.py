"""From Y'CbCr to R'G'B', by the definitions of ITU-R BT.601-7, BT.709-6 and BT.2020-2.

A standard gives the weights of red and blue in luma, Kr and Kb; the rest follows:

    R = Y + 2 (1 - Kr) Cr,  B = Y + 2 (1 - Kb) Cb,  G = (Y - Kr R - Kb B) / (1 - Kr - Kb)

In 8 bits of limited range Y is 16 to 235 and Cb and Cr are 16 to 240, in full range all are 0 to 255; the
middle of Cb and Cr is 128. The matrix is rounded to 2^-20, the result to nearest, then clamped to 0 to 255:
equal to the exact value, rounded, but for at most one in 500 of all inputs, which lie next to a half.

Each Cb and Cr serves its two (YUYV) or four (NV12) pixels as it is.
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import NamedTuple

from compositor.pixels.plane_state import ColorEncoding, ColorRange

FRACTION_BITS = 20

_WEIGHTS = {  # Kr, Kb
    ColorEncoding.BT601: (Fraction("0.299"), Fraction("0.114")),
    ColorEncoding.BT709: (Fraction("0.2126"), Fraction("0.0722")),
    ColorEncoding.BT2020: (Fraction("0.2627"), Fraction("0.0593")),
}


class Matrix(NamedTuple):
    """A conversion in integers; the factors have 20 bits of fraction.

    R = (luma (Y - black) + red_cr (Cr - 128) + half) >> 20, and so on.
    """

    black: int
    luma: int
    red_cr: int
    green_cb: int
    green_cr: int
    blue_cb: int


@cache
def matrix(encoding: ColorEncoding, color_range: ColorRange) -> Matrix:
    """The conversion of a plane's colour encoding and range."""
    red, blue = _WEIGHTS[encoding]
    green = 1 - red - blue
    limited = color_range is ColorRange.LIMITED
    luma, chroma = (Fraction(255, 219), Fraction(255, 224)) if limited else (Fraction(1), Fraction(1))
    factors = (
        luma,
        chroma * 2 * (1 - red),
        chroma * -2 * blue * (1 - blue) / green,
        chroma * -2 * red * (1 - red) / green,
        chroma * 2 * (1 - blue),
    )
    return Matrix(16 if limited else 0, *(round(factor * (1 << FRACTION_BITS)) for factor in factors))
