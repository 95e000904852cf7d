from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.output.plane import Plane, PlaneBudget, PlaneKind
from compositor.output.plane_assignment import Assignment, Why, Wish, assign
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect

SCREEN = Rect(0, 0, 100, 80)
OPAQUE, ALPHA = PixelFormat.XRGB8888, PixelFormat.ARGB8888
FULL = Wish(SCREEN, OPAQUE, opaque=True, cursor=False)
CURSOR = Wish(Rect(50, 40, 10, 10), ALPHA, opaque=False, cursor=True)


def window(x: int, y: int, width: int, height: int, *, opaque: bool = True) -> Wish:
    return Wish(Rect(x, y, width, height), OPAQUE if opaque else ALPHA, opaque, cursor=False)


def outcome(assignment: Assignment) -> list[tuple[str | None, Why]]:
    return [(grant.plane.name if grant.plane else None, grant.why) for grant in assignment.grants]


def given_to(*wishes: Wish, overlays: int = 0, black: bool = True, direct: bool = True) -> Assignment:
    return assign(PlaneBudget.of_counts(overlays, cursor=64), wishes, SCREEN, black=black, direct=direct)


def test_without_layers_there_is_nothing_to_give() -> None:
    assert given_to() == Assignment((), None)


def test_what_fills_the_screen_is_scanned_out_and_the_cursor_above_it() -> None:
    result = given_to(window(0, 0, 5, 5), FULL, CURSOR)
    assert outcome(result) == [
        (None, Why.HIDDEN), ("primary", Why.FILLS), ("cursor", Why.IS_CURSOR),
    ]  # fmt: skip
    assert result.direct == 1


def test_a_window_over_it_needs_an_overlay_or_everything_is_composed() -> None:
    small = window(10, 10, 20, 20)
    assert outcome(given_to(FULL, small)) == [(None, Why.BELOW), (None, Why.SMALLER)]
    both = given_to(FULL, small, overlays=1)
    assert outcome(both) == [("primary", Why.FILLS), ("overlay-0", Why.SAVES)]
    assert both.direct == 0


def test_overlays_go_to_those_that_save_most() -> None:
    wishes = [window(0, 0, 10, 10), window(20, 0, 30, 30), window(60, 0, 20, 20)]
    names = [name for name, _ in outcome(given_to(*wishes, overlays=2))]
    assert names == [None, "overlay-0", "overlay-1"]


def test_a_layer_under_a_composed_one_is_composed_too() -> None:
    below, above = window(0, 0, 50, 50), window(40, 40, 10, 10)._replace(scale=None)
    result = given_to(below, above, overlays=2)
    assert outcome(result) == [(None, Why.BELOW), (None, Why.SHAPE)]


def test_a_layer_may_be_freed_by_the_one_above_it() -> None:
    """The larger one cannot come first."""
    names = outcome(given_to(window(0, 0, 50, 50), window(40, 40, 10, 10), overlays=2))
    assert names == [("overlay-1", Why.SAVES), ("overlay-0", Why.SAVES)]


def test_planes_that_cannot_be_stacked_are_not_given() -> None:
    base = PlaneBudget.of_counts(2).planes
    low, high = replace(base[1], zpos=(1, 1)), replace(base[2], zpos=(1, 1))
    budget, large = PlaneBudget((base[0], low, high)), window(0, 0, 50, 50)
    result = assign(budget, [large, window(40, 0, 20, 20)], SCREEN, black=True)
    assert [name for name, _ in outcome(result)] == [None, "overlay-0"]
    beside = assign(budget, [large, window(60, 0, 20, 20)], SCREEN, black=True)
    assert [name for name, _ in outcome(beside)] == ["overlay-0", "overlay-1"]


def test_with_alpha_only_the_lowest_on_black_is_scanned_out() -> None:
    translucent = FULL._replace(format=ALPHA, opaque=False)
    assert given_to(translucent).direct == 0
    assert outcome(given_to(translucent, black=False)) == [(None, Why.MIXED)]
    assert given_to(window(0, 0, 9, 9), translucent).direct is None


def test_direct_scanout_can_be_switched_off() -> None:
    assert outcome(given_to(FULL, CURSOR, overlays=2, direct=False)) == [
        (None, Why.FORBIDDEN), ("cursor", Why.IS_CURSOR),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("wish", "why"),
    [
        (CURSOR._replace(bounds=Rect(0, 0, 65, 10)), Why.SIZE),
        (CURSOR._replace(format=PixelFormat.BGRA8888), Why.FORMAT),
        (CURSOR._replace(scale=(2.0, 2.0)), Why.SHAPE),
        (window(0, 0, 5, 5), Why.SMALLER),
        (window(-5, -5, 200, 200), Why.SMALLER),
        (FULL._replace(format=None), Why.FORMAT),
        (FULL._replace(scale=(0.5, 1.0)), Why.SHAPE),
    ],
)
def test_why_a_layer_is_composed_is_said(wish: Wish, why: Why) -> None:
    assert outcome(given_to(wish)) == [(None, why)]


def test_there_is_one_cursor_plane_for_the_topmost_cursor() -> None:
    assert outcome(given_to(CURSOR, CURSOR)) == [(None, Why.NO_CURSOR), ("cursor", Why.IS_CURSOR)]
    without = assign(PlaneBudget.of_counts(1, cursor=None), [FULL, CURSOR], SCREEN, black=True)
    assert outcome(without) == [("primary", Why.FILLS), ("overlay-0", Why.IS_CURSOR)]


def test_an_overlay_that_scales_takes_what_is_scaled() -> None:
    scaler = Plane("scaler", PlaneKind.OVERLAY, zpos=(1, 4), scale=(0.5, 8.0))
    budget = PlaneBudget((PlaneBudget.of_counts().primary, scaler))
    for factor, name in ((2.0, "scaler"), (9.0, None), (0.4, None)):
        result = assign(budget, [window(0, 0, 9, 9)._replace(scale=(factor, 1.0))], SCREEN, black=True)
        assert outcome(result)[0][0] == name


rects = st.builds(Rect, st.integers(-20, 90), st.integers(-20, 70), st.integers(30, 60), st.integers(30, 60))
wishes = st.lists(
    st.one_of(
        st.builds(
            Wish,
            rects,
            st.sampled_from([OPAQUE, ALPHA, None]),
            st.booleans(),
            st.just(False),
            st.sampled_from([(1.0, 1.0), None]),
        ),
        st.just(FULL),
        st.just(CURSOR),
    ),
    max_size=8,
)


@given(wishes, st.integers(0, 4), st.booleans(), st.booleans())
def test_no_plane_is_given_twice_nor_lies_under_what_is_composed(
    layers: list[Wish], overlays: int, black: bool, direct: bool
) -> None:
    result = given_to(*layers, overlays=overlays, black=black, direct=direct)
    assert len(result.grants) == len(layers)
    names = [name for name, _ in outcome(result) if name is not None]
    assert len(set(names)) == len(names)
    assert (result.direct is not None) == ("primary" in names)
    for index, (name, why) in enumerate(outcome(result)):
        over = [i for i in range(index + 1, len(layers)) if result.grants[i].plane is None]
        if name is not None:
            assert not any(not layers[i].bounds.intersect(layers[index].bounds).empty for i in over)
            assert layers[index].format is not None
        if why is Why.HIDDEN:
            cover = [w for w in layers[index + 1 :] if w.opaque and w.bounds.contains(SCREEN)]
            assert cover or result.direct is not None
