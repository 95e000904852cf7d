"""A machine that has switched itself off, and whose process stays.

UML takes its drivers away when it is switched off, and a driver may wait there for an answer that it will
not hear any more: Linux's virtio-gpu driver does, when a buffer of another driver becomes free only then
(see `programs/init.c`). Nothing can come of such a machine: its time, virtual or not, passes for nothing.
"""

from __future__ import annotations

from collections.abc import Callable

from guest.linux.process import GuestProcess
from virtio.clock import Calendar, Cancellable, Clock
from virtio.clock.calendar import NANOSECONDS, Hold

GRACE_NS = 10 * NANOSECONDS  # of the run's clock, for drivers that do hear of something yet


class SwitchOff:
    """Ends a machine that has said that it is off, when its time is up. `close` it with the machine."""

    def __init__(self, process: GuestProcess, clock: Clock, report: Callable[[str], None]) -> None:
        """Watch a machine.

        Args:
            process: The machine's.
            clock: The run's.
            report: Told, in one line, that the machine had to be ended.
        """
        self._process = process
        self._clock = clock
        self._report = report
        self._timer: Cancellable | None = None
        self._hold: Hold | None = None
        process.console.on_switch_off = self._said
        if process.console.switched_off:
            self._said()

    def close(self) -> None:
        """The machine has ended, or its end does not matter any more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._hold is not None:
            self._hold.release()

    def _said(self) -> None:
        self._timer = self._clock.call_at(self._clock.now_ns() + GRACE_NS, self._end)

    def _end(self) -> None:
        name = self._process.name
        self._report(
            f"{name}: switched itself off, and {GRACE_NS // NANOSECONDS} s later its kernel still waited for "
            "something, an answer of the display perhaps; ended it"
        )
        if isinstance(self._clock, Calendar):
            # It ends in real time: until that is known, no other time may pass.
            self._hold = self._clock.hold(f"{name} is ended")
        self._process.finish()
