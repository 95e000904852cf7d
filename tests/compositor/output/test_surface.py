import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.output.presentation import NO_FLAGS, Discarded, Feedback, Presented
from compositor.output.surface import Buffer, Surface
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect


def buffer(width: int = 8, height: int = 4, pixel_format: PixelFormat = PixelFormat.XRGB8888) -> Buffer:
    return Buffer(np.zeros((height, width, 4), np.uint8), pixel_format)


class Watched(Surface):
    """A surface as in a scene, whose damage is kept."""

    def __init__(self, x: int = 0, y: int = 0) -> None:
        super().__init__("watched", on_feedback=self._hear, x=x, y=y)
        self.heard: list[Feedback] = []
        self.damage: list[Rect] = []
        self.on_changed = lambda rects: self.damage.extend(rect for rect in rects if not rect.empty)

    def _hear(self, feedback: Feedback) -> None:
        self.heard.append(feedback)

    def new_damage(self) -> list[Rect]:
        damage, self.damage = self.damage, []
        return damage


def test_a_surface_is_as_large_as_its_buffer() -> None:
    surface = Watched(x=10, y=20)
    assert surface.bounds.empty
    surface.submit(buffer())
    assert surface.bounds == Rect(10, 20, 8, 4)
    assert surface.position == (10, 20)


def test_the_first_buffer_is_new_everywhere() -> None:
    surface = Watched(x=10, y=20)
    surface.submit(buffer(), Rect(1, 1, 1, 1))
    assert surface.new_damage() == [Rect(10, 20, 8, 4)]


def test_damage_is_relative_to_the_buffer_and_clipped_to_it() -> None:
    surface = Watched(x=10, y=20)
    surface.submit(buffer())
    surface.new_damage()
    surface.submit(buffer(), Rect(6, 1, 100, 2))
    assert surface.new_damage() == [Rect(16, 21, 2, 2)]
    surface.submit(buffer())
    assert surface.new_damage() == [Rect(10, 20, 8, 4)]


@pytest.mark.parametrize(
    ("other", "hotspot", "after"),
    [
        (buffer(3, 9), (0, 0), Rect(10, 20, 3, 9)),
        (buffer(pixel_format=PixelFormat.ARGB8888), (0, 0), Rect(10, 20, 8, 4)),
        (buffer(), (2, 1), Rect(8, 19, 8, 4)),
    ],
)
def test_another_size_format_or_hotspot_changes_everything(
    other: Buffer, hotspot: tuple[int, int], after: Rect
) -> None:
    surface = Watched(x=10, y=20)
    surface.submit(buffer())
    surface.new_damage()
    surface.submit(other, Rect(0, 0, 1, 1), hotspot=hotspot)
    assert surface.new_damage() == [Rect(10, 20, 8, 4), after]


def test_moving_uncovers_the_old_place_and_covers_the_new() -> None:
    surface = Watched()
    surface.submit(buffer())
    surface.new_damage()
    surface.move(-3, 5)
    assert surface.new_damage() == [Rect(0, 0, 8, 4), Rect(-3, 5, 8, 4)]
    surface.move(-3, 5)
    assert surface.new_damage() == []


def test_hiding_and_showing_change_what_it_covers() -> None:
    surface = Watched()
    surface.submit(buffer())
    for change in (surface.hide, surface.show):
        surface.new_damage()
        change()
        change()
        assert surface.new_damage() == [Rect(0, 0, 8, 4)]
    surface.hide()
    surface.new_damage()
    surface.move(5, 5)
    assert surface.new_damage() == []


def test_a_submission_is_presented_once() -> None:
    surface = Watched()
    surface.submit(buffer())
    assert surface.pending
    taken = surface.take()
    assert taken is not None
    assert not surface.take()
    assert (surface.submitted, surface.presented, surface.discarded) == (1, 0, 0)
    shown = Presented(taken.commit, 5, 0, 0, NO_FLAGS, 3)
    taken.answered(shown)
    assert surface.heard == [shown]
    assert (surface.submitted, surface.presented, surface.discarded) == (1, 1, 0)


def test_a_submission_that_is_replaced_was_discarded() -> None:
    surface = Watched()
    surface.submit(buffer())
    surface.submit(buffer())
    assert surface.heard == [Discarded(1)]
    assert (surface.submitted, surface.presented, surface.discarded) == (2, 0, 1)
    assert surface.take()


def test_showing_nothing_discards_and_is_no_submission() -> None:
    surface = Watched()
    surface.submit(buffer())
    surface.new_damage()
    surface.submit(None)
    assert surface.new_damage() == [Rect(0, 0, 8, 4)]
    assert not surface.take()
    assert (surface.submitted, surface.discarded) == (1, 1)
    assert surface.bounds == EMPTY


def test_hiding_discards_and_keeps_the_buffer() -> None:
    surface = Watched()
    surface.submit(buffer())
    surface.hide()
    assert (surface.discarded, surface.pending) == (1, False)
    assert surface.buffer is not None


def test_what_nobody_can_see_is_discarded_at_once() -> None:
    hidden, alone = Watched(), Surface("in no scene")
    hidden.hide()
    for surface in (hidden, alone):
        surface.submit(buffer())
        assert (surface.submitted, surface.discarded, surface.pending) == (1, 1, False)
    assert hidden.heard == [Discarded(1)]
    alone.hide()
    alone.show()


def test_a_surface_is_in_its_new_state_when_the_change_is_announced() -> None:
    """The repaint may happen within the announcement."""
    surface = Watched()
    surface.submit(buffer())
    seen: list[tuple[bool, Rect]] = []
    surface.on_changed = lambda _: seen.append((surface.visible, surface.bounds))
    surface.move(2, 2)
    surface.hide()
    surface.show()
    surface.submit(buffer(1, 1))
    visible = Rect(2, 2, 8, 4)
    assert seen == [(True, visible), (False, visible), (True, visible), (True, Rect(2, 2, 1, 1))]


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
