import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.frame_clock import VariableRefresh, VblankGrid

MS = 1_000_000
rates = st.integers(1_000, 1_000_000)


@given(rates, st.integers(0, 10**9))
def test_the_grid_has_no_drift(refresh_mhz: int, index: int) -> None:
    grid = VblankGrid(refresh_mhz)
    exact = index * 10**12 / refresh_mhz
    assert abs(grid.vblank_ns(index) - exact) <= max(1, exact * 1e-15)


@given(rates, st.integers(0, 10**6))
def test_a_vblank_counts_itself_as_the_last_one(refresh_mhz: int, index: int) -> None:
    grid = VblankGrid(refresh_mhz)
    time_ns = grid.vblank_ns(index)
    assert grid.index_at(time_ns) == index
    assert grid.index_at(time_ns - 1) == index - 1
    assert grid.after(time_ns) == grid.vblank_ns(index + 1)
    assert grid.after(time_ns - 1) == time_ns


@given(rates, st.integers(0, 10**12), st.integers(0, 10**12))
def test_a_finished_frame_appears_at_the_first_vblank_behind_the_frame_before(
    refresh_mhz: int, ready_ns: int, last_ns: int
) -> None:
    grid = VblankGrid(refresh_mhz)
    shown_ns = grid.first(ready_ns, last_ns)
    index = grid.sequence(shown_ns)
    assert grid.vblank_ns(index) == shown_ns
    assert shown_ns >= ready_ns
    assert shown_ns > last_ns
    before_ns = grid.vblank_ns(index - 1)
    assert before_ns < ready_ns or before_ns <= last_ns


def test_a_variable_panel_shows_a_frame_when_it_is_ready_and_no_sooner_than_it_can() -> None:
    panel = VariableRefresh(40_000, 100_000)  # 25 ms at most, 10 ms at least
    assert (panel.period_ns, panel.refresh_ns, panel.sequence(5)) == (10 * MS, 0, 0)
    assert panel.first(14 * MS, 0) == 14 * MS
    assert panel.first(3 * MS, 0) == 10 * MS


def test_a_variable_panel_that_waited_too_long_repeats_itself_first() -> None:
    panel = VariableRefresh(40_000, 100_000)
    assert panel.first(25 * MS - 1, 0) == 25 * MS - 1
    assert panel.first(26 * MS, 0) == 35 * MS, "scanned out anew from 25 ms on"
    assert panel.first(36 * MS, 0) == 36 * MS
    assert panel.first(1_003 * MS, 0) == 1_010 * MS


@given(st.integers(0, 10**10), st.integers(0, 10**10))
def test_a_variable_panel_never_shows_two_frames_closer_than_it_can(ready_ns: int, last_ns: int) -> None:
    panel = VariableRefresh(48_000, 144_000)
    shown_ns = panel.first(ready_ns, last_ns)
    assert shown_ns >= max(ready_ns, last_ns + panel.period_ns)
    assert shown_ns <= max(ready_ns, last_ns) + panel.period_ns


@pytest.mark.parametrize(("low", "high"), [(144_000, 48_000), (0, 60_000), (48_000, 2_000_000)])
def test_impossible_limits_are_refused(low: int, high: int) -> None:
    with pytest.raises(BadInput, match="variable refresh from"):
        VariableRefresh(low, high)
