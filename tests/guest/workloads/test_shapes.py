import numpy as np
import pytest

from guest.workloads.font import font
from guest.workloads.shapes import Box, Canvas, gradient, smooth


def test_a_canvas_is_transparent_at_first() -> None:
    assert not Canvas(4, 3).rounded().any()


def test_a_box_covers_its_pixels_and_half_of_those_it_halves() -> None:
    canvas = Canvas(6, 4)
    canvas.box(Box(1, 1, 2.5, 2), (255, 0, 0))
    picture = canvas.rounded()
    assert picture[1, 1].tolist() == [0, 0, 255, 255]
    assert picture[1, 3].tolist() == [0, 0, 128, 128]
    assert not picture[0].any()
    assert not picture[1, 4].any()


def test_paint_is_laid_over_what_is_there() -> None:
    canvas = Canvas(2, 2)
    canvas.fill(np.array((255.0, 255.0, 255.0)))
    canvas.paint(np.ones((2, 2)), (0, 0, 0), 0.5)
    assert canvas.rounded()[0, 0].tolist() == [128, 128, 128, 255]


@pytest.mark.parametrize("box", [Box(-9, -9, 4, 4), Box(50, 2, 4, 4), Box(-2, -2, 40, 40)])
def test_what_lies_outside_is_cut_off(box: Box) -> None:
    canvas = Canvas(8, 8)
    canvas.box(box, (9, 9, 9), corner=1)
    canvas.shadow(box, corner=1, blur=3, alpha=0.5)
    canvas.rim(box, corner=1, alpha=0.5)
    canvas.disc(box.left, box.top, 3, (9, 9, 9))
    canvas.text(6, 6, "abc", font(8), (9, 9, 9))
    assert canvas.rounded().shape == (8, 8, 4)


def test_a_disc_is_round() -> None:
    canvas = Canvas(21, 21)
    canvas.disc(10.5, 10.5, 8, (255, 255, 255))
    assert canvas.alpha.sum() == pytest.approx(np.pi * 64, rel=0.01)


def test_gradients_pass_through_their_stops() -> None:
    colours = gradient(np.array([0.0, 0.5, 1.0, 2.0]), [(0, 0, 0), (10, 20, 30), (40, 40, 40)])
    assert colours.tolist() == [[0, 0, 0], [10, 20, 30], [40, 40, 40], [40, 40, 40]]


def test_smooth_steps_from_nothing_to_one() -> None:
    assert smooth(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])).tolist() == [0, 0, 0.5, 1, 1]
