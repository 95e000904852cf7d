"""Cursor pictures."""

from __future__ import annotations

import numpy as np
import pytest

from virtio.gpu.cursor import to_b8g8r8a8
from virtio.gpu.formats import Format


@pytest.mark.parametrize("pixel_format", Format, ids=lambda known: known.name)
def test_every_format_becomes_b8g8r8a8(pixel_format: Format) -> None:
    stored = {"B": 10, "G": 20, "R": 30, "A": 40, "X": 99}
    pixels = np.array([[[stored[component] for component in pixel_format.name[::2]]]], np.uint8)
    pixels.flags.writeable = False
    alpha = 40 if pixel_format.has_alpha else 255
    converted = to_b8g8r8a8(pixels, pixel_format)
    assert converted.tolist() == [[[10, 20, 30, alpha]]]
    assert not np.shares_memory(converted, pixels)


def test_the_picture_lies_in_memory_row_after_row() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    assert to_b8g8r8a8(pixels, Format.B8G8R8A8).strides == (256, 4, 1)
