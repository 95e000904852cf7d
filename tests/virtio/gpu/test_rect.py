"""Rectangle checks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.rect import common, inside
from virtio.gpu.wire import Rect

small = st.builds(Rect, *[st.integers(0, 6)] * 4)


def covered(rect: Rect) -> set[tuple[int, int]]:
    return {(x, y) for x in range(rect.x, rect.x + rect.width) for y in range(rect.y, rect.y + rect.height)}


@given(small, small)
def test_the_common_part_is_what_both_cover(a: Rect, b: Rect) -> None:
    part = common(a, b)
    assert (covered(part) if part else set()) == covered(a) & covered(b)


@given(small, st.integers(0, 8), st.integers(0, 8))
def test_inside_means_that_no_pixel_is_outside(rect: Rect, width: int, height: int) -> None:
    if inside(rect, width, height):
        assert covered(rect) <= covered(Rect(0, 0, width, height))
    elif rect.width and rect.height:
        assert not covered(rect) <= covered(Rect(0, 0, width, height))


@pytest.mark.parametrize(
    "rect", [Rect(0xFFFF_FFFF, 0, 1, 1), Rect(0, 0xFFFF_FFF0, 1, 0x10), Rect(1, 1, 0xFFFF_FFFF, 1)]
)
def test_sums_beyond_32_bits_do_not_wrap(rect: Rect) -> None:
    assert not inside(rect, 64, 64)
