"""The barrier around a guest's turns: what goes wrong in one of them ends that guest, and no other."""

from __future__ import annotations

from collections.abc import Callable

from virtio.clock.calendar import Cancellable, Clock, Routine


class GuardedClock:
    """The run's clock for one guest and its device, whose turns are the calls that it makes.

    Args:
        clock: The run's.
        failed: Called with what a turn raised.
    """

    def __init__(self, clock: Clock, failed: Callable[[Exception], None]) -> None:
        self.now_ns = clock.now_ns
        self._clock, self._failed = clock, failed

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Cancellable:
        """See `Clock.call_at`."""
        return self._clock.call_at(when_ns, Routine(self._turn, callback))

    def _turn(self, callback: Callable[[], None]) -> None:
        try:
            callback()
        except Exception as error:  # whatever it is
            self._failed(error)
