import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.pixels.geometry import EMPTY, Rect
from compositor.screen.window.shell import fit

sizes = st.tuples(st.integers(1, 9000), st.integers(1, 9000))


@pytest.mark.parametrize(
    ("picture", "window", "place"),
    [
        ((640, 480), (640, 480), Rect(0, 0, 640, 480)),
        ((640, 480), (700, 500), Rect(30, 10, 640, 480)),
        ((640, 480), (1279, 2000), Rect(319, 760, 640, 480)),
        ((640, 480), (1300, 1000), Rect(10, 20, 1280, 960)),
        ((640, 480), (320, 480), Rect(0, 120, 320, 240)),
        ((640, 480), (640, 240), Rect(160, 0, 320, 240)),
        ((8192, 16), (100, 100), Rect(0, 49, 100, 1)),
        ((16, 8192), (100, 100), Rect(49, 0, 1, 100)),
        ((640, 480), (0, 480), EMPTY),
        ((640, 480), (640, 0), EMPTY),
    ],
)
def test_a_picture_is_centred_enlarged_by_whole_numbers_and_reduced_as_needed(
    picture: tuple[int, int], window: tuple[int, int], place: Rect
) -> None:
    assert fit(picture, window) == place


@given(sizes, sizes)
def test_a_picture_never_leaves_the_window_and_fills_it_one_way_or_is_enlarged_in_whole_pixels(
    picture: tuple[int, int], window: tuple[int, int]
) -> None:
    place = fit(picture, window)
    assert Rect(0, 0, *window).contains(place)
    assert not place.empty
    if place.width >= picture[0] and place.height >= picture[1]:
        assert place.width % picture[0] == 0
        assert place.width // picture[0] == place.height // picture[1]
    else:
        assert place.width == window[0] or place.height == window[1]
