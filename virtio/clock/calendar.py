"""The calendar of virtual time: what happens next.

Events run in the order of (time, registration), so that equal times have one fixed order. Time moves only
from one event to the next, and computing costs none.

A guest that computes elsewhere, in a process of its own, *holds* the calendar meanwhile: no event runs, and
so no time passes, before the last hold is released. Every hold says what it is for, so that a watchdog on
real time can name a guest that never lets go. `virtio.clock.participant` builds on that.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from functools import partial
from typing import Protocol

from virtio.errors import Misuse

NANOSECONDS = 1_000_000_000


class Routine(partial[None]):
    """A callback that recurs by itself, as a guest's refresh does: nothing new ever comes of it.

    A run in which nothing else is entered can tell that what it waits for will never happen
    (`Calendar.has_plans`), though the calendar is never empty.

    Attributes:
        recurs: What tells such callbacks from others, also those of packages that do not know this one.
    """

    recurs = True


class Event:
    """One appointment. `cancel` it while it has not run; a late cancel does nothing."""

    __slots__ = ("callback", "when_ns")

    def __init__(self, when_ns: int, callback: Callable[[], None] | None) -> None:
        self.when_ns = when_ns
        self.callback = callback

    def cancel(self) -> None:
        """Never run the callback."""
        self.callback = None


class Cancellable(Protocol):
    """An appointment, which `Clock.call_at` returns."""

    def cancel(self) -> None:
        """Never run the callback; too late does nothing."""


class Clock(Protocol):
    """A source of time to schedule on, virtual or real: nanoseconds since the run began."""

    def now_ns(self) -> int:
        """The time now."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Cancellable:
        """Run `callback` at `when_ns`, or as soon as possible when that has passed."""


class Hold:
    """Time stands still until this is released; releasing it again does nothing.

    Attributes:
        reason: What is being waited for.
        patient: It may take as long as it likes, because a person has to do something first.
    """

    __slots__ = ("_calendar", "patient", "reason")

    def __init__(self, calendar: Calendar, reason: str) -> None:
        self.reason = reason
        self.patient = False
        self._calendar = calendar

    def release(self) -> None:
        """Let time go on, unless another hold stops it."""
        self._calendar._release(self)


class Calendar:
    """The virtual clock: time is wherever the last event was.

    Attributes:
        limit_ns: Where the present run ends; no participant may run past it. None: nowhere.
        progress: Grows with all that happens; while it stands still, nothing does.
        on_free: Called when the last hold has been released.
    """

    def __init__(self) -> None:
        self.limit_ns: int | None = None
        self.progress = 0
        self.on_free: Callable[[], None] = _unheard
        self._now_ns = 0
        self._order = 0
        self._heap: list[tuple[int, int, Event]] = []
        self._holds: dict[Hold, None] = {}  # in the order of their making

    def __repr__(self) -> str:
        held = f", held: {' and '.join(self.held_by)}" if self._holds else ""
        return f"<calendar at {self._now_ns / NANOSECONDS:.6f} s{held}>"

    def now_ns(self) -> int:
        """The time of the event that runs, or ran last."""
        return self._now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Event:
        """Enter an appointment; one in the past runs now, after those that are due already."""
        event = Event(max(when_ns, self._now_ns), callback)
        heapq.heappush(self._heap, (event.when_ns, self._order, event))
        self._order += 1
        return event

    def next_ns(self) -> int | None:
        """Time of the next event; None when the calendar is empty."""
        while self._heap and self._heap[0][2].callback is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    @property
    def has_plans(self) -> bool:
        """Whether anything is entered beside what recurs by itself (`Routine`)."""
        callbacks = (event.callback for _, _, event in self._heap)
        return any(callback is not None and not hasattr(callback, "recurs") for callback in callbacks)

    def run_next(self) -> bool:
        """Jump to the next event and run it.

        Returns:
            False when there is none.

        Raises:
            Misuse: The calendar is held.
        """
        if self._holds:
            raise Misuse(f"calendar: time cannot pass while {' and '.join(self.held_by)}")
        if self.next_ns() is None:
            return False
        self.progress += 1
        self._now_ns, _, event = heapq.heappop(self._heap)
        callback, event.callback = event.callback, None
        if callback is not None:
            callback()
        return True

    def advance_to(self, when_ns: int) -> None:
        """Let time pass to `when_ns` without an event.

        Raises:
            Misuse: Time would go backwards, or an event lies in between.
        """
        following = self.next_ns()
        if when_ns < self._now_ns or (following is not None and following < when_ns):
            raise Misuse(f"calendar: cannot jump from {self._now_ns} to {when_ns} ns, next event {following}")
        self._now_ns = when_ns

    # Guests that compute elsewhere.

    def hold(self, reason: str) -> Hold:
        """Let no time pass until the hold is released.

        Args:
            reason: What is being waited for, such as "uml runs".
        """
        hold = Hold(self, reason)
        self._holds[hold] = None
        self.progress += 1
        return hold

    @property
    def held(self) -> bool:
        """Whether time stands still."""
        return bool(self._holds)

    @property
    def waits_patiently(self) -> bool:
        """Whether a hold may take as long as it likes."""
        return any(hold.patient for hold in self._holds)

    @property
    def held_by(self) -> list[str]:
        """The reasons why time stands still, the oldest first."""
        return [hold.reason for hold in self._holds]

    def _release(self, hold: Hold) -> None:
        if hold in self._holds:
            del self._holds[hold]
            self.progress += 1
            if not self._holds:
                self.on_free()


def _unheard() -> None:
    """Before a run listens."""
