"""Flushes that are out for longer than their guest waits."""

import pytest

from compositor.adapter.late import LINUX_PATIENCE
from compositor.adapter.sync_policy import SyncPolicy
from tests.compositor.adapter.test_sync_policy import FULL, MS, PERIOD, Bench
from virtio.gpu.display import ScanoutImage
from virtio.gpu.formats import Format


def patient(hold_ms: int, policy: SyncPolicy = SyncPolicy.RELEASE) -> Bench:
    """A guest as patient as Linux, whose flushes are held after their presentation."""
    bench = Bench(policy)
    bench.display.late.patience = LINUX_PATIENCE
    bench.display.hold_ns = hold_ms * MS
    return bench


@pytest.mark.parametrize(("hold_ms", "late"), [(0, 0), (30, 0), (31, 1), (200, 1)])
def test_a_flush_that_is_out_for_longer_than_50_ms_is_counted(hold_ms: int, late: int) -> None:
    bench = patient(hold_ms)
    bench.flip(1)
    bench.run_to(PERIOD + hold_ms * MS)
    assert (bench.statistics.late_fences, len(bench.reports)) == (late, late)


def test_the_line_says_which_fence_who_holds_it_and_for_how_long() -> None:
    bench = patient(31)
    bench.flip(1)
    bench.run_to(100 * MS)
    assert bench.reports == [
        "guest: its flush fence 1, held by left, is out for 51.0 ms; Linux's driver waits 50"
    ]


def test_one_is_reported_and_all_are_counted() -> None:
    bench = patient(31)
    for value in range(1, 6):
        bench.flip(value)
        bench.run_to(value * 100 * MS)
    assert (bench.statistics.late_fences, len(bench.reports)) == (5, 1)


def test_a_guest_that_gave_up_is_seen_at_its_next_flush_and_each_fence_counts_once() -> None:
    bench = patient(200)
    bench.flip(1)
    bench.run_to(60 * MS)
    assert bench.reports == []
    bench.flip(2)
    assert len(bench.reports) == 1
    bench.run_to(300 * MS)
    assert bench.statistics.late_fences == 2


def test_a_fence_that_never_comes_is_seen_at_the_next_look() -> None:
    bench = patient(10_000)
    bench.flip(1)
    bench.run_to(1000 * MS)
    bench.display.late.look(bench.calendar.now_ns())
    assert bench.reports == [
        "guest: its flush fence 1, held by left, is out for 1000.0 ms; Linux's driver waits 50"
    ]


@pytest.mark.parametrize("policy", [SyncPolicy.BLOCKING, SyncPolicy.RELEASE, SyncPolicy.OUT_FENCE])
def test_a_host_that_answers_in_time_is_never_reported(policy: SyncPolicy) -> None:
    bench = patient(0, policy)
    for value in range(1, 20):
        bench.flip(value)
        bench.run_to(value * PERIOD)
    assert (bench.statistics.late_fences, bench.reports) == (0, [])


def test_a_guest_that_shows_nothing_any_more_waits_for_nothing() -> None:
    bench = patient(200)
    bench.flip(1)
    bench.run_to(40 * MS)
    bench.display.set_scanout(0, None)
    bench.run_to(400 * MS)
    assert bench.statistics.late_fences == 0


def test_a_guest_without_a_patience_is_never_reported() -> None:
    bench = patient(200)
    bench.display.late.patience = None
    bench.flip(1)
    bench.run_to(400 * MS)
    assert (bench.statistics.late_fences, bench.reports) == (0, [])


def test_no_guest_waits_for_a_copy() -> None:
    bench = patient(200)
    bench.display.set_scanout(0, ScanoutImage(2, bench.buffers[0], Format.B8G8R8X8, zero_copy=False))
    bench.display.flush(0, FULL)
    bench.run_to(400 * MS)
    assert bench.statistics.late_fences == 0
