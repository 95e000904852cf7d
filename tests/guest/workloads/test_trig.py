import math

import numpy as np
import pytest

from guest.workloads.trig import angle, cosine, sine, sine_table

TURNS = np.linspace(-3, 3, 10_001)


def test_sine_and_cosine_agree_with_the_c_library() -> None:
    assert np.abs(sine(TURNS) - np.sin(TURNS * 2 * np.pi)).max() < 1e-12
    assert np.abs(cosine(TURNS) - np.cos(TURNS * 2 * np.pi)).max() < 1e-12


def test_angle_agrees_with_the_c_library() -> None:
    y, x = np.mgrid[-20:21, -20:21] / 3.0
    expected = np.arctan2(y, x) / (2 * np.pi) % 1.0
    assert np.abs(angle(y, x) - expected).max() < 1e-12


@pytest.mark.parametrize(
    ("y", "x", "turns"), [(0, 1, 0), (1, 0, 0.25), (0, -1, 0.5), (-1, 0, 0.75), (0, 0, 0)]
)
def test_the_axes_are_exact(y: float, x: float, turns: float) -> None:
    assert angle(np.array([float(y)]), np.array([float(x)]))[0] == turns


@pytest.mark.parametrize(("size", "amplitude"), [(1024, 256), (4096, 16384)])
def test_no_table_entry_is_near_a_rounding_tie(size: int, amplitude: int) -> None:
    """So the tables would be the same with any sine that is good to nine digits."""
    exact = [amplitude * math.sin(2 * math.pi * i / size) for i in range(size)]
    assert all(abs(abs(value - math.floor(value)) - 0.5) > 1e-7 for value in exact)
    assert sine_table(size, amplitude).tolist() == [round(value) for value in exact]
