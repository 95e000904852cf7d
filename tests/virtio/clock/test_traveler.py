from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from virtio.clock import Calendar
from virtio.clock.time_travel import MESSAGE, Op, TimeTravel
from virtio.clock.traveler import Traveler
from virtio.errors import ProtocolFault


@dataclass
class Pair:
    """A guest on a calendar, and what happened to it."""

    calendar: Calendar
    link: TimeTravel
    guest: Traveler
    turns: list[int] = field(default_factory=list)
    heard: list[int] = field(default_factory=list)


@pytest.fixture
def pair(calendar: Calendar) -> Iterator[Pair]:
    link = TimeTravel(calendar, "guest")
    guest = Traveler(link.receive)
    pair = Pair(calendar, link, guest)

    def to_guest(data: bytes, fds: Sequence[int]) -> None:
        guest.receive(data, [os.dup(fd) for fd in fds])

    link.connect(to_guest)
    guest.on_turn = lambda: pair.turns.append(guest.now_ns())
    guest.on_broadcast = pair.heard.append
    guest.start()
    yield pair
    guest.close()
    link.close()


def test_it_runs_when_it_asked_to(pair: Pair) -> None:
    pair.calendar.run_next()
    assert pair.guest.running
    pair.guest.request(300)
    pair.guest.request(500)  # the earlier wish counts
    pair.guest.wait()
    assert not pair.guest.running
    pair.calendar.call_at(100, lambda: None)
    while not pair.calendar.held:
        pair.calendar.run_next()
    assert pair.turns == [0, 300]
    assert pair.calendar.held_by == ["guest runs"]


def test_a_turn_forgets_older_wishes(pair: Pair) -> None:
    pair.calendar.run_next()
    pair.guest.request(100)
    pair.guest.wait()
    pair.calendar.run_next()
    pair.guest.wait()
    assert not pair.calendar.run_next()
    assert pair.turns == [0, 100]


def test_who_is_interrupted_gets_a_turn_at_that_very_moment(pair: Pair) -> None:
    pair.calendar.run_next()
    pair.guest.request(900)
    pair.guest.wait()

    def device_calls() -> None:
        pair.link.stand()
        pair.guest.interrupt()
        pair.link.listen()

    pair.calendar.call_at(200, device_calls)
    pair.calendar.run_next()
    pair.calendar.run_next()
    assert pair.turns == [0, 200]


def test_an_interrupt_while_it_runs_asks_for_nothing(pair: Pair) -> None:
    pair.calendar.run_next()
    pair.guest.interrupt()
    pair.guest.wait()
    assert not pair.calendar.run_next()


def test_a_broadcast_is_heard_before_time_goes_on(pair: Pair) -> None:
    pair.calendar.run_next()
    pair.guest.wait()
    settled: list[list[int]] = []
    pair.link.announce(7)
    pair.link.settle(lambda: settled.append(list(pair.heard)))
    assert settled == [[7]]


def test_a_broadcast_does_not_wait_for_a_guest_that_has_gone(pair: Pair) -> None:
    pair.calendar.run_next()
    pair.guest.wait()
    pair.link.end()
    settled: list[bool] = []
    pair.link.announce(7)
    pair.link.settle(lambda: settled.append(True))
    assert settled == [True]
    assert pair.heard == []


def test_messages_may_come_in_pieces(pair: Pair) -> None:
    pair.calendar.run_next()
    data = MESSAGE.pack(Op.BROADCAST, 1, 5)
    pair.link.connect(lambda _data, _fds: None)
    pair.guest.receive(data[:7], [])
    assert pair.heard == []
    pair.link._unconfirmed.append((1, []))  # what it is about to acknowledge
    pair.guest.receive(data[7:], [])
    assert pair.heard == [5]


@pytest.mark.parametrize(
    ("op", "message"),
    [
        (Op.ACK, "shares no page of time"),
        (Op.RUN, "message 6"),
        (Op.FREE_UNTIL, "message 7"),
        (99, "message 99"),
    ],
)
def test_nonsense_is_a_fault(op: int, message: str) -> None:
    guest = Traveler(lambda _data: None)
    with pytest.raises(ProtocolFault, match=message):
        guest.receive(MESSAGE.pack(op, 1, 0), [])


def held_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_descriptors_are_given_back(pair: Pair) -> None:
    before = held_descriptors()
    pair.calendar.run_next()  # the page comes with the answer to START
    assert held_descriptors() == before + 1  # mmap keeps one of its own
    pair.guest.close()
    pair.guest.close()
    assert held_descriptors() == before
