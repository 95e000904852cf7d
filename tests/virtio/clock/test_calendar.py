from functools import partial

import pytest

from virtio.clock import Calendar
from virtio.errors import Misuse


def test_events_run_in_order_of_time_then_registration() -> None:
    calendar, log = Calendar(), list[tuple[int, str]]()
    for when, name in [(20, "c"), (10, "a"), (20, "d"), (10, "b")]:
        calendar.call_at(when, partial(lambda name: log.append((calendar.now_ns(), name)), name))
    while calendar.run_next():
        pass
    assert log == [(10, "a"), (10, "b"), (20, "c"), (20, "d")]


def test_an_event_in_the_past_runs_now_after_those_already_due() -> None:
    calendar, log = Calendar(), list[int]()

    def first() -> None:
        calendar.call_at(0, lambda: log.append(calendar.now_ns()))

    calendar.call_at(10, first)
    calendar.call_at(10, lambda: log.append(-1))
    while calendar.run_next():
        pass
    assert log == [-1, 10]


def test_a_cancelled_event_neither_runs_nor_holds_time() -> None:
    calendar = Calendar()
    calendar.call_at(5, lambda: pytest.fail("ran")).cancel()
    assert calendar.next_ns() is None
    assert not calendar.run_next()
    assert calendar.now_ns() == 0


def test_time_never_goes_backwards_and_never_jumps_over_an_event() -> None:
    calendar = Calendar()
    calendar.advance_to(7)
    calendar.call_at(9, lambda: None)
    with pytest.raises(Misuse, match="from 7 to 6"):
        calendar.advance_to(6)
    with pytest.raises(Misuse, match="next event 9"):
        calendar.advance_to(10)
    assert calendar.now_ns() == 7


def test_time_stands_still_while_the_calendar_is_held() -> None:
    calendar, freed = Calendar(), list[int]()
    calendar.on_free = lambda: freed.append(calendar.now_ns())
    calendar.call_at(5, lambda: None)
    first, second = calendar.hold("a runs"), calendar.hold("b runs")
    assert calendar.held
    assert calendar.held_by == ["a runs", "b runs"]
    with pytest.raises(Misuse, match="while a runs and b runs"):
        calendar.run_next()
    first.release()
    first.release()
    assert (calendar.held_by, freed) == (["b runs"], [])
    second.release()
    assert freed == [0]
    assert calendar.run_next()
    assert calendar.now_ns() == 5


def test_progress_is_seen_in_holds_and_events() -> None:
    calendar = Calendar()
    seen = [calendar.progress]
    hold = calendar.hold("a runs")
    seen.append(calendar.progress)
    hold.release()
    seen.append(calendar.progress)
    calendar.call_at(1, lambda: None)
    calendar.run_next()
    seen.append(calendar.progress)
    assert sorted(set(seen)) == seen
