from __future__ import annotations

from typing import Any
from unittest.mock import Mock

from compositor.frame_clock import AtVblank, OnDemand, Told, VblankGrid
from virtio.clock import Calendar


def test_everything_between_two_vblanks_shares_one_repaint_at_the_next() -> None:
    calendar, log = Calendar(), list[int]()
    grid = VblankGrid(calendar, 60_000)
    clock = AtVblank(calendar, grid, lambda: log.append(calendar.now_ns()))
    for when in (1, 2, 16_666_666, 16_666_668, 20_000_000):
        calendar.call_at(when, clock.schedule)
    while calendar.run_next():
        pass
    assert log == [16_666_667, 33_333_334]


def test_a_late_repaint_counts_the_vblanks_it_missed() -> None:
    class LateClock:
        now = 0
        pending = None

        def now_ns(self) -> int:
            return self.now

        def call_at(self, when_ns: int, callback: object) -> None:
            self.pending = callback

    late = LateClock()
    clock = AtVblank(late, VblankGrid(late, 60_000), lambda: None)
    clock.schedule()
    late.now = 51_000_000  # vblank 1 was asked for; 2 and 3 have passed as well
    assert callable(late.pending)
    late.pending()
    assert clock.missed_vblanks == 2


def test_on_demand_repaints_at_once_but_not_too_often() -> None:
    calendar, log = Calendar(), list[int]()
    clock = OnDemand(calendar, lambda: log.append(calendar.now_ns()), min_interval_ns=10)
    for when in (5, 6, 7, 30):
        calendar.call_at(when, clock.schedule)
    while calendar.run_next():
        pass
    assert log == [5, 15, 30]


def test_on_demand_without_an_interval_repaints_inside_the_call() -> None:
    log: list[int] = []
    clock = OnDemand(Calendar(), lambda: log.append(1))
    clock.schedule()
    clock.schedule()
    assert log == [1, 1]


def test_on_demand_with_a_latency_repaints_once_for_all_that_comes_meanwhile() -> None:
    calendar, log = Calendar(), list[int]()
    clock = OnDemand(calendar, lambda: log.append(calendar.now_ns()), latency_ns=10)
    for when in (5, 6, 14, 15):
        calendar.call_at(when, clock.schedule)
    while calendar.run_next():
        pass
    assert log == [15]


class Painter:
    """A stage whose frames are numbers."""

    def __init__(self) -> None:
        self.log: list[tuple[str, object]] = []

    def repaint(self) -> None:
        self.log.append(("at once", None))

    def paint(self) -> Any:
        frame = Mock()
        self.log.append(("painted", frame))
        return frame

    def show(self, frame: Any, time_ns: int) -> None:
        self.log.append(("shown", frame))


def test_a_clock_that_is_told_makes_no_appointments() -> None:
    calendar, painter = Calendar(), Painter()
    clock = Told(calendar, painter)
    clock.schedule()
    assert not calendar.run_next()
    assert (clock.missed_vblanks, painter.log) == (0, [])


def test_frames_that_were_committed_are_shown_in_their_order_and_then_what_there_is() -> None:
    painter = Painter()
    clock = Told(Calendar(), painter)
    clock.commit()
    clock.commit()
    for _ in range(3):
        clock.show()
    (_, first), (_, second) = painter.log[:2]
    assert painter.log[2:] == [("shown", first), ("shown", second), ("at once", None)]


def test_frames_that_are_never_shown_are_discarded() -> None:
    painter = Painter()
    clock = Told(Calendar(), painter)
    clock.commit()
    clock.cancel()
    painter.log[0][1].discard.assert_called_once_with()  # type: ignore[attr-defined]
