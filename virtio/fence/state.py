"""The states of a fence, as one table.

Everything that changes a fence's state looks here; an event without an entry is the caller's mistake.
`diagram` draws the table for the documentation.
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


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    names = {state: state.name.lower() for state in State}
    lines = ["stateDiagram-v2", f"    [*] --> {names[State.ACTIVE]}"]
    for state, row in TRANSITIONS.items():
        lines += [f"    {names[state]} --> {names[target]}: {event}" for event, target in row.items()]
    lines += [f"    {names[state]} --> [*]" for state, row in TRANSITIONS.items() if not row]
    return "\n".join(lines) + "\n"
