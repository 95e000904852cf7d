"""What became of a commit: it was presented, or it was discarded.

The words and meanings are those of the Wayland protocol wp_presentation (presentation-time.xml, stable):
exactly one of the two answers every commit of a surface, whether the surface is a guest's scanout, its
cursor or an image of the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Flag


class PresentationFlags(Flag):
    """How a presentation came about (wp_presentation_feedback.kind)."""

    VSYNC = 0x1  # in step with the monitor's refresh, so that nothing tears
    HW_CLOCK = 0x2  # the time is the display hardware's: on the virtual clock, the modelled panel's
    HW_COMPLETION = 0x4  # as above, of the signal that it happened
    ZERO_COPY = 0x8  # scanned out as it is: no pixel was composed, converted or uploaded


NO_FLAGS = PresentationFlags(0)


@dataclass(frozen=True, slots=True)
class Presented:
    """A commit of a surface is on the screen.

    Attributes:
        commit: Number of the commit on its surface, from 1.
        time_ns: When its first pixel was, on the run's clock.
        refresh_ns: Time to the next refresh; 0 where that is not constant.
        seq: Number of the refresh (MSC); 0 where refreshes have none.
        flags: How.
        frame_seq: Number of the frame on its output, `Frame.commit_seq`.
    """

    commit: int
    time_ns: int
    refresh_ns: int
    seq: int
    flags: PresentationFlags
    frame_seq: int


@dataclass(frozen=True, slots=True)
class Discarded:
    """A commit of a surface was never on the screen: another took its place, or the surface went away.

    Attributes:
        commit: As for `Presented`.
    """

    commit: int


Feedback = Presented | Discarded
