import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.pixels.geometry import EMPTY, Rect
from compositor.pixels.region import LIMIT, Region

SIZE = 32
positions, lengths = st.integers(0, SIZE - 1), st.integers(-1, SIZE)
rects = st.builds(Rect, positions, positions, lengths, lengths)
rect_lists = st.lists(rects, max_size=12)


def mask(*rects: Rect) -> NDArray[np.int64]:
    """How often each pixel is covered."""
    count = np.zeros((3 * SIZE, 3 * SIZE), np.int64)
    for rect in rects:
        if not rect.empty:
            count[rect.y : rect.bottom, rect.x : rect.right] += 1
    return count


@given(rect_lists)
def test_covers_exactly_what_was_added_while_it_is_small(added: list[Rect]) -> None:
    region = Region(added, limit=1000)
    assert (mask(*region) == (mask(*added) > 0)).all()
    assert region.area == (mask(*added) > 0).sum()


@given(rect_lists, st.integers(1, 6))
def test_past_its_limit_it_covers_more_but_stays_disjoint_and_inside_the_extents(
    added: list[Rect], limit: int
) -> None:
    region = Region(added, limit=limit)
    covered, wanted = mask(*region), mask(*added) > 0
    extents = mask(Region(added, limit=1000).bounds)
    assert len(region) <= limit
    assert covered.max() <= 1
    assert (covered >= wanted).all()
    assert (covered <= extents).all()


@given(rect_lists)
def test_bounds_are_the_extents(added: list[Rect]) -> None:
    bounds = Region(added).bounds
    rows, columns = np.nonzero(mask(*added))
    if rows.size:
        expected = Rect(
            int(columns.min()),
            int(rows.min()),
            int(columns.max() - columns.min()) + 1,
            int(rows.max() - rows.min()) + 1,
        )
        assert bounds == expected
    else:
        assert bounds == EMPTY


@given(rect_lists, rects)
def test_clip_keeps_what_is_inside(added: list[Rect], bounds: Rect) -> None:
    clipped = Region(added, limit=1000).clip(bounds)
    assert (mask(*clipped) == ((mask(*added) > 0) & (mask(bounds) > 0))).all()
    assert not any(rect.empty for rect in clipped)


@given(rect_lists, st.integers(0, SIZE), st.integers(0, SIZE))
def test_translate_moves_every_rectangle(added: list[Rect], dx: int, dy: int) -> None:
    region = Region(added)
    assert list(region.translate(dx, dy)) == [rect.translate(dx, dy) for rect in region]


def test_text_lines_that_adjoin_become_one_rectangle() -> None:
    assert list(Region(Rect(0, 16 * line, 640, 16) for line in (0, 2, 1, 3))) == [Rect(0, 0, 640, 64)]


def test_a_rectangle_that_covers_all_others_replaces_them() -> None:
    region = Region([Rect(1, 1, 2, 2), Rect(8, 8, 2, 2)])
    region.add(Rect(0, 0, 20, 20))
    assert list(region) == [Rect(0, 0, 20, 20)]


def test_single_pixels_all_over_the_place_become_their_extents() -> None:
    region = Region(Rect(3 * n, 5 * n, 1, 1) for n in range(LIMIT + 1))
    assert list(region) == [Rect(0, 0, 3 * LIMIT + 1, 5 * LIMIT + 1)]


def test_clear_covers_nothing() -> None:
    region = Region([Rect(0, 0, 2, 2)])
    region.clear()
    assert (len(region), region.area, region.bounds) == (0, 0, EMPTY)
    assert repr(region) == "Region([])"
