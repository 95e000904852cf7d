"""The console of one guest: what it printed last, and what it is expected to print."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from compositor.errors import Misuse, WaitFailed
from guest.linux.console import LIMIT, plain

_LINES = 10  # of what it said last that a failure shows

Value = TypeVar("Value")


class WaitFor(Protocol):
    """Lets time pass until a condition holds; `Machine.until`."""

    async def __call__(
        self, predicate: Callable[[], Value], *, within: float | None = ..., what: str = ...
    ) -> Value:
        """See `Machine.until`."""


class GuestConsole:
    """What a guest prints: its last 64 Ki characters.

    Args:
        name: The guest's.
        wait_for: The machine's.
        has_ended: Whether the guest will not print any more.
    """

    def __init__(self, name: str, wait_for: WaitFor, has_ended: Callable[[], bool]) -> None:
        self._name, self._wait_for, self._has_ended = name, wait_for, has_ended
        self._text = self._unread = ""

    def feed(self, text: str) -> None:
        """The guest printed this."""
        self._text = (self._text + text)[-LIMIT:]
        self._unread = (self._unread + text)[-LIMIT:]

    def forget(self) -> None:
        """Expect nothing of what was printed up to now: the guest boots again."""
        self._unread = ""

    @property
    def text(self) -> str:
        """What the guest printed last, without a terminal's control codes."""
        return plain(self._text)

    @property
    def last_lines(self) -> Sequence[str]:
        """The last lines that are not empty, 10 at most."""
        return [line.rstrip() for line in self.text.splitlines() if line.strip()][-_LINES:]

    async def expect(self, text: str | re.Pattern[str], *, within: float | None = 10.0) -> re.Match[str]:
        """Wait until the guest has printed something, behind what was expected of it before.

        Args:
            text: A text, which is taken as it is, or a pattern, compiled.
            within: The deadline, seconds on the run's clock; None: none.

        Returns:
            Where it was found, in what the guest has printed since the last match.

        Raises:
            Misuse: Neither a text nor a pattern, or an empty one.
            WaitFailed: The guest did not print it in time, or ended; what it said last is shown.
        """
        if not isinstance(text, str | re.Pattern) or not text:
            raise Misuse(f"expect: {text!r} is neither a text nor a pattern of text")
        pattern = re.compile(re.escape(text)) if isinstance(text, str) else text
        shown = repr(text if isinstance(text, str) else text.pattern)

        def found() -> re.Match[str] | None:
            match = pattern.search(plain(self._unread))
            if match is None and self._has_ended():
                raise WaitFailed(f"{self._name} ended before it printed {shown}")
            return match

        try:
            match = await self._wait_for(found, within=within, what=f"{self._name} to print {shown}")
        except WaitFailed as failure:
            for line in self.last_lines or ["(nothing)"]:
                failure.add_note(f"{self._name} printed: {line}")
            raise
        assert match is not None
        self._unread = match.string[match.end() :]
        return match

    def __repr__(self) -> str:
        last = self.last_lines[-1:] or ["(nothing)"]
        return f"<console of {self._name}, last line {last[0]!r}>"
