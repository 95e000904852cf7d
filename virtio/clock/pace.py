"""The pace of a device whose guest takes part in a calendar (see `virtio.vhost_user.pace.Pace`).

The device works at events of the calendar, while its guest waits. The guest hears the answer to a kick when
it knows that there is such an event. And no time passes while it takes in what the device said: it asks
for its turn before it answers, so that it gets that turn at this very moment.
"""

from __future__ import annotations

from collections.abc import Callable

from virtio.clock.calendar import Calendar, Hold, Routine
from virtio.clock.time_travel import TimeTravel
from virtio.errors import ProtocolFault
from virtio.turn import CountedTurn, Turn


class CalendarPace:
    """Sets the moments of one connection by a calendar."""

    def __init__(
        self,
        calendar: Calendar,
        kernel: TimeTravel,
        *,
        on_fault: Callable[[ProtocolFault], None],
        latency_ns: int = 0,
    ) -> None:
        """Pace a device.

        Args:
            calendar: The run's.
            kernel: The guest at the other end of the connection.
            on_fault: Told when the guest breaks the rules of time.
            latency_ns: From a kick to the device's work.
        """
        self._calendar = calendar
        self._kernel = kernel
        self._on_fault = on_fault
        self._latency_ns = latency_ns
        self._hold: Hold | None = None

    def listen(self) -> None:
        """See how far the guest has let time pass when it said something to its device."""
        try:
            self._kernel.listen()
        except ProtocolFault as fault:
            self._on_fault(fault)  # its clock's, not its device's

    def ready(self) -> bool:
        """A kick that comes while time stands still is served then."""
        return True

    def work(self, step: Callable[[Turn], None]) -> None:
        """So much work in one turn, however long it takes."""
        step(CountedTurn())

    def defer(self, work: Callable[[], None]) -> None:
        """Let the device work when its latency has passed, after all that is due until then."""
        self._calendar.call_at(self._calendar.now_ns() + self._latency_ns, Routine(work))

    def settle(self, answer: Callable[[], None]) -> None:
        """Answer when the guest knows the calendar's next event."""
        self._kernel.settle(answer)

    def owes(self, *, answer: bool) -> None:
        """Let no time pass while the guest owes an answer."""
        old, self._hold = self._hold, None
        if answer:
            self._kernel.stand()
            self._hold = self._calendar.hold(f"{self._kernel.participant.name} takes a notification")
        if old is not None:
            old.release()
