"""The states of a fence, as one table.

Everything that changes a fence's state looks here; an event without an entry is the caller's mistake.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, StrEnum


class State(IntEnum):
    """Where a fence is; from SIGNALED on its work has ended."""

    ACTIVE = 0
    FAILING = 1
    """Still active; what it will end with is known already."""
    SIGNALED = 2
    FAILED = 3


class Event(StrEnum):
    """What its producer does to a fence."""

    SET_ERROR = "set_error"
    SIGNAL = "signal"


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.ACTIVE: {Event.SET_ERROR: State.FAILING, Event.SIGNAL: State.SIGNALED},
    State.FAILING: {Event.SET_ERROR: State.FAILING, Event.SIGNAL: State.FAILED},
    State.SIGNALED: {},
    State.FAILED: {},
}
"""An error comes before the signal or never, and a fence never becomes active again (linux/dma-fence.h)."""


def after(event: Event) -> tuple[State | None, ...]:
    """The column of one event: by the state before, the state after; None: there the event is a mistake."""
    return tuple(TRANSITIONS[state].get(event) for state in State)
