"""When the work of a connection happens: as soon as the loop comes to it, or when a calendar says.

Some moments decide whether a device on virtual time repeats: when the device works, when the front end
hears the answer to what it said, and when it has taken in what the back end said. They pass through a
`Pace`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Pace(Protocol):
    """Sets the moments of one connection."""

    def listen(self) -> None:
        """The front end said something, here or on the backend channel; it is looked at next."""

    def defer(self, work: Callable[[], None]) -> None:
        """Let the device work: not now, but after what is under way."""

    def settle(self, answer: Callable[[], None]) -> None:
        """Answer the front end, when it may go on. Answers keep their order."""

    def owes(self, *, answer: bool) -> None:
        """The front end begins, or ends, to owe answers on the backend channel."""


class Immediate:
    """No pace: everything at once, the device's work in the next round of a loop."""

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self.defer = call_soon

    def listen(self) -> None:
        """It is always the right moment."""

    def settle(self, answer: Callable[[], None]) -> None:
        """At once."""
        answer()

    def owes(self, *, answer: bool) -> None:
        """Nothing waits for it."""
