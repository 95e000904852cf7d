"""A simulated guest that draws on its GPU: submits a frame, and flips it at once.

The flip waits for the frame's fence (see `guest.driver.atomic`), so the loop itself waits for buffers only.
"""

from __future__ import annotations

from guest.clock import Clock
from guest.simulated import SimulatedGuest
from virtio.fence import merge


class GpuLoop:
    """Draws and flips for one guest with a GPU, until it is closed.

    Args:
        guest: Started.
        clock: The run's.
    """

    def __init__(self, guest: SimulatedGuest, clock: Clock) -> None:
        self._guest, self._clock = guest, clock
        self._woken = self._closed = False
        guest.on_progress = self._wake
        self._wake()

    def close(self) -> None:
        """Draw nothing more."""
        self._closed = True

    def _wake(self) -> None:
        """Draw, not inside of the call that made it possible."""
        if not self._woken and not self._closed:
            self._woken = True
            self._clock.call_at(self._clock.now_ns(), self._draw)

    def _draw(self) -> None:
        """Submit and flip as many frames as there are buffers for."""
        self._woken = False
        guest = self._guest
        while not self._closed and (buffer := guest.begin_frame()) is not None:
            drawn = guest.renderer.draw(guest.frames_submitted, buffer)
            guest.flip(buffer, merge() if guest.flush_early else drawn)
