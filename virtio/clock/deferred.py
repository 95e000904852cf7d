"""Calls that have to wait until the call that asks for them is over.

An interrupt must not enter a driver that is in the middle of a command, a kick must not enter a device that
is in the middle of a repaint, and a guest must not draw inside its interrupt handler. All of these are put
off to the clock, at the same moment, behind what is due already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from virtio.clock.calendar import Cancellable, Clock


class Deferred:
    """Calls that wait: each once however often it is asked for, in the order in which they were first.

    Args:
        clock: Makes them, at the moment at which they were asked for; None: only `run` does.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock
        self._calls: dict[tuple[Callable[..., None], tuple[Any, ...]], None] = {}
        self._appointment: Cancellable | None = None
        self._running = False

    def __bool__(self) -> bool:
        """Whether any call waits."""
        return bool(self._calls)

    def add(self, call: Callable[..., None], *arguments: Any) -> None:
        """Make this call later, unless it waits already."""
        self._calls[call, arguments] = None
        if self._appointment is None and self._clock is not None and not self._running:
            self._appointment = self._clock.call_at(self._clock.now_ns(), self.run)

    def run(self) -> None:
        """Make all calls that wait, and those that they ask for; inside of one of them, do nothing."""
        if self._running:
            return
        self._forget_appointment()
        self._running = True
        try:
            while self._calls:
                call, arguments = next(iter(self._calls))
                del self._calls[call, arguments]
                call(*arguments)
        finally:
            self._running = False
            for call, arguments in tuple(self._calls):  # one of them raised, the others are still due
                self.add(call, *arguments)

    def clear(self) -> None:
        """Forget all calls that wait."""
        self._calls.clear()
        self._forget_appointment()

    def _forget_appointment(self) -> None:
        appointment, self._appointment = self._appointment, None
        if appointment is not None:
            appointment.cancel()
