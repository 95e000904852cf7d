from fractions import Fraction

import numpy as np
import pytest

from compositor.pixels.plane_state import ColorEncoding, ColorRange
from compositor.render.yuv import FRACTION_BITS, matrix


@pytest.mark.parametrize("encoding", ColorEncoding)
@pytest.mark.parametrize("color_range", ColorRange)
def test_the_matrix_fits_32_bits_with_every_input(encoding: ColorEncoding, color_range: ColorRange) -> None:
    black, luma, red_cr, green_cb, green_cr, blue_cb = matrix(encoding, color_range)
    largest = (255 - black) * luma + 128 * max(red_cr, blue_cb, -green_cb - green_cr) + (1 << 19)
    assert largest < 2**31


def test_the_factors_are_the_standards() -> None:
    one = 1 << FRACTION_BITS
    assert matrix(ColorEncoding.BT601, ColorRange.FULL)[1:3] == (one, round(Fraction("1.402") * one))
    assert matrix(ColorEncoding.BT709, ColorRange.FULL).blue_cb == round(Fraction("1.8556") * one)
    assert matrix(ColorEncoding.BT2020, ColorRange.LIMITED).luma == round(Fraction(255, 219) * one)


@pytest.mark.parametrize("encoding", ColorEncoding)
def test_red_is_the_exact_value_rounded_but_next_to_halves(encoding: ColorEncoding) -> None:
    factors = matrix(encoding, ColorRange.LIMITED)
    weight = {"BT601": "0.299", "BT709": "0.2126", "BT2020": "0.2627"}[encoding.name]
    luma, cr = np.meshgrid(np.arange(256) - 16, np.arange(256) - 128)
    exact = Fraction(255, 224) * 2 * (1 - Fraction(weight))
    scale = 219 * exact.denominator
    doubled = 2 * (luma * 255 * exact.denominator + cr * exact.numerator * 219)
    rounded = (doubled + scale) // (2 * scale)
    ours = (luma * factors.luma + cr * factors.red_cr + (1 << 19)) >> FRACTION_BITS
    assert abs(ours - rounded).max() <= 1
    assert (ours != rounded).mean() <= 1 / 500
