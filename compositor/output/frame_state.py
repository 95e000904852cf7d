"""The life of a frame on an output, as a table: idle -> needs a frame -> presented -> idle."""

from __future__ import annotations

from enum import Enum

from compositor.errors import Misuse


class FrameState(Enum):
    """Where an output stands in the life of a frame."""

    IDLE = "idle"  # the screen shows the scene; nobody needs to wake up
    NEEDS_FRAME = "needs_frame"  # the scene differs from the screen
    PRESENTED = "presented"  # a frame was presented, nothing has changed since


class FrameEvent(Enum):
    """What can happen to an output."""

    CHANGED = "changed"  # something visible is different
    COMMITTED = "committed"  # a commit presented a frame
    SKIPPED = "skipped"  # a commit found nothing to do


_IDLE, _NEEDS_FRAME, _PRESENTED = FrameState
TRANSITIONS: dict[tuple[FrameState, FrameEvent], FrameState] = {
    (_IDLE, FrameEvent.CHANGED): _NEEDS_FRAME,
    (_IDLE, FrameEvent.SKIPPED): _IDLE,
    (_NEEDS_FRAME, FrameEvent.CHANGED): _NEEDS_FRAME,
    (_NEEDS_FRAME, FrameEvent.COMMITTED): _PRESENTED,
    (_NEEDS_FRAME, FrameEvent.SKIPPED): _IDLE,  # what asked for the frame is gone again
    (_PRESENTED, FrameEvent.CHANGED): _NEEDS_FRAME,
    (_PRESENTED, FrameEvent.SKIPPED): _IDLE,
}


def advance(state: FrameState, event: FrameEvent) -> FrameState:
    """The state after `event`.

    Raises:
        Misuse: The event cannot happen in `state`.
    """
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise Misuse(f"an output cannot be {event.value} while it is {state.value}") from None
