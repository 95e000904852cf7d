"""Text for standard error, which may be a pipe that is not read: a run never waits for it.

What there is no room for is dropped; a line says so as soon as there is room again.
"""

from __future__ import annotations

import os
import stat
import sys

from virtio.descriptors import write_now


class StandardError:
    """Writes to `sys.stderr` without ever waiting."""

    def __init__(self) -> None:
        self._rest = b""  # of a text that there was room for a part of
        self._dropped = 0

    def write(self, text: str) -> None:
        """Write `text`, or drop all of it."""
        try:
            fd = sys.stderr.fileno()
        except (AttributeError, OSError, ValueError):  # none, closed, or no file
            print(text, end="", file=sys.stderr)
            return
        sys.stderr.flush()
        if self._room(fd) and self._put(fd, text.encode(errors="replace")):
            return
        self._dropped += 1

    def _room(self, fd: int) -> bool:
        """Bring out what an earlier text has left behind."""
        if self._rest and not self._put(fd, self._rest):
            return False
        if self._dropped:
            line = f"scanout: standard error was not read; messages lost: {self._dropped}\n"
            if not self._put(fd, line.encode()):
                return False
            self._dropped = 0
        return not self._rest

    def _put(self, fd: int, data: bytes) -> bool:
        """Write at least the beginning, and keep the rest for later; False when there is no room at all."""
        try:
            regular = stat.S_ISREG(os.fstat(fd).st_mode)  # there is always room in a file
            written = os.write(fd, data) if regular else write_now(fd, data)
        except OSError:
            return False
        self._rest = data[written:]
        return True


_standard_error = StandardError()


def write_text(text: str) -> None:
    """Text as it comes, on standard error."""
    _standard_error.write(text)


def report_line(line: str) -> None:
    """The default for what goes wrong and is dealt with: one line on standard error."""
    _standard_error.write(f"scanout: {line}\n")
