"""When a simulated guest draws: a frame is due, and there is a buffer to draw it into.

A guest that takes time to draw, on its processor or on its GPU, always has a frame due: it goes from the
completion of one flip to the next. One that draws in no time has one due in every refresh of its display. It
draws that at the vblank, behind all that the host does there: so a flip that the vblank completes makes room
for the next frame, and the guest shows one in every refresh.

All drawing happens in calls from the clock, never inside of the call that made it possible.
"""

from __future__ import annotations

from collections.abc import Callable

from guest.painters import painter
from guest.simulated import SimulatedGuest
from virtio.clock import Clock
from virtio.clock.calendar import Cancellable
from virtio.clock.deferred import Deferred

NextRefresh = Callable[[], "int | None"]


class DrawLoop:
    """Draws and flips for one guest, until it is closed; sleeps while the guest has drawn all it wants to.

    Args:
        guest: It has a device, and was not started yet.
        clock: The run's.
        next_refresh: Asked in each refresh of the guest's display for the time at which the next begins, in
            ns; it returns None where `refresh` is called then. None instead of a function: a frame is always
            due.
        makes_up: A refresh without a buffer to draw into gets its frame as soon as there is one. Otherwise
            it is missed.
    """

    def __init__(
        self,
        guest: SimulatedGuest,
        clock: Clock,
        next_refresh: NextRefresh | None = None,
        *,
        makes_up: bool = False,
    ) -> None:
        self._guest, self._clock, self._next_refresh, self._makes_up = guest, clock, next_refresh, makes_up
        self._painter = painter(guest, clock, self._wake)
        self._deferred = Deferred(clock)
        self._due = False
        self._asleep, self._closed = True, False
        self._stops = 0
        self._was_asleep = True  # when it was stopped
        self._timer: Cancellable | None = None
        guest.flips.on_progress = self._progress

    def refresh(self) -> None:
        """A refresh of the display begins: a frame is due."""
        self._asleep, self._due = False, True
        self._wake()
        next_ns = None if self._next_refresh is None else self._next_refresh()
        if next_ns is not None:
            self._timer = self._clock.call_at(next_ns, self.refresh)

    def close(self) -> None:
        """Draw nothing more."""
        self.stop()
        self._stops += 1  # no `go_on` is for this one

    def stop(self) -> None:
        """The guest's processors stand still: draw nothing before as many calls of `go_on`.

        A frame that is being drawn is begun again then.
        """
        self._stops += 1
        if self._stops == 1:
            self._was_asleep, self._closed = self._asleep, True
            self._painter.close()
            self._sleep()
            self._deferred.clear()

    def go_on(self) -> None:
        """They go on."""
        self._stops -= 1
        if self._stops:
            return
        self._closed = False
        self._painter.open()
        if not self._was_asleep:
            self.refresh()

    def _progress(self) -> None:
        """There is a display to draw for, or a buffer came back."""
        if self._closed:
            return
        if self._asleep and not self._guest.finished:
            self.refresh()
        elif self._due:
            self._wake()

    def _wake(self) -> None:
        if not self._closed:
            self._deferred.add(self._draw)

    def _draw(self) -> None:
        """Take in what the device has said up to this moment; then draw what is due, if that is possible."""
        due, self._due = self._due, False  # that there is progress in between is no reason to wake again
        self._guest.transport.poll()
        if due and not self._painter.paint():
            self._due = self._makes_up
        if self._next_refresh is None:
            self._due = True
        if self._guest.finished:
            self._sleep()

    def _sleep(self) -> None:
        self._asleep = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
