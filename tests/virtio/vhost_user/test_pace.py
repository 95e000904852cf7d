"""Guests that share a process share its time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from virtio.vhost_user.pace import QUANTUM_S, FairPace, Turns

if TYPE_CHECKING:
    from collections.abc import Callable

    from virtio.turn import Turn


class Loop:
    """A loop and its clock, by hand: `round` makes the calls that were asked for before it."""

    def __init__(self) -> None:
        self.now_s = 0.0
        self.due: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def time(self) -> float:
        return self.now_s

    def round(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


class Guest:
    """A guest whose device always has work, of pieces that take `piece_s` and cannot be interrupted."""

    def __init__(self, loop: Loop, pace: FairPace, piece_s: float) -> None:
        self.loop, self.pace, self.piece_s = loop, pace, piece_s
        self.used_s = 0.0
        self.turns = 0
        pace.defer(self.process)

    def process(self) -> None:
        self.turns += 1
        self.pace.work(self._work)
        self.pace.defer(self.process)

    def _work(self, turn: Turn) -> None:
        while True:
            self.loop.now_s += self.piece_s
            self.used_s += self.piece_s
            if turn.over():
                return


def test_a_guest_whose_commands_take_longer_than_its_share_waits_for_the_others() -> None:
    loop = Loop()
    turns = Turns.on(loop)
    greedy, modest = Guest(loop, turns.pace(), 20 * QUANTUM_S), Guest(loop, turns.pace(), QUANTUM_S / 8)
    for _ in range(400):
        loop.round()
    assert modest.turns == 400
    assert greedy.turns <= 400 / 20 + 1
    assert abs(greedy.used_s - modest.used_s) <= 21 * QUANTUM_S


def test_a_guest_that_is_alone_pays_for_its_long_commands_with_rounds_that_cost_nothing() -> None:
    loop = Loop()
    guest = Guest(loop, Turns.on(loop).pace(), 20 * QUANTUM_S)
    while guest.turns < 3:
        loop.round()
    assert guest.used_s == loop.now_s, "no time passed but that of its work"


def test_a_guest_that_owes_time_is_not_served_with_its_kick() -> None:
    loop = Loop()
    pace = Turns.on(loop).pace()
    log: list[str] = []
    assert pace.ready()
    pace.work(lambda _turn: setattr(loop, "now_s", 2 * QUANTUM_S))
    assert not pace.ready()
    pace.defer(lambda: log.append("served"))
    loop.round()
    assert not log, "half of the debt is paid"
    loop.round()
    assert log == ["served"]
    assert not loop.due, "nothing waits any more"


def test_a_step_that_raises_is_paid_for_and_leaves_the_others_their_turn() -> None:
    loop = Loop()
    turns = Turns.on(loop)
    bad, good = turns.pace(), turns.pace()
    log: list[str] = []

    def fail(_turn: Turn) -> None:
        loop.now_s += 2 * QUANTUM_S
        raise ValueError

    good.defer(lambda: bad.defer(lambda: log.append("again")))
    good.defer(lambda: log.append("good"))
    try:
        bad.work(fail)
    except ValueError:
        log.append("failed")
    assert not bad.ready()
    while loop.due:
        loop.round()
    assert log == ["failed", "good", "again"]


def test_a_guest_has_work_until_its_turn_is_over() -> None:
    loop = Loop()
    pace = Turns.on(loop).pace()
    done: list[bool] = []
    assert not pace.has_work
    pace.defer(lambda: done.append(pace.has_work))
    assert pace.has_work
    loop.round()
    assert (done, pace.has_work) == ([False], False)
