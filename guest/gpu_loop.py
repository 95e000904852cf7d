"""A simulated guest that draws on its GPU: submits a frame, and flips it at once.

The flip waits for the frame's fence (see `guest.driver.atomic`), so the loop itself waits for buffers only,
and keeps few frames ahead of the GPU.
"""

from __future__ import annotations

from guest.clock import Clock
from guest.simulated import SimulatedGuest
from virtio.fence import Fence, merge

_AHEAD = 2  # frames that the GPU has not drawn yet


class GpuLoop:
    """Draws and flips for one guest with a GPU, until it is closed.

    Args:
        guest: Started.
        clock: The run's.
    """

    def __init__(self, guest: SimulatedGuest, clock: Clock) -> None:
        self._guest, self._clock = guest, clock
        self._woken = self._closed = False
        self._drawing = 0
        guest.flips.on_progress = self._wake
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
        while not self._closed and self._drawing < _AHEAD and (buffer := guest.flips.begin()) is not None:
            drawn = guest.renderer.draw(guest.flips.submitted, buffer)
            self._drawing += 1
            drawn.add_callback(self._drawn)
            guest.flips.flip(buffer, merge() if guest.flush_early else drawn)

    def _drawn(self, _fence: Fence) -> None:
        self._drawing -= 1
        self._wake()
