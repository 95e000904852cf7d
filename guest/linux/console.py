"""What a guest prints, kept for the moment when it is needed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

LIMIT = 65536  # characters
PANIC = "Kernel panic - not syncing"

# What a kernel says last, always (kernel/reboot.c).
_OFF = ("reboot: Power down", "reboot: System halted")

_REPORT = re.compile(r"scanout: program (exited|killed by signal) (\d+)")
_TERMINAL_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc|\r")


class Console:
    """The last part of a guest's console.

    Args:
        echo: Called with each piece of text as it arrives, unchanged.
        limit: Characters kept; a guest that prints for ever costs no more.

    Attributes:
        switched_off: Whether the kernel has said that it has switched the machine off.
        on_switch_off: Called when it says so.
    """

    def __init__(self, echo: Callable[[str], None] | None = None, limit: int = LIMIT) -> None:
        self._echo = echo
        self._limit = limit
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._text = ""
        self.switched_off = False
        self.on_switch_off: Callable[[], None] = _unheard

    def feed(self, data: bytes) -> None:
        """Take what the guest printed."""
        text = self._decoder.decode(data)
        self._text = (self._text + text)[-self._limit :]
        if self._echo is not None:
            self._echo(text)
        if not self.switched_off:
            recent = self._text[-len(text) - max(map(len, _OFF)) :]  # it may come in two pieces
            self.switched_off = any(words in recent for words in _OFF)
            if self.switched_off:
                self.on_switch_off()

    @property
    def text(self) -> str:
        """What was printed last, without a terminal's control codes."""
        return plain(self._text)

    def last_lines(self, count: int) -> str:
        """The last lines that are not empty."""
        return "\n".join([line for line in self.text.splitlines() if line.strip()][-count:])

    @property
    def program_status(self) -> int | None:
        """How the guest's program ended: its exit status, negative for a signal; None: no report yet."""
        reports = _REPORT.findall(self.text)
        if not reports:
            return None
        how, number = reports[-1]
        return int(number) if how == "exited" else -int(number)

    @property
    def panicked(self) -> bool:
        """Whether the guest's kernel gave up."""
        return PANIC in self._text


def plain(text: str) -> str:
    """The text without a terminal's control codes."""
    return _TERMINAL_CODES.sub("", text)


def _unheard() -> None:
    """The guest switched itself off, and no listener is set."""
