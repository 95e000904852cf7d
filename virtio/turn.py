"""How much a guest's device does before others have their turn.

The work of a device comes in commands, and a long command in steps, each of which is bounded. A turn is
asked after each of them whether it is over. On the real clock it is over when its time is; on the virtual
one, where computing costs no time and every run has to be like the last, when so much work was done.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Protocol, TypeVar

T = TypeVar("T")

Steps = Generator[None, None, T]
"""Work in steps of some milliseconds at most, and what comes of it. Closed, it gives back what it holds."""

STEP, COMMAND = 1, 16
"""What a turn is told was done: one step of a long command, or a command of any length."""

COMMANDS = 64
"""Commands in a turn of counted work."""


class Turn(Protocol):
    """One turn."""

    def over(self, work: int = 0, /) -> bool:
        """Count what was done, `STEP` or `COMMAND`, and say whether the turn is over; it stays so."""


class EndlessTurn:
    """The turn of a guest that shares its device's process with no other."""

    def over(self, _work: int = 0, /) -> bool:
        """Never."""
        return False


class CountedTurn:
    """So much work: 64 commands, or long ones whose steps add up to as much."""

    def __init__(self, work: int = COMMANDS * COMMAND) -> None:
        self._left = work

    def over(self, work: int = 0, /) -> bool:
        """Count it, and say whether all of it is done."""
        self._left -= work
        return self._left <= 0


class TimedTurn:
    """So much time.

    Args:
        now: The time, in seconds.
        end: When it is over.
    """

    def __init__(self, now: Callable[[], float], end: float) -> None:
        self._now, self._end = now, end

    def over(self, _work: int = 0, /) -> bool:
        """Whether the time has come; nothing else counts."""
        return self._now() >= self._end


ENDLESS = EndlessTurn()


def finish(steps: Steps[T]) -> T:
    """Take all steps that are left, one after the other."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            value: T = end.value
            return value
