"""When the work of a connection happens, and how much of it at once.

Some moments decide whether a device on virtual time repeats: when the device works, when the front end
hears the answer to what it said, and when it has taken in what the back end said. They pass through a
`Pace`. On the real clock it is `FairPace`: guests that share a process share its time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, Self

from virtio.limits import Limits
from virtio.turn import TimedTurn, Turn

QUANTUM_S = Limits().turn / 1e6
"""Seconds that a guest's device works before the others have their turn, unless its limits say otherwise."""


class Loop(Protocol):
    """The part of an event loop that is needed here."""

    def call_soon(self, callback: Callable[[], None]) -> object:
        """Call something in the next round."""

    def time(self) -> float:
        """The time, in seconds; it never goes back."""


class Pace(Protocol):
    """Sets the moments of one guest's connections."""

    def listen(self) -> None:
        """The front end said something, here or on the backend channel; it is looked at next."""

    def ready(self) -> bool:
        """Whether a kick may have the device work now; otherwise the work is to be deferred."""

    def defer(self, work: Callable[[], None]) -> None:
        """Let the device work: not now, but after what is under way."""

    def work(self, step: Callable[[Turn], None]) -> None:
        """The device works now, for one turn."""

    def settle(self, answer: Callable[[], None]) -> None:
        """Answer the front end, when it may go on. Answers keep their order."""

    def owes(self, *, answer: bool) -> None:
        """The front end begins, or ends, to owe answers on the backend channel."""


class Turns:
    """Shares a loop's time between guests, by deficit round robin (Shreedhar and Varghese, 1995).

    In each round of the loop every guest whose device has work gets a quantum. It works while it has time
    left; one that took longer, since the step of a command cannot be interrupted, owes the difference, and
    waits for as many rounds as pay for it. Where it is alone, those rounds are empty, and cost nothing.

    Args:
        call_soon: Calls something in the loop's next round.
        now: The time, in seconds, of a clock that never goes back.
    """

    def __init__(self, call_soon: Callable[[Callable[[], None]], object], now: Callable[[], float]) -> None:
        self.now = now
        self._call_soon = call_soon
        self._waiting: dict[FairPace, list[Callable[[], None]]] = {}
        self._in_round = False

    @classmethod
    def on(cls, loop: Loop) -> Self:
        """Those of an event loop."""
        return cls(loop.call_soon, loop.time)

    def pace(self, quantum_s: float = QUANTUM_S) -> FairPace:
        """The pace of one guest, whose device works for so long before the others have their turn."""
        return FairPace(self, quantum_s)

    def waits(self, pace: FairPace) -> bool:
        """Whether a guest's device has work that waits for its turn."""
        return pace in self._waiting

    def enter(self, pace: FairPace, work: Callable[[], None]) -> None:
        """Let a guest's device do `work` when it is that guest's turn."""
        if not self._waiting and not self._in_round:
            self._call_soon(self._round)
        self._waiting.setdefault(pace, []).append(work)

    def _round(self) -> None:
        waiting, self._waiting = self._waiting, {}
        self._in_round = True
        try:
            for pace, works in waiting.items():
                pace.earn()
                if pace.ready():
                    for work in works:
                        work()
                else:
                    self._waiting[pace] = works + self._waiting.get(pace, [])
        finally:
            self._in_round = False
            if self._waiting:
                self._call_soon(self._round)


class FairPace:
    """The pace of one guest among several on the real clock; made by `Turns.pace`."""

    def __init__(self, turns: Turns, quantum_s: float) -> None:
        self._turns = turns
        self._left_s = self._quantum_s = quantum_s

    def listen(self) -> None:
        """It is always the right moment."""

    def ready(self) -> bool:
        """Whether it owes no time."""
        return self._left_s > 0

    @property
    def has_work(self) -> bool:
        """Whether work waits for its turn."""
        return self._turns.waits(self)

    def earn(self) -> None:
        """A round has come: there is time for it, which cannot be saved up."""
        self._left_s = min(self._left_s + self._quantum_s, self._quantum_s)

    def defer(self, work: Callable[[], None]) -> None:
        """In the next round of the loop in which it owes no time."""
        self._turns.enter(self, work)

    def work(self, step: Callable[[Turn], None]) -> None:
        """Work until the time is used, and count what was."""
        now = self._turns.now
        begin = now()
        try:
            step(TimedTurn(now, begin + self._left_s))
        finally:
            self._left_s -= now() - begin

    def settle(self, answer: Callable[[], None]) -> None:
        """At once."""
        answer()

    def owes(self, *, answer: bool) -> None:
        """Nothing waits for it."""
