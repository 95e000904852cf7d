"""How a command in a guest ended."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from guest.linux.errors import CommandFailed

_LINES = 5  # of the output, in an error


@dataclass(frozen=True, slots=True)
class CommandResult:
    """A command that has ended.

    Attributes:
        command: Program and arguments.
        status: Its exit status; negative: the number of the signal that ended it.
        stdout_bytes: What it printed.
        stderr_bytes: What it complained of.
        started_ns: When it was sent, on the run's clock.
        ended_ns: When it was known to have ended.
    """

    command: Sequence[str]
    status: int
    stdout_bytes: bytes
    stderr_bytes: bytes
    started_ns: int
    ended_ns: int

    @property
    def stdout(self) -> str:
        """What it printed, as text; bytes that are no UTF-8 are shown by their number."""
        return as_text(self.stdout_bytes)

    @property
    def stderr(self) -> str:
        """What it complained of, as text."""
        return as_text(self.stderr_bytes)

    @property
    def seconds(self) -> float:
        """How long it took, on the run's clock."""
        return (self.ended_ns - self.started_ns) / 1e9

    def check(self) -> Self:
        """Itself, if the command succeeded.

        Raises:
            CommandFailed: Its exit status is not 0; the message ends with what it said last.
        """
        if self.status == 0:
            return self
        how = f"exited with status {self.status}"
        if self.status < 0:
            how = f"was ended by {_signal_name(-self.status)}"
        said = last_lines(self.stderr_bytes) or last_lines(self.stdout_bytes)
        raise CommandFailed(
            f"{shown(self.command)}: {how}{said and ': ' + said}",
            stdout=self.stdout_bytes,
            stderr=self.stderr_bytes,
        )


def shown(command: Sequence[str]) -> str:
    """A command as one would type it."""
    return as_text(shlex.join(command).encode(errors="surrogateescape"))


def as_text(data: bytes) -> str:
    """Output as text."""
    return data.decode(errors="backslashreplace")


def last_lines(data: bytes) -> str:
    """The last lines of an output, in one line that any terminal can show."""
    lines = [line.strip() for line in as_text(data).splitlines() if line.strip()]
    text = " | ".join(lines[-_LINES:])
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
