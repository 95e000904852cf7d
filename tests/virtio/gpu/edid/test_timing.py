"""Timings by CVT 1.2, reduced blanking version 2."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.display import DisplayMode
from virtio.gpu.edid.timing import fallback, preferred, reduced_blanking

SIZES = st.integers(1, 65_536)


@pytest.mark.parametrize(
    ("size", "clock", "totals"),
    [
        # By hand from the formulas: 80 pixels of blanking; at least 15 lines, and 460 us.
        ((1920, 1080), 13_332, (2000, 1111)),
        ((3840, 2160), 52_261, (3920, 2222)),
        ((1024, 768), 5_233, (1104, 790)),
        ((640, 480), 2_138, (720, 495)),
    ],
)
def test_common_modes_at_60_hz(size: tuple[int, int], clock: int, totals: tuple[int, int]) -> None:
    timing = reduced_blanking(*size, 60_000)
    assert (timing.h_active, timing.v_active) == size
    assert (timing.clock, timing.h_active + timing.h_blank, timing.v_active + timing.v_blank) == (
        clock,
        *totals,
    )


@given(width=SIZES, height=SIZES, refresh_mhz=st.integers(1_000, 1_000_000))
def test_every_timing_is_consistent(width: int, height: int, refresh_mhz: int) -> None:
    timing = reduced_blanking(width, height, refresh_mhz)
    assert timing.h_front_porch + timing.h_sync < timing.h_blank
    assert timing.v_front_porch >= 1
    assert timing.v_blank - timing.v_front_porch - timing.v_sync == 6
    assert timing.v_blank >= 15


@given(width=st.integers(640, 8192), height=st.integers(480, 8192), refresh_mhz=st.integers(10_000, 240_000))
def test_the_rate_is_the_one_asked_for(width: int, height: int, refresh_mhz: int) -> None:
    timing = reduced_blanking(width, height, refresh_mhz)
    unit = 1000 * 10_000 / ((width + timing.h_blank) * (height + timing.v_blank))
    assert abs(timing.refresh_mhz - refresh_mhz) <= unit / 2


@given(width=st.integers(1, 8192), height=st.integers(1, 8192), refresh_mhz=st.integers(10_000, 240_000))
def test_the_vertical_blanking_lasts_460_microseconds(width: int, height: int, refresh_mhz: int) -> None:
    timing = reduced_blanking(width, height, refresh_mhz)
    line_us = 1e9 / refresh_mhz / (height + timing.v_blank)
    assert timing.v_blank * line_us >= 460 - 1e-6
    assert (
        timing.v_blank == 15
        or (timing.v_blank - 1) * 1e9 / refresh_mhz / (height + timing.v_blank - 1) <= 460 + 1e-6
    )


@pytest.mark.parametrize(
    ("width", "height", "refresh_mhz"),
    [(0, 0, 0), (-1, -5, -60_000), (1 << 40, 1 << 40, 1 << 40), (1, 1 << 20, 1)],
)
def test_sizes_and_rates_that_no_display_has_become_possible_ones(
    width: int, height: int, refresh_mhz: int
) -> None:
    timing = reduced_blanking(width, height, refresh_mhz)
    assert 1 <= timing.h_active <= 65_536
    assert 1 <= timing.v_active <= 65_536
    assert 1 <= timing.clock <= 1 << 24


def test_the_line_rate_is_the_clock_by_the_line() -> None:
    assert reduced_blanking(1920, 1080, 60_000).line_khz == pytest.approx(66.66)


@pytest.mark.parametrize(
    ("mode", "fits"),
    [
        (DisplayMode(1920, 1080), True),
        (DisplayMode(4095, 2160), True),
        (DisplayMode(4096, 2160), False),
        (DisplayMode(1080, 4096, 10_000), False),
        (DisplayMode(3840, 2160, 120_000), False),
        (DisplayMode(1920, 1080, 240_000), False),
    ],
    ids=[
        "1080p",
        "4095 pixels",
        "4096 pixels",
        "4096 lines",
        "above 655.35 MHz",
        "front porch above 63 lines",
    ],
)
def test_what_a_detailed_timing_descriptor_holds(mode: DisplayMode, *, fits: bool) -> None:
    assert preferred(mode).fits_detailed == fits


@given(width=SIZES, height=SIZES, refresh_mhz=st.integers(1_000, 1_000_000))
def test_the_fallback_fits_and_is_a_whole_fraction(width: int, height: int, refresh_mhz: int) -> None:
    native = reduced_blanking(width, height, refresh_mhz)
    timing = fallback(native)
    assert timing.fits_detailed
    fractions = {(max(width // n, 1), max(height // n, 1)) for n in range(1, 40)}
    assert (timing.h_active, timing.v_active) in fractions


def test_a_mode_that_is_only_too_fast_falls_back_to_60_hz() -> None:
    assert fallback(reduced_blanking(1920, 1080, 240_000)) == reduced_blanking(1920, 1080, 60_000)
