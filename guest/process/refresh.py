"""When a guest in a process of its own draws a frame; see also `guest.render_loop`.

On a machine's calendar, the vblanks of its display are announced to it, and a frame is drawn at each, as for
a guest in the host's process. Otherwise it has a timer of its own, at the rate of its display's EDID, as
Linux's driver has. That timer and the host's vblanks have no phase in common: a tick that finds the last
flip still pending is made up for as soon as the flip is complete, or the guest would run at half the rate
for an unlucky phase.
"""

from __future__ import annotations

from guest.driver.ring import DeviceFault
from guest.process.clock import GuestClock
from guest.simulated import SimulatedGuest
from virtio.clock.calendar import NANOSECONDS

_MILLIHERTZ_NS = 1000 * NANOSECONDS


class AnnouncedRefresh:
    """A frame at each vblank that `clock` tells of, and one when there is a display to draw for."""

    def __init__(self, guest: SimulatedGuest, clock: GuestClock) -> None:
        self._guest, self._clock = guest, clock
        guest.flips.on_progress = self._begin
        clock.on_vblank = self._draw_next

    def _begin(self) -> None:
        self._guest.flips.on_progress = lambda: None
        self._draw_next()

    def _draw_next(self) -> None:
        """Draw at this moment, but behind what the device has to say: the display's mode may have changed."""
        self._clock.call_at(self._clock.now_ns(), self._draw)

    def _draw(self) -> None:
        self._guest.frame_tick()


class FreeRun:
    """A frame as soon as the last flip is complete, for those who measure what a frame costs."""

    def __init__(self, guest: SimulatedGuest, clock: GuestClock) -> None:
        self._guest, self._clock = guest, clock
        guest.flips.on_progress = self._draw_next

    def _draw_next(self) -> None:
        self._clock.call_at(self._clock.now_ns(), self._draw)

    def _draw(self) -> None:
        self._guest.frame_tick()


class TimedRefresh:
    """A frame in every period of the display's refresh rate.

    Args:
        guest: Not started yet.
        clock: The guest's.
        patience_ns: After this long a flip's fence counts as missed: DeviceFault out of `GuestClock.run_due`.
    """

    def __init__(self, guest: SimulatedGuest, clock: GuestClock, patience_ns: int) -> None:
        self._guest, self._clock, self._patience_ns = guest, clock, patience_ns
        self._due = self._drawing = False
        self._vblank_ns = 0
        self._waits_since_ns: int | None = None
        guest.flips.on_progress = self._begin

    def _begin(self) -> None:
        self._guest.flips.on_progress = self._make_up
        self._vblank_ns = self._clock.now_ns()
        self._clock.call_at(self._vblank_ns, self._vblank)

    def _vblank(self) -> None:
        now_ns, guest = self._clock.now_ns(), self._guest
        self._check_fence(now_ns)
        period_ns = _MILLIHERTZ_NS // guest.refresh_mhz
        # A guest that was kept from running does not make up for the refreshes that it slept through.
        self._vblank_ns = max(self._vblank_ns + period_ns, now_ns)
        self._clock.call_at(self._vblank_ns, self._vblank)
        self._due = True
        self._draw()

    def _make_up(self) -> None:
        """A flip is complete; draw what was due, not inside of the call that says so."""
        if self._due and not self._drawing:
            self._drawing = True
            self._clock.call_at(self._clock.now_ns(), self._draw)

    def _draw(self) -> None:
        self._drawing = False
        if self._due and self._guest.frame_tick():
            self._due = False
            self._waits_since_ns = None

    def _check_fence(self, now_ns: int) -> None:
        """Count the wait from the first vblank at which the flip is pending: drawing takes time, too."""
        if not self._guest.flips.pending or self._waits_since_ns is None:
            self._waits_since_ns = now_ns
        elif now_ns - self._waits_since_ns > self._patience_ns:
            raise DeviceFault(
                f"{self._guest.name}: the fence of frame {self._guest.frames_submitted - 1} did not come "
                f"within {self._patience_ns / NANOSECONDS:g} s"
            )
