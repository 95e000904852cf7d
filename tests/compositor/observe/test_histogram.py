import itertools
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.observe.histogram import Histogram


def of(*durations: int) -> Histogram:
    histogram = Histogram()
    for duration in durations:
        histogram.add(duration)
    return histogram


def test_a_regular_60_hz_is_exactly_that() -> None:
    vblanks = [-(-n * 10**12 // 60_000) for n in range(301)]
    intervals = of(*(b - a for a, b in itertools.pairwise(vblanks)))
    assert intervals.summary(with_max=True) == {"p50": 16.67, "p99": 16.67, "max": 16.67}


def test_nothing_counted_is_zero() -> None:
    assert Histogram().summary(with_max=True) == {"p50": 0.0, "p99": 0.0, "max": 0.0}


def test_percentiles_are_ranks_and_the_maximum_is_exact() -> None:
    histogram = of(*(n * 1_000_000 for n in range(1, 101)), 123_456_789)
    assert (histogram.count, histogram.max_ns, histogram.max_ms) == (101, 123_456_789, 123.46)
    assert histogram.summary() == {"p50": 51.0, "p99": 100.0}


def test_a_negative_duration_counts_as_none() -> None:
    assert of(-5).summary(with_max=True) == {"p50": 0.0, "p99": 0.0, "max": 0.0}


@given(st.lists(st.integers(0, 10**13), min_size=1), st.integers(1, 100))
def test_a_percentile_is_off_by_less_than_a_step(durations: list[int], percent: int) -> None:
    exact = sorted(durations)[-(-len(durations) * percent // 100) - 1]
    assert of(*durations).percentile_ms(percent) * 1e6 == pytest.approx(exact, abs=5_000, rel=5e-4)


def test_memory_is_bounded() -> None:
    histogram, rng = Histogram(), random.Random(1)
    for _ in range(200_000):
        histogram.add(int(10 ** rng.uniform(3, 13)))
    assert len(histogram._buckets) < 60_000
