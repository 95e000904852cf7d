import numpy as np
from numpy.typing import NDArray

from compositor.compare import compare
from compositor.compare.painting import BEYOND, FORGIVEN, RING
from tests.compositor.compare.pngs import picture


def places(image: NDArray[np.uint8], colour: tuple[int, int, int, int]) -> NDArray[np.int64]:
    return np.argwhere((image == colour).all(axis=2))


def test_one_differing_pixel_of_a_large_picture_can_be_seen() -> None:
    first = picture(1920, 1080)
    for column, row in ((700, 500), (0, 0), (1919, 1079)):
        second = first.copy()
        second[row, column, 0] ^= 1
        image = compare(first, second).image
        assert places(image, BEYOND).tolist() == [[row, column]]
        ring = places(image, RING)
        # A page that is shown on a quarter of a screen has every fourth row and column of it.
        assert len(places(image[::4, ::4], RING)) >= 9
        assert abs(ring - (row, column)).max() < 40


def test_what_was_forgiven_and_what_was_left_out_is_shown_so() -> None:
    first = np.full((40, 40, 4), 200, np.uint8)
    second = first.copy()
    second[30, 30] = 100
    second[10, 10] = 201
    second[30, 5] = 100
    image = compare(first, second, tolerance=1, mask=(0, 20, 10, 20)).image
    assert places(image, BEYOND).tolist() == [[30, 30]]
    assert places(image, FORGIVEN).tolist() == [[10, 10]]
    compared, left_out = image[10, 30].astype(int), image[30, 5].astype(int)
    assert compared[0] == compared[2] > left_out[0]
    assert left_out[2] > left_out[0]
    assert compared[0] - left_out[0] > 20


def test_equal_pictures_have_no_marks() -> None:
    image = compare(picture(9, 9), picture(9, 9)).image
    assert (image[..., 0] == image[..., 2]).all()
    assert image[..., 0].min() > 100
    assert (image[..., 3] == 255).all()
