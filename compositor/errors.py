"""What the compositor raises on purpose, beside what `virtio.errors` has for every package.

Every message is one line: what is wrong, where, what to do. `ScanoutError` is the base of them all, and a
caller that breaks an interface gets the same `Misuse` from every package.
"""

from __future__ import annotations

from collections.abc import Sequence

from virtio.errors import Misuse, ScanoutError

__all__ = ["BadInput", "GuestFailed", "Misuse", "RunFailed", "ScanoutError", "ScreenError", "WaitFailed"]


class BadInput(ScanoutError):
    """A text, a file, a path or a property that the user gave makes no sense; nothing has changed."""


class RunFailed(ScanoutError):
    """The run did not do what was asked of it (a guest died, a limit passed): exit status 1."""


class GuestFailed(RunFailed):
    """Something went wrong in a guest's turn and ended that guest; the machine goes on with others."""


class WaitFailed(RunFailed):
    """What was waited for did not happen: its time was up, or it can never happen.

    Below the message a traceback, and pytest, show what every party to the run was about: a line for each
    task that waits, each output, each guest and its fences, and for what keeps the time.

    Attributes:
        parties: Those lines.
    """

    def __init__(self, message: str, parties: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.parties = tuple(parties)
        for party in self.parties:
            self.add_note(party)


class ScreenError(ScanoutError):
    """The display or its driver refuses: no display, no library, an error out of OpenGL."""
