import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.frame_clock import Pacing, VblankGrid
from compositor.output.pacing import CostEstimate

MS = 1_000_000


@pytest.mark.parametrize(
    ("text", "pacing"),
    [
        ("delay=9", Pacing(delay_ns=9 * MS)),
        ("window", Pacing(window_ns=7 * MS)),
        ("window=3.5ms", Pacing(window_ns=3_500_000)),
        ("adaptive", Pacing()),
        ("adaptive=2", Pacing(margin_ns=2 * MS)),
        ("triple", Pacing(frames=2)),
    ],
)
def test_a_text_means_a_pacing(text: str, pacing: Pacing) -> None:
    assert Pacing.parse(text) == pacing


@pytest.mark.parametrize("text", ["", "delay", "window=", "quadruple", "window=-1", "adaptive=1s"])
def test_any_other_text_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(BadInput, match=f'pacing "{text}": use delay=MS, window=MS, adaptive or triple'):
        Pacing.parse(text)


@pytest.mark.parametrize(
    ("pacing", "message"),
    [
        (Pacing(delay_ns=20 * MS), "delay_ns 20000000 is not in 0 to 19999999"),
        (Pacing(window_ns=-1), "window_ns -1 is not"),
        (Pacing(delay_ns=0, window_ns=0), "set one of them"),
        (Pacing(margin_ns=-1), "margin_ns -1 is below 0"),
        (Pacing(frames=3), "frames 3: 1 or 2"),
    ],
)
def test_what_a_panel_has_no_time_for_is_refused_by_name(pacing: Pacing, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        pacing.check(VblankGrid(50_000))


@given(st.lists(st.integers(0, 10**9), min_size=1), st.integers(0, 10**9))
def test_an_estimate_is_never_below_the_last_cost_nor_above_the_largest(costs: list[int], first: int) -> None:
    estimate = CostEstimate(first)
    for cost in costs:
        estimate.add(cost)
        assert estimate.ns >= cost
    assert estimate.ns <= max(first, *costs)


def test_an_estimate_forgets_one_slow_frame_within_a_second_or_so() -> None:
    estimate = CostEstimate(0)
    estimate.add(16 * MS)
    for _ in range(60):
        estimate.add(MS)
    assert MS <= estimate.ns < 1_400_000
    for _ in range(400):
        estimate.add(MS)
    assert estimate.ns == MS
