import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from compositor.errors import BadInput
from compositor.pixels import screenshot
from compositor.pixels.format import PixelFormat
from compositor.pixels.screenshot import encode_png, save_png, to_rgba

Picture = NDArray[np.uint8]


def picture(width: int, height: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


# Conversion


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_channels_come_in_the_order_r_g_b_a(pixel_format: PixelFormat) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    offsets = (pixel_format.red, pixel_format.green, pixel_format.blue, pixel_format.alpha)
    for value, offset in enumerate(offsets, 10):
        pixels[..., offset] = value
    alpha = 13 if pixel_format.has_alpha else 255
    assert (to_rgba(pixels, pixel_format) == (10, 11, 12, alpha)).all()
    assert (to_rgba(pixels, pixel_format, opaque=True) == (10, 11, 12, 255)).all()


def test_padded_rows_are_converted_into_a_copy() -> None:
    pixels = np.zeros((4, 9, 4), np.uint8)[:, :5]
    rgba = to_rgba(pixels, PixelFormat.ARGB8888)
    assert rgba.shape == (4, 5, 4)
    assert not np.shares_memory(rgba, pixels)


def test_equal_pictures_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png(tmp_path / name, picture(7, 5))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^cannot write .*missing/a\.png: No such file or directory$"):
        save_png(tmp_path / "missing" / "a.png", picture(2, 2))


def smooth(width: int, height: int) -> Picture:
    """A picture that the filters compress best."""
    x, y = np.arange(width, dtype=np.uint8), np.arange(height, dtype=np.uint8)[:, np.newaxis]
    return np.stack([x + 3 * y, 7 * x + y, x ^ y, np.broadcast_to(x, (height, width))], axis=2)


@given(st.integers(1, 70), st.integers(1, 70), st.booleans(), st.sampled_from([picture, smooth]))
def test_another_decoder_finds_the_pixels_that_were_encoded(
    width: int, height: int, opaque: bool, make: Callable[[int, int], Picture]
) -> None:
    rgba = make(width, height)
    if opaque:
        rgba[..., 3] = 255
    with Image.open(io.BytesIO(encode_png(rgba[::-1]))) as image:
        assert image.mode == ("RGB" if opaque else "RGBA")
        np.testing.assert_array_equal(np.asarray(image.convert("RGBA")), rgba[::-1])


@pytest.mark.parametrize(
    ("rgba", "kind"),
    [
        (np.tile(picture(16, 16), (4, 8, 1)), 0),
        (np.broadcast_to(np.arange(0, 200, 2, dtype=np.uint8)[:, np.newaxis], (60, 100, 4)), 1),
        (picture(99, 1) + np.arange(60, dtype=np.uint8)[:, np.newaxis, np.newaxis], 2),
    ],
)
def test_the_filter_that_compresses_best_is_chosen(rgba: Picture, kind: int) -> None:
    rows = np.ascontiguousarray(rgba).reshape(len(rgba), -1)
    assert screenshot._best_filter(rows, 4) == kind
