"""Signals that go astray: kicks, interrupts, fences.

A signal says "look", and carries nothing. So a lost one is made good by the next of its kind, if there is
one: with EVENT_IDX the driver kicks, and the device interrupts, only when an index passes a mark that the
other side sets when it looks (virtio 1.3, 2.7.7 and 2.7.10). When that very signal was lost, none follows.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from compositor.faults.hook import Hook
from virtio.clock import Clock

Call = Callable[[], object]


class Line:
    """One or more callables that signal, of which the next few are lost, late, or changed.

    Args:
        clock: Brings late ones; blames on their guest what they raise.
        count: How many signals the fault is for; the line is as it was after them.
        matches: Which signals it is for, by their arguments.
        fate: What becomes of one, given as a call; may return what its sender expects.
    """

    def __init__(
        self,
        clock: Clock,
        count: int,
        fate: Callable[[Line, Call], object],
        matches: Callable[..., bool] = lambda *_arguments: True,
    ) -> None:
        self.clock = clock
        self._left, self._fate, self._matches = count, fate, matches
        self._hooks: list[Hook] = []
        self._held: Call | None = None

    def listen(self, owner: object, name: str, matches: Callable[..., bool] | None = None) -> None:
        """Take `owner.name` in."""
        self._hooks.append(Hook(owner, name, partial(self._signal, matches or self._matches)))

    def later(self, delay_ns: int, call: Call) -> None:
        """Make a call after a time."""
        self.clock.call_at(self.clock.now_ns() + delay_ns, lambda: void(call()))

    def hold(self, call: Call, delay_ns: int) -> None:
        """Keep a signal back until another one has passed, or the time is over."""
        self._held = call
        self.later(delay_ns, self._let_go)

    def close(self) -> None:
        """Put everything back; what is held comes at its time."""
        for hook in self._hooks:
            hook.remove()

    def _signal(self, matches: Callable[..., bool], passes: Callable[..., object], *arguments: Any) -> object:
        """What a signal's sender hears: it was sent."""
        if self._left and self._held is None and matches(*arguments):
            self._left -= 1
            answer = self._fate(self, partial(passes, *arguments))
        else:
            answer = passes(*arguments)
            self._let_go()
        if not self._left and self._held is None:
            self.close()
        return True if answer is None else answer

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held()
            if not self._left:
                self.close()


def lost(_line: Line, _call: Call) -> None:
    """It never comes."""


def late(delay_ns: int) -> Callable[[Line, Call], None]:
    """It comes after a time."""
    return lambda line, call: line.later(delay_ns, call)


def overtaken(delay_ns: int) -> Callable[[Line, Call], None]:
    """It comes behind the next, or after a time."""
    return lambda line, call: line.hold(call, delay_ns)


def void(_result: object) -> None:
    """For calls whose result is of no interest."""
