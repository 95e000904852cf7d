"""A buffer on its way to several outputs, with one feedback for all of them.

It is taken when every output has taken it, and presented when every output has presented it; so a guest never
draws into a buffer that one of two monitors has yet to read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from compositor.output.presentation import Discarded, Feedback, Presented


class Submission:
    """One buffer on its way to the screens, all of which it has to reach.

    Args:
        number: Of the submission, on its node.
        views: How many outputs it goes to.
        on_taken: Called when all of them have taken it.
        on_feedback: Called when it is certain what became of it.
    """

    __slots__ = ("_number", "_waiting", "_unseen", "_shown", "_told", "_over", "_on_taken", "_on_feedback")

    def __init__(
        self,
        number: int,
        views: int,
        on_taken: Callable[[], None],
        on_feedback: Callable[[Feedback], None],
    ) -> None:
        self._on_taken, self._on_feedback = on_taken, on_feedback
        self._number = number
        self._waiting = views  # outputs that have not taken it
        self._unseen = 0  # outputs that have, and did not present it yet
        self._shown: Presented | None = None
        self._told = self._over = False

    @property
    def waiting(self) -> bool:
        """Whether there is an output that has not taken it."""
        return self._waiting > 0

    def joined(self) -> None:
        """It goes to one more output."""
        self._waiting += 1

    def taken(self) -> None:
        """An output's commit has taken it."""
        self._waiting -= 1
        self._unseen += 1
        self._settle()

    def presented(self, feedback: Presented) -> None:
        """An output shows it. What holds for all of them is said of the last one."""
        self._unseen -= 1
        flags = feedback.flags if self._shown is None else feedback.flags & self._shown.flags
        self._shown = replace(feedback, commit=self._number, flags=flags)
        self._settle()

    def dropped(self, *, taken: bool) -> None:
        """An output will not show it: it was replaced before it was taken, or unplugged after that."""
        if taken:
            self._unseen -= 1
        else:
            self._waiting -= 1
        self._settle()

    def _settle(self) -> None:
        """Say what is certain now. Whoever is told may submit the next one within the call."""
        if self._waiting:
            return
        if not self._told and (self._unseen or self._shown is not None):
            self._told = True
            self._on_taken()
        if not self._unseen and not self._over:
            self._over = True
            self._on_feedback(self._shown or Discarded(self._number))
