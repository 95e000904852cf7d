"""Calls that wait for the clock, at one moment of virtual time."""

from __future__ import annotations

import pytest

from virtio.clock import Calendar
from virtio.clock.deferred import Deferred


def test_calls_come_behind_what_is_due_at_the_same_moment() -> None:
    calendar, order = Calendar(), list[str]()
    deferred = Deferred(calendar)
    calendar.call_at(5, lambda: deferred.add(order.append, "deferred"))
    calendar.call_at(5, lambda: order.append("due already"))
    calendar.call_at(6, lambda: order.append("later"))
    while calendar.run_next():
        pass
    assert order == ["due already", "deferred", "later"]


def test_a_call_is_made_once_and_in_the_order_of_the_first_request() -> None:
    calendar, order = Calendar(), list[int]()
    deferred = Deferred(calendar)
    for number in (1, 2, 1, 3, 2):
        deferred.add(order.append, number)
    assert deferred
    assert calendar.run_next()
    assert order == [1, 2, 3]
    assert not deferred
    assert not calendar.run_next()


def test_what_a_call_asks_for_follows_behind_and_never_inside() -> None:
    deferred, order = Deferred(), list[str]()

    def first() -> None:
        order.append("first begins")
        deferred.add(order.append, "second")
        deferred.run()
        order.append("first ends")

    deferred.add(first)
    deferred.run()
    assert order == ["first begins", "first ends", "second"]


def test_run_spares_the_clock_and_clear_forgets() -> None:
    calendar, order = Calendar(), list[int]()
    deferred = Deferred(calendar)
    deferred.add(order.append, 1)
    deferred.run()
    deferred.add(order.append, 2)
    deferred.clear()
    assert calendar.next_ns() is None
    assert order == [1]


def test_an_error_keeps_no_other_call_from_being_made() -> None:
    calendar, order = Calendar(), list[int]()
    deferred = Deferred(calendar)

    def fail() -> None:
        raise RuntimeError("a bug")

    deferred.add(fail)
    deferred.add(order.append, 1)
    with pytest.raises(RuntimeError, match="a bug"):
        calendar.run_next()
    assert calendar.run_next()
    assert order == [1]
