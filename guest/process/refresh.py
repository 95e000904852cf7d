"""When a guest in a process of its own draws a frame.

On a machine's calendar, the vblanks of its display are announced to it, and a frame is drawn at each, as for
a guest in the host's process. Otherwise it has a timer of its own, at the rate of its display's EDID, as
Linux's driver has. That timer and the host's vblanks have no phase in common: a tick that finds the last
flip still pending is made up for as soon as the flip is complete, or the guest would run at half the rate
for an unlucky phase. A guest that measures what a frame costs draws one as soon as the last flip is complete.
"""

from __future__ import annotations

from guest.draw_loop import DrawLoop
from guest.driver.ring import DeviceFault
from guest.process.clock import GuestClock
from guest.process.task import GuestTask
from guest.simulated import SimulatedGuest
from virtio.clock.calendar import NANOSECONDS

_MILLIHERTZ_NS = 1000 * NANOSECONDS


def draw_loop(guest: SimulatedGuest, clock: GuestClock, task: GuestTask) -> DrawLoop:
    """Have a guest that was not started yet draw as its task says."""
    if guest.render_ns or not task.paced:
        return DrawLoop(guest, clock)
    if task.vblanks:
        loop = DrawLoop(guest, clock, lambda: None)
        clock.on_vblank = loop.refresh
        return loop
    timer = DisplayTimer(guest, clock, round(task.patience_s * NANOSECONDS))
    return DrawLoop(guest, clock, timer.next_refresh, makes_up=True)


class DisplayTimer:
    """Refreshes at the rate of a guest's display, and a look at the guest's last flip in each.

    Args:
        guest: Whose display it is.
        clock: The guest's.
        patience_ns: After this long a flip's fence counts as missed.
    """

    def __init__(self, guest: SimulatedGuest, clock: GuestClock, patience_ns: int) -> None:
        self._guest, self._clock, self._patience_ns = guest, clock, patience_ns
        self._refresh_ns: int | None = None
        self._frame, self._since_ns = -1, 0  # which flip was looked at last, and since when it is pending

    def next_refresh(self) -> int:
        """In a refresh: when the next one begins.

        Raises:
            DeviceFault: A flip's fence was missed.
        """
        now_ns = self._clock.now_ns()
        self._check_fence(now_ns)
        # A guest that was kept from running does not make up for the refreshes that it slept through.
        begun_ns = now_ns if self._refresh_ns is None else self._refresh_ns
        self._refresh_ns = max(begun_ns + _MILLIHERTZ_NS // self._guest.refresh_mhz, now_ns)
        return self._refresh_ns

    def _check_fence(self, now_ns: int) -> None:
        """Count the wait from the first refresh at which the flip is pending: drawing takes time, too."""
        frame = self._guest.frames_submitted
        if not self._guest.flips.pending or frame != self._frame:
            self._frame, self._since_ns = frame, now_ns
        elif now_ns - self._since_ns > self._patience_ns:
            raise DeviceFault(
                f"{self._guest.name}: the fence of frame {frame - 1} did not come "
                f"within {self._patience_ns / NANOSECONDS:g} s"
            )
