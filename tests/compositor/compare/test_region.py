from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor.compare import compare
from compositor.compare.region import compared
from compositor.errors import BadInput
from compositor.pixels.screenshot import save_png
from tests.compositor.compare.pngs import GREY, made, picture

SIZE = (8, 4)


def painted(path: Path, part: tuple[slice, slice], size: tuple[int, int] = SIZE) -> Path:
    """A PNG that is white in a part, else black."""
    pixels = np.zeros((*size[::-1], 4), np.uint8)
    pixels[..., 3] = 255
    pixels[part] = 255
    save_png(path, pixels)
    return path


def test_a_region_is_a_rectangle_an_array_a_file_or_many_of_them(tmp_path: Path) -> None:
    array = np.zeros((4, 8), np.bool_)
    array[1:3, 2:5] = True
    file = painted(tmp_path / "mask.png", (slice(1, 3), slice(2, 5)))
    many = [(2, 1, 1, 2), (3, 1, 2, 2), file]
    regions: list[Any] = [(2, 1, 3, 2), [(2, 1, 3, 2)], array, file, str(file), many]
    for region in regions:
        mask = compared(SIZE, region, None)
        clip = compared(SIZE, None, region)
        assert clip is not None
        np.testing.assert_array_equal(clip, array)
        np.testing.assert_array_equal(mask, ~array)
    assert array.sum() == 6  # the caller's own is not written to


def test_numpys_numbers_make_a_rectangle() -> None:
    one, other = compared(SIZE, None, np.array([2, 1, 3, 2])), compared(SIZE, None, (2, 1, 3, 2))
    np.testing.assert_array_equal(one, other)


def test_a_transparent_and_a_grey_file_of_two_colours_are_masks(tmp_path: Path) -> None:
    save_png(tmp_path / "clear.png", np.zeros((4, 8, 4), np.uint8))
    clear = compared(SIZE, tmp_path / "clear.png", None)
    assert clear is not None
    assert clear.all()
    (tmp_path / "grey.png").write_bytes(made(np.arange(32).reshape(4, 8, 1) % 2, 1, GREY))
    grey = compared(SIZE, tmp_path / "grey.png", None)
    assert grey is not None
    assert grey[0].tolist() == [True, False] * 4


def test_a_rectangle_may_reach_beyond_the_picture() -> None:
    clip = compared(SIZE, None, (-2, -2, 4, 4))
    assert clip is not None
    assert np.argwhere(clip).tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("region", "message"),
    [
        ((8, 0, 1, 1), r"mask \(8, 0, 1, 1\) has no pixel of a picture of 8x4"),
        ((-3, 0, 3, 3), r"mask \(-3, 0, 3, 3\) has no pixel"),
        ((0, 0, 0, 4), r"mask \(0, 0, 0, 4\) has no pixel"),
        ((5, 3, -2, 1), r"mask \(5, 3, -2, 1\) has no pixel"),
        ((1, 2, 3), r"mask \(1, 2, 3\): give \(x, y, width, height\)"),
        ([(1, 2, 3, 4, 5)], r"mask \(1, 2, 3, 4, 5\): give"),
        ([(1, 2, 3.5, 4)], r"mask \(1, 2, 3.5, 4\): give"),
        (7, "mask 7: give"),
        ([None], "mask None: give"),
        (np.zeros((8, 4), np.bool_), "mask array has 4x8 pixels, the picture 8x4"),
        ("nosuch.png", r"cannot read nosuch\.png: No such file or directory"),
        ((0, 0, 8, 4), "leave nothing to compare"),
    ],
)
def test_what_is_no_region_of_the_picture_is_refused(region: Any, message: str) -> None:
    same = picture(*SIZE)
    with pytest.raises(BadInput, match=message):
        compare(same, same.copy(), mask=region)


def test_a_mask_of_another_size_or_with_greys_is_refused(tmp_path: Path) -> None:
    small = painted(tmp_path / "small.png", (slice(1), slice(1)), (4, 4))
    with pytest.raises(BadInput, match=r"mask .*small\.png has 4x4 pixels, the picture 8x4"):
        compare(picture(*SIZE), picture(*SIZE), mask=small)
    grey = np.zeros((4, 8, 4), np.uint8)
    grey[..., 3] = 255
    grey[2, 5] = (128, 128, 128, 255)
    save_png(tmp_path / "grey.png", grey)
    with pytest.raises(BadInput, match=r"clip .*grey\.png: pixel \(5, 2\) is neither white \(what the clip"):
        compare(picture(*SIZE), picture(*SIZE), clip=tmp_path / "grey.png")


def test_a_clip_of_pictures_of_two_sizes_counts_its_own_pixels() -> None:
    first = picture(8, 4)
    second = first[:, :6].copy()
    second[0, 0] ^= 1
    assert compare(first, second, clip=(0, 0, 8, 1)).count == 3
    assert compare(first, second, clip=(0, 0, 8, 1)).compared == 8
    assert compare(second, first, clip=(0, 0, 6, 1)).compared == 6
