"""The part of a run's clock that a guest needs: it is given one, and never reads any other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Cancellable(Protocol):
    """An appointment."""

    def cancel(self) -> None:
        """Never run the callback; too late does nothing."""


class Scheduler(Protocol):
    """Time to schedule on, nanoseconds since the run began; what is scheduled happens."""

    def now_ns(self) -> int:
        """The time now."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> object:
        """Run `callback` at `when_ns`."""


class Clock(Scheduler, Protocol):
    """A scheduler whose appointments can be cancelled."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Cancellable:
        """Run `callback` at `when_ns`."""
