import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.pixels.geometry import EMPTY, Rect

SIZE = 12
coordinates, lengths = st.integers(0, SIZE), st.integers(-2, SIZE)
rects = st.builds(Rect, coordinates, coordinates, lengths, lengths)


def mask(rect: Rect) -> NDArray[np.bool_]:
    """The pixels that a rectangle covers, from the definition."""
    rows, columns = np.mgrid[: 2 * SIZE, : 2 * SIZE]
    covered: NDArray[np.bool_] = (
        (columns >= rect.x)
        & (columns < rect.x + rect.width)
        & (rows >= rect.y)
        & (rows < rect.y + rect.height)
    )
    return covered


@given(rects)
def test_area_and_emptiness_count_the_covered_pixels(rect: Rect) -> None:
    assert rect.area == mask(rect).sum()
    assert rect.empty == (rect.area == 0)


@given(rects, rects)
def test_intersection_covers_what_both_cover(a: Rect, b: Rect) -> None:
    both = a.intersect(b)
    assert (mask(both) == (mask(a) & mask(b))).all()
    assert both == EMPTY or not both.empty


@given(rects, rects)
def test_union_is_the_smallest_rectangle_around_both(a: Rect, b: Rect) -> None:
    union = a.union(b)
    assert (mask(union) >= (mask(a) | mask(b))).all()
    smaller = [
        Rect(union.x + 1, union.y, union.width - 1, union.height),
        Rect(union.x, union.y + 1, union.width, union.height - 1),
        Rect(union.x, union.y, union.width - 1, union.height),
        Rect(union.x, union.y, union.width, union.height - 1),
    ]
    if not union.empty:
        assert not any((mask(rect) >= (mask(a) | mask(b))).all() for rect in smaller)


@given(rects, rects)
def test_contains_compares_the_covered_pixels(a: Rect, b: Rect) -> None:
    assert a.contains(b) == bool((mask(a) >= mask(b)).all())


@given(rects, rects)
def test_subtract_leaves_disjoint_pieces_that_cover_the_rest(a: Rect, b: Rect) -> None:
    pieces = a.subtract(b)
    covered = sum((mask(piece).astype(int) for piece in pieces), np.zeros((2 * SIZE, 2 * SIZE), int))
    assert len(pieces) <= 4
    assert not any(piece.empty for piece in pieces)
    assert (covered == (mask(a) & ~mask(b))).all()


@given(rects, st.integers(0, SIZE), st.integers(0, SIZE))
def test_translate_moves_every_pixel(rect: Rect, dx: int, dy: int) -> None:
    moved = rect.translate(dx, dy)
    assert (moved.x, moved.y, moved.width, moved.height) == (
        rect.x + dx,
        rect.y + dy,
        rect.width,
        rect.height,
    )
