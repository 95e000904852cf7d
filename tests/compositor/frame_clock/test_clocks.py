from __future__ import annotations

from functools import partial
from typing import Any
from unittest.mock import Mock

from compositor.frame_clock import AtVblank, OnDemand, Recorded, Scheduler, VblankGrid
from virtio.clock import Calendar


class Painter:
    """A stage whose frames are mocks; there is something to paint until it is `idle`."""

    def __init__(self, clock: Scheduler) -> None:
        self.idle = self.can_wait = False
        self.log: list[tuple[str, Any]] = []
        self.times: list[int] = []
        self._clock = clock

    def repaint(self) -> Any:
        return self._paint("at once")

    def paint(self) -> Any:
        return self._paint("for later")

    def _paint(self, what: str) -> Any:
        frame = None if self.idle else Mock(present_time_ns=self._clock.now_ns())
        self.log.append((what, frame))
        return frame

    def show(self, frame: Any, time_ns: int) -> None:
        self.log.append(("shown", frame))
        self.times.append(time_ns)


def run(calendar: Calendar) -> None:
    while calendar.run_next():
        pass


def test_everything_between_two_vblanks_shares_one_repaint_at_the_next() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = AtVblank(calendar, VblankGrid(60_000), painter)
    for when in (1, 2, 16_666_666, 16_666_668, 20_000_000):
        calendar.call_at(when, clock.schedule)
    run(calendar)
    assert painter.times == [16_666_667, 33_333_334]
    assert [what for what, _ in painter.log] == ["at once", "shown"] * 2


def test_on_demand_repaints_at_once_but_not_too_often() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = OnDemand(calendar, painter, VblankGrid(60_000), min_interval_ns=10)
    for when in (5, 6, 7, 30):
        calendar.call_at(when, clock.schedule)
    run(calendar)
    assert painter.times == [5, 15, 30]


def test_on_demand_without_an_interval_repaints_inside_the_call() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = OnDemand(calendar, painter, VblankGrid(60_000))
    clock.schedule()
    clock.schedule()
    assert [what for what, _ in painter.log] == ["at once", "shown"] * 2


def test_on_demand_with_a_latency_repaints_once_for_all_that_comes_meanwhile() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = OnDemand(calendar, painter, VblankGrid(60_000), latency_ns=10)
    for when in (5, 6, 14, 15):
        calendar.call_at(when, clock.schedule)
    run(calendar)
    assert painter.times == [15]


def test_on_demand_lets_what_can_wait_wait_for_a_refresh_but_nothing_else() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = OnDemand(calendar, painter, VblankGrid(100_000))  # 10 ms

    def schedule(*, can_wait: bool) -> None:
        painter.can_wait = can_wait
        clock.schedule()

    for when_ms, can_wait in ((1, True), (2, True), (3, True), (4, False), (5, True), (40, True)):
        calendar.call_at(when_ms * 1_000_000, partial(schedule, can_wait=can_wait))
    run(calendar)
    assert painter.times == [1_000_000, 4_000_000, 14_000_000, 40_000_000]


def test_what_has_nothing_to_paint_shows_nothing() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    painter.idle = True
    recorded = Recorded(calendar, painter)
    AtVblank(calendar, VblankGrid(60_000), painter).schedule()
    OnDemand(calendar, painter, VblankGrid(60_000)).schedule()
    run(calendar)
    recorded.commit()
    recorded.show()
    assert painter.log == [("at once", None), ("at once", None), ("for later", None), ("at once", None)]


def test_a_recorded_clock_makes_no_appointments() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = Recorded(calendar, painter)
    clock.schedule()
    assert not calendar.run_next()
    assert painter.log == []


def test_frames_that_were_committed_are_shown_in_their_order_and_then_what_there_is() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = Recorded(calendar, painter)
    clock.commit()
    clock.commit()
    for _ in range(3):
        clock.show()
    (_, first), (_, second), *rest = painter.log
    first.latch.assert_called_once_with()
    third = rest[-1][1]
    assert rest == [("shown", first), ("shown", second), ("at once", third), ("shown", third)]


def test_frames_that_are_never_shown_are_discarded() -> None:
    calendar = Calendar()
    painter = Painter(calendar)
    clock = Recorded(calendar, painter)
    clock.commit()
    clock.cancel()
    ((_, frame),) = painter.log
    frame.discard.assert_called_once_with()
