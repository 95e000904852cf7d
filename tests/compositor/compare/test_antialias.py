"""pixelmatch's rule against the rule written out, a pixel at a time."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.compare import compare
from compositor.compare.antialias import _Y

Pixels = NDArray[np.uint8]


def luma(pixel: Any) -> float:
    red, green, blue, alpha = (float(value) for value in pixel)
    if alpha < 255:
        red, green, blue = (255 + (value - 255) * (alpha / 255) for value in (red, green, blue))
    return red * _Y[0] + green * _Y[1] + blue * _Y[2]


def around(picture: Pixels, row: int, column: int) -> tuple[list[tuple[int, int]], int]:
    """A pixel's neighbours, column by column, and 1 at the edge of the picture, else 0."""
    height, width = picture.shape[:2]
    all_nine = [(r, c) for c in range(column - 1, column + 2) for r in range(row - 1, row + 2)]
    inside = [(r, c) for r, c in all_nine if 0 <= r < height and 0 <= c < width]
    return [at for at in inside if at != (row, column)], int(len(inside) < 9)


def many_siblings(picture: Pixels, row: int, column: int) -> bool:
    near, edge = around(picture, row, column)
    return edge + sum(bool((picture[at] == picture[row, column]).all()) for at in near) > 2


def antialiased(picture: Pixels, other: Pixels, row: int, column: int) -> bool:
    near, equal = around(picture, row, column)
    least = most = 0.0
    darkest = brightest = (row, column)
    for at in near:
        same = (picture[at] == picture[row, column]).all()
        apart = 0.0 if same else luma(picture[row, column]) - luma(picture[at])
        if apart == 0:
            equal += 1
        elif apart < least:
            least, darkest = apart, at
        elif apart > most:
            most, brightest = apart, at
    if equal > 2 or least == 0 or most == 0:
        return False
    return any(many_siblings(picture, *at) and many_siblings(other, *at) for at in (darkest, brightest))


@settings(deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 9), st.integers(3, 9), st.sampled_from([(255,), (0, 128, 255)]))
def test_edges_are_found_by_the_rule(seed: int, width: int, height: int, alphas: tuple[int, ...]) -> None:
    random = np.random.default_rng(seed)
    first = np.repeat(random.choice([0, 0, 0, 90, 200, 255], (height, width, 1)), 4, axis=2).astype(np.uint8)
    first[..., 3] = random.choice(alphas, (height, width))
    second = first.copy()
    change = random.random((height, width)) < 0.3
    second[change, :3] = random.choice([0, 40, 160, 255], (int(change.sum()), 1))
    differing = np.argwhere((first != second).any(axis=2)).tolist()
    left = [
        at for at in differing if not (antialiased(first, second, *at) or antialiased(second, first, *at))
    ]
    found = compare(first, second, tolerance="antialiasing")
    assert (found.count, found.forgiven) == (len(left), len(differing) - len(left))
    if left:
        assert found.bounds.x == min(column for _, column in left)


def edge(shade: int) -> Pixels:
    """Black above white, with a smoothed pixel where the edge steps up."""
    picture = np.full((20, 40, 4), 255, np.uint8)
    picture[:10, :20, :3] = 0
    picture[:11, 20:, :3] = 0
    picture[10, 20, :3] = shade
    return picture


def test_a_smoothed_edge_is_overlooked_and_a_changed_area_is_not() -> None:
    found = compare(edge(90), edge(150), tolerance="antialiasing")
    assert (found.equal, found.count, found.forgiven) == (True, 0, 1)
    assert not compare(edge(90), edge(150)).equal
    other = edge(150)
    other[2:6, 2:6, :3] = 40
    found = compare(edge(90), other, tolerance="antialiasing")
    assert (found.equal, found.count, found.forgiven) == (False, 16, 1)


def edges(seed: int) -> tuple[Pixels, Pixels]:
    """Two pictures of many small areas, some of their pixels changed."""
    random = np.random.default_rng(seed)
    first = np.repeat(random.choice([0, 0, 0, 90, 200, 255], (60, 60, 1)), 4, axis=2).astype(np.uint8)
    first[..., 3] = 255
    second = first.copy()
    second[random.random((60, 60)) < 0.3, :3] = 40
    return first, second


def test_many_differing_pixels_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = edges(3)
    whole = compare(first, second, tolerance="antialiasing")
    monkeypatch.setattr("compositor.compare.antialias._AT_ONCE", 7)
    parts = compare(first, second, tolerance="antialiasing")
    assert (whole.count, whole.forgiven) == (parts.count, parts.forgiven)
    assert whole.forgiven


def test_pixelmatch_itself_agrees() -> None:
    pixelmatch = pytest.importorskip("pixelmatch")
    for seed in range(5):
        first, second = edges(seed)
        lists = [picture.reshape(-1).tolist() for picture in (first, second)]
        count = pixelmatch.pixelmatch(*lists, 60, 60, threshold=0)
        assert compare(first, second, tolerance="antialiasing").count == count
