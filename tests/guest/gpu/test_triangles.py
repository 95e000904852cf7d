from __future__ import annotations

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from guest.gpu.triangles import blend, covered, draw, vertices

SIZE = 24
WHITE = 0xFFFF_FFFF
NONE = np.zeros((0, 0), np.uint32)
point = st.tuples(st.integers(-100, 16 * SIZE + 100), st.integers(-100, 16 * SIZE + 100))


def corners(*points: tuple[int, int], colour: int = 0x0101_0101) -> NDArray[np.int32]:
    return np.frombuffer(vertices(*((x, y, 0, 0, colour) for x, y in points)), np.int32).reshape(-1, 5)


def drawn(*points: tuple[int, int]) -> NDArray[np.uint32]:
    """How often each pixel is covered: alpha 1 of 255 keeps what is below, but for rounding."""
    target = np.zeros((SIZE, SIZE), np.uint32)
    count = np.zeros((SIZE, SIZE), np.uint32)
    for first in range(0, len(points), 3):
        target[:] = 0
        draw(target, NONE, corners(*points[first : first + 3]))
        count += target != 0
    return count


@settings(max_examples=60, deadline=None)
@given(point, point, point, point)
def test_triangles_that_share_an_edge_share_no_pixel_and_leave_none_out(
    a: tuple[int, int], b: tuple[int, int], c: tuple[int, int], inner: tuple[int, int]
) -> None:
    """A triangle cut into three around a point inside is covered as often as it was whole."""
    weights = (1, 2, 1)
    middle = tuple(sum(w * p[i] for w, p in zip(weights, (a, b, c), strict=True)) // 4 for i in (0, 1))
    at = (int(middle[0]), int(middle[1]))
    area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])

    def side(p: tuple[int, int], q: tuple[int, int]) -> int:
        return (q[0] - p[0]) * (at[1] - p[1]) - (q[1] - p[1]) * (at[0] - p[0])

    assume(all(side(p, q) * area > 0 for p, q in ((a, b), (b, c), (c, a))))
    assert np.array_equal(drawn(a, b, c), drawn(a, b, at, b, c, at, c, a, at))


def test_the_order_of_corners_does_not_matter() -> None:
    a, b, c = (16, 16), (300, 40), (80, 350)
    assert np.array_equal(drawn(a, b, c), drawn(c, b, a))


def test_a_line_covers_nothing() -> None:
    assert drawn((0, 0), (100, 100), (200, 200)).sum() == 0


def test_the_bound_holds() -> None:
    points = ((0, 0), (16 * SIZE, 0), (0, 16 * SIZE))
    assert drawn(*points).sum() <= covered(corners(*points))


def test_a_texture_repeats_and_is_multiplied_by_the_colour() -> None:
    texture = np.array([[WHITE, 0xFF00_0000]], np.uint32)
    side = 16 * SIZE
    square = vertices(*((x, y, x, y, 0xFF80_8080) for x, y in ((0, 0), (2 * side, 0), (0, 2 * side))))
    target = np.zeros((SIZE, SIZE), np.uint32)
    draw(target, texture, np.frombuffer(square, np.int32).reshape(-1, 5))
    assert (target[:, ::2] == 0xFF80_8080).all()
    assert (target[:, 1::2] == 0xFF00_0000).all()


def test_colours_run_from_corner_to_corner() -> None:
    side = 16 * SIZE
    triangle = vertices(
        (0, 0, 0, 0, 0xFF00_0000), (2 * side, 0, 0, 0, 0xFFFF_FFFF), (0, 2 * side, 0, 0, 0xFF00_0000)
    )
    target = np.zeros((SIZE, SIZE), np.uint32)
    draw(target, NONE, np.frombuffer(triangle, np.int32).reshape(-1, 5))
    blue = (target & 255).astype(int)
    assert (np.diff(blue, axis=1) > 0).all()
    assert (blue == blue[0]).all()


def test_blending_saturates() -> None:
    target = np.full((1, 1), WHITE, np.uint32)
    blend(np.full((1, 1), 0x0080_8080, np.uint32), target)
    assert target[0, 0] == WHITE
