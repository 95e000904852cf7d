"""A plane's state is refused by the name of the property that is wrong."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import MAX_SCALE, ONE, BlendMode, Filter, PlaneState, Rotation, SourceRect

WIDTH, HEIGHT = 40, 20


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (PlaneState(alpha=-1), "alpha -0x1 is not in 0 to 0xffff"),
        (PlaneState(alpha=0x10000), "alpha 0x10000 is not in 0 to 0xffff"),
        (PlaneState(rotation=Rotation(0)), "rotation 0x0 is not one rotation"),
        (PlaneState(rotation=Rotation.ROTATE_0 | Rotation.ROTATE_90), "rotation 0x3 is not one"),
        (PlaneState(rotation=Rotation.REFLECT_X), "rotation 0x10 is not one"),
        (PlaneState(rotation=Rotation(0x41)), "rotation 0x41 is not one"),
        (PlaneState(source=SourceRect(-1, 0, ONE, ONE)), "SRC_X -1.52588e-05 is below 0"),
        (PlaneState(source=SourceRect(0, -ONE, ONE, ONE)), "SRC_Y -1 is below 0"),
        (PlaneState(source=SourceRect(0, 0, 0, ONE)), "SRC_W 0 is not above 0"),
        (PlaneState(source=SourceRect(0, 0, ONE, -ONE)), "SRC_H -1 is not above 0"),
        (PlaneState(source=SourceRect.of_pixels(30, 0, 10.5, 1)), "SRC_W: SRC_X 30 + SRC_W 10.5 is beyond"),
        (PlaneState(source=SourceRect.of_pixels(0, 0, 1, 21)), "SRC_H: SRC_Y 0 + SRC_H 21 is beyond the buf"),
        (PlaneState(size=(0, 5)), "CRTC_W 0 is not in 1 to 32767"),
        (PlaneState(size=(5, 32768)), "CRTC_H 32768 is not in 1 to 32767"),
        (PlaneState(size=(WIDTH * MAX_SCALE + 1, 20)), "CRTC_W 1281 scales 40 pixels by more than 32 times"),
        (PlaneState(source=SourceRect.of_pixels(0, 0, 1, 10), size=(40, 10)), "CRTC_W 40 scales 1 pixels"),
        (PlaneState(rotation=Rotation.ROTATE_90, size=(641, 40)), "CRTC_W 641 scales 20 pixels"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(state: PlaneState, message: str) -> None:
    with pytest.raises(BadInput, match="^" + message.replace("+", "\\+")):
        state.check(WIDTH, HEIGHT)


def test_a_buffer_too_large_for_16_16_positions_is_refused_unless_it_is_shown_as_it_is() -> None:
    PlaneState().check(40_000, 20)
    with pytest.raises(BadInput, match=r"^FB_ID: a buffer of width 40000 is beyond 32767"):
        PlaneState(alpha=5).check(40_000, 20)


@pytest.mark.parametrize(
    "state",
    [
        PlaneState(),
        PlaneState(alpha=0, blend_mode=BlendMode.NONE, scaling_filter=Filter.BOX),
        PlaneState(source=SourceRect(0, 0, WIDTH * ONE, HEIGHT * ONE)),
        PlaneState(source=SourceRect(WIDTH * ONE - 1, 0, 1, ONE), size=(1, 32), rotation=Rotation.ROTATE_0),
        PlaneState(size=(WIDTH * MAX_SCALE, 1)),
    ],
)
def test_the_limits_themselves_are_taken(state: PlaneState) -> None:
    if state.source is not None and state.source.width == 1:  # 1 / 65536 of a pixel, shown on a whole one
        with pytest.raises(BadInput, match="CRTC_W 1 scales"):
            state.check(WIDTH, HEIGHT)
    else:
        state.check(WIDTH, HEIGHT)


def test_a_plane_has_the_size_of_its_source_turned_and_rounded_up() -> None:
    assert PlaneState().size_of(40, 20) == (40, 20)
    assert PlaneState(rotation=Rotation.ROTATE_270).size_of(40, 20) == (20, 40)
    crop = SourceRect.of_pixels(1, 2, 10.25, 5)
    assert PlaneState(source=crop).size_of(40, 20) == (11, 5)
    assert PlaneState(source=crop, rotation=Rotation.ROTATE_90).size_of(40, 20) == (5, 11)
    assert PlaneState(source=crop, size=(3, 4), rotation=Rotation.ROTATE_90).size_of(40, 20) == (3, 4)


def test_a_source_touches_whole_pixels() -> None:
    assert SourceRect.of_pixels(1.5, 2, 1, 3).pixels == Rect(1, 2, 2, 3)
    assert SourceRect(0, 0, 1, ONE + 1).pixels == Rect(0, 0, 1, 2)


TURNS = [  # rot90 turns counter clockwise, as DRM does
    (Rotation.ROTATE_0, 0),
    (Rotation.ROTATE_90, 1),
    (Rotation.ROTATE_180, 2),
    (Rotation.ROTATE_270, 3),
]


@given(
    st.sampled_from(TURNS),
    st.booleans(),
    st.booleans(),
    st.tuples(st.integers(0, 7), st.integers(0, 5), st.integers(1, 4), st.integers(1, 4)),
)
def test_damage_follows_the_picture(
    turn: tuple[Rotation, int], flip_x: bool, flip_y: bool, part: tuple[int, int, int, int]
) -> None:
    rotation, quarters = turn
    damaged = Rect(*part).intersect(Rect(0, 0, 8, 6))
    marks = np.zeros((6, 8), bool)
    marks[damaged.y : damaged.bottom, damaged.x : damaged.right] = True
    marks = marks[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    state = PlaneState(
        rotation=rotation | Rotation.REFLECT_X * flip_x | Rotation.REFLECT_Y * flip_y,
    )
    shown = np.rot90(marks, quarters)
    covered = state.shown(damaged, 8, 6)
    inside = np.zeros_like(shown)
    inside[covered.y : covered.bottom, covered.x : covered.right] = True
    assert (inside | ~shown).all(), "everything that changed is covered"
    assert covered.width <= 4 + 4, "and not much more"
    assert covered.height <= 4 + 4


def test_damage_of_a_plane_that_shows_its_buffer_as_it_is_stays_as_it_is() -> None:
    assert PlaneState(alpha=7).shown(Rect(1, 2, 3, 4), 8, 6) == Rect(1, 2, 3, 4)


def test_a_plane_that_fades_or_turns_is_no_identity() -> None:
    assert PlaneState(scaling_filter=Filter.BOX).is_identity
    for change in (
        {"alpha": 0xFFFE},
        {"rotation": Rotation.ROTATE_180},
        {"size": (8, 8)},
        {"source": SourceRect(0, 0, ONE, ONE)},
        {"blend_mode": BlendMode.NONE},
    ):
        assert not replace(PlaneState(), **change).is_identity
