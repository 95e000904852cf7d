from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.submission import Discarded, Submission
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect
from compositor.pixels.plane_state import PlaneState, Rotation

AT = (10, 20)
COVERED = Rect(10, 20, 8, 4)


def buffer(
    width: int = 8,
    height: int = 4,
    pixel_format: PixelFormat = PixelFormat.XRGB8888,
    submission: Submission | None = None,
) -> Buffer:
    return Buffer(np.zeros((height, width, 4), np.uint8), pixel_format, submission=submission)


def submission(heard: list[Any], number: int = 1) -> Submission:
    return Submission("watched", number, lambda: heard.append(f"{number} latched"), heard.append)


def submit(layer: OutputLayer, made: Submission) -> None:
    layer.show(buffer(submission=made))
    made.handed_out()


def shown() -> OutputLayer:
    layer = OutputLayer("watched")
    layer.show(buffer(), position=AT)
    return layer


def changed(damage: tuple[Rect, ...]) -> list[Rect]:
    return [rect for rect in damage if not rect.empty]


def test_a_layer_is_as_large_as_its_buffer() -> None:
    layer = OutputLayer("watched")
    assert layer.bounds.empty
    layer.show(buffer(), position=AT)
    assert layer.bounds == COVERED
    layer.show(buffer(), position=AT, plane=PlaneState(rotation=Rotation.ROTATE_90))
    assert layer.bounds == Rect(10, 20, 4, 8)


def test_the_first_buffer_is_new_everywhere() -> None:
    layer = OutputLayer("watched")
    assert changed(layer.show(None, position=AT)) == []
    assert changed(layer.show(buffer(), Rect(1, 1, 1, 1), AT)) == [COVERED]


def test_damage_is_relative_to_the_buffer_and_clipped_to_it() -> None:
    layer = shown()
    assert changed(layer.show(buffer(), Rect(6, 1, 100, 2), AT)) == [Rect(16, 21, 2, 2)]
    assert changed(layer.show(buffer(), position=AT)) == [COVERED]


@pytest.mark.parametrize(
    ("other", "position", "plane", "after"),
    [
        (buffer(3, 9), AT, PlaneState(), Rect(10, 20, 3, 9)),
        (buffer(pixel_format=PixelFormat.ARGB8888), AT, PlaneState(), COVERED),
        (buffer(), (8, 19), PlaneState(), Rect(8, 19, 8, 4)),
        (buffer(), AT, PlaneState(alpha=7), COVERED),
        (buffer(), AT, PlaneState(size=(16, 8)), Rect(10, 20, 16, 8)),
    ],
)
def test_another_size_format_place_or_plane_changes_everything(
    other: Buffer, position: tuple[int, int], plane: PlaneState, after: Rect
) -> None:
    layer = shown()
    assert changed(layer.show(other, Rect(0, 0, 1, 1), position, plane)) == [COVERED, after]
    assert (layer.buffer, layer.position, layer.plane) == (other, position, plane)


def test_an_equal_plane_is_the_same_plane() -> None:
    layer = OutputLayer("watched")
    layer.show(buffer(), position=AT, plane=PlaneState(alpha=7))
    assert changed(layer.show(buffer(), Rect(0, 0, 1, 1), AT, PlaneState(alpha=7))) == [Rect(10, 20, 1, 1)]


def test_moving_uncovers_the_old_place_and_covers_the_new() -> None:
    layer = shown()
    assert changed(layer.move((-3, 5))) == [COVERED, Rect(-3, 5, 8, 4)]


def test_showing_nothing_uncovers_what_it_covered() -> None:
    layer = shown()
    assert changed(layer.show(None)) == [COVERED]
    assert layer.bounds == EMPTY


# Submissions


def test_a_submission_waits_for_a_frame_and_is_taken_once() -> None:
    heard: list[object] = []
    layer, made = OutputLayer("watched"), submission(heard)
    submit(layer, made)
    assert layer.pending
    assert layer.take() is made
    assert not layer.pending
    assert heard == [], "its frame tells"


def test_a_submission_that_is_replaced_was_discarded() -> None:
    heard: list[object] = []
    layer, second = OutputLayer("watched"), submission(heard, 2)
    submit(layer, submission(heard))
    submit(layer, second)
    assert heard == [Discarded(1)]
    assert layer.take() is second


def test_showing_nothing_discards_and_is_no_submission() -> None:
    heard: list[object] = []
    layer = OutputLayer("watched")
    submit(layer, submission(heard))
    layer.show(None)
    assert heard == [Discarded(1)]
    assert not layer.pending


def test_a_buffer_without_a_submission_takes_the_place_of_one() -> None:
    heard: list[object] = []
    layer = OutputLayer("watched")
    submit(layer, submission(heard))
    layer.show(buffer())
    assert heard == [Discarded(1)]
    assert not layer.pending


def test_a_submission_is_given_up_once() -> None:
    heard: list[object] = []
    layer = OutputLayer("watched")
    submit(layer, submission(heard))
    layer.discard()
    layer.discard()
    assert heard == [Discarded(1)]
    assert layer.buffer is not None


def test_a_submission_stays_when_its_buffer_moves_or_another_window_onto_it_is_shown() -> None:
    heard: list[object] = []
    layer, made = OutputLayer("watched"), submission(heard)
    submit(layer, made)
    layer.move(AT)
    layer.show(layer.buffer, position=(1, 1), plane=PlaneState(alpha=7))
    layer.show(buffer(5, 2, submission=made), position=(1, 1))
    assert heard == []
    assert layer.take() is made
    layer.show(layer.buffer, position=(2, 2))
    assert not layer.pending, "it has had its frame"


def test_a_submission_that_is_decided_is_not_joined_any_more() -> None:
    """The layer is on an output that came later."""
    heard: list[object] = []
    layer, late, made = OutputLayer("watched"), OutputLayer("watched"), submission(heard)
    submit(layer, made)
    assert layer.take() is made
    made.latched()
    late.show(layer.buffer)
    assert not late.pending
    assert heard == ["1 latched"]


# All of it in one change


@pytest.mark.parametrize(
    ("plane", "message"),
    [
        (PlaneState(size=(20, 0)), "CRTC_H 0 is not in 1 to 32767"),
        (PlaneState(alpha=0x10000), "alpha 0x10000"),
        (PlaneState(rotation=Rotation(3)), "rotation 0x3"),
    ],
)
def test_a_plane_that_cannot_show_the_buffer_changes_nothing(plane: PlaneState, message: str) -> None:
    heard: list[object] = []
    layer, made = OutputLayer("watched"), submission(heard)
    first, second = buffer(submission=made), buffer(submission=submission(heard, 2))
    layer.show(first, position=AT)
    wish, read = layer.wish, layer.layer
    for refused in (second, first, buffer(3, 9)):
        with pytest.raises(BadInput, match=f'^surface "watched": {message}'):
            layer.show(refused, position=(1, 1), plane=plane)
    assert (layer.buffer, layer.position, layer.plane) == (first, AT, PlaneState())
    assert layer.wish is wish
    assert layer.layer is read
    assert heard == []
    assert layer.take() is made


def test_it_is_the_same_to_renderers_and_planes_until_it_looks_different() -> None:
    layer = shown()
    read, wish = layer.layer, layer.wish
    assert layer.layer is read
    assert layer.is_arranged
    layer.show(buffer(), Rect(0, 0, 1, 1), AT)
    assert layer.layer is not read
    assert layer.wish is wish
    layer.move((0, 0))
    assert not layer.is_arranged
    assert layer.wish.bounds == Rect(0, 0, 8, 4)


@pytest.mark.parametrize("cursor", [False, True])
def test_a_cursor_wants_the_cursor_plane(cursor: bool) -> None:
    layer = OutputLayer("watched", cursor=cursor)
    layer.show(buffer())
    assert layer.wish.cursor is cursor


# Buffers


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((4, 8, 3), np.uint8),
        np.zeros((4, 8), np.uint8),
        np.zeros((4, 8, 4), np.uint16),
        np.zeros((0, 8, 4), np.uint8),
        np.zeros((4, 0, 4), np.uint8),
        np.zeros((8, 4, 4), np.uint8).transpose(1, 0, 2),
        np.zeros((4, 8, 4), np.uint8)[:, :, ::-1],
        np.zeros((4, 8, 4), np.uint8)[::-1],
        np.ndarray((4, 8, 4), np.uint8, np.zeros(200, np.uint8), 0, (31, 4, 1)),
    ],
)
def test_a_buffer_of_another_shape_or_layout_is_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(BadInput, match=r"^a buffer"):
        Buffer(pixels, PixelFormat.XRGB8888)


def test_a_buffer_may_have_padded_rows() -> None:
    assert Buffer(np.zeros((4, 9, 4), np.uint8)[:, :8], PixelFormat.XRGB8888).size == (8, 4)
