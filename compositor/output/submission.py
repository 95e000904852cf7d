"""What becomes of a buffer on its way to the screens: it is latched and presented, or discarded.

    submitted -> latched ----------> presented      a flip that reached the screen
              -> discarded                          another took its place before a commit latched it
                 latched ----------> discarded      its monitor went away before the vblank

The words and meanings are those of the Wayland protocol wp_presentation (presentation-time.xml, stable):
exactly one of `Presented` and `Discarded` answers every commit of a surface. A surface may be on several
outputs; then there is still one answer, and it comes when the last of them has spoken, so that a guest never
draws into a buffer that one of two monitors has yet to read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
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


class Submission:
    """One buffer on its way to all outputs that shall show it. It rides on the buffer (`Buffer.submission`).

    The surface hands it to its outputs, each of which `join`s it, and then says `handed_out`. Nothing is
    answered before that, though an output may commit and present within the call.

    Args:
        surface: Name of the surface that it is submitted to.
        number: The submission's, on its surface.
        on_latched: Called once when the last output has latched it: it will be presented.
        on_feedback: Called once when it is certain what became of it.

    Attributes:
        surface: As given.
        number: As given.
        answered: Whether `on_feedback` was called.
    """

    __slots__ = (
        "surface", "number", "_on_latched", "_on_feedback", "_to_latch", "_to_present", "_presented", "_told",
        "answered",
    )  # fmt: skip

    def __init__(
        self,
        surface: str,
        number: int,
        on_latched: Callable[[], None],
        on_feedback: Callable[[Feedback], None],
    ) -> None:
        self.surface = surface
        self.number = number
        self._on_latched, self._on_feedback = on_latched, on_feedback
        self._to_latch = 1  # outputs that have not latched it, and the surface while it hands it out
        self._to_present = 0  # outputs that have latched it, and not presented it yet
        self._presented: Presented | None = None
        self._told = self.answered = False

    @property
    def waiting(self) -> bool:
        """Whether an output has not latched it, or may still join."""
        return self._to_latch > 0

    def join(self) -> None:
        """One more output shall show it."""
        self._to_latch += 1

    def handed_out(self) -> None:
        """The surface has handed it to all of its outputs; if there are none, it is discarded."""
        self.superseded()

    def superseded(self) -> None:
        """An output will not latch it: another buffer took its place, or the surface left the output."""
        self._to_latch -= 1
        self._settle()

    def latched(self) -> None:
        """An output has committed a frame that shows it."""
        self._to_latch -= 1
        self._to_present += 1
        self._settle()

    def presented(self, feedback: Presented) -> None:
        """An output shows it. What holds for all outputs is said of the last one."""
        self._to_present -= 1
        flags = feedback.flags if self._presented is None else feedback.flags & self._presented.flags
        self._presented = feedback if flags == feedback.flags else replace(feedback, flags=flags)
        if not self._to_latch and not self._to_present:
            self._listener()(self._presented)

    def discarded(self) -> None:
        """A frame that shows it will never be on its output's screen."""
        self._to_present -= 1
        self._settle()

    def _settle(self) -> None:
        """Tell what is certain now; the listener may submit the next buffer within the call."""
        if self._to_latch:
            return
        if not self._told and (self._to_present or self._presented is not None):
            self._told = True
            self._on_latched()
        if not self._to_present and not self.answered:
            self._listener()(self._presented or Discarded(self.number))

    def _listener(self) -> Callable[[Feedback], None]:
        """Who hears the one answer, and is let go of now: a flip, as a rule, which has this submission."""
        self.answered = True
        on_feedback = self._on_feedback
        self._on_latched, self._on_feedback = _told_all, _told_all
        return on_feedback


def _told_all(*_: object) -> None:
    """Nothing is told after the answer."""
