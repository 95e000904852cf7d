"""A simulated guest that takes its time: it draws from the completion of one flip to the next.

The frame appears in its buffer band by band, from the top, spread over the time that drawing takes. A host
that shows a buffer too early, or too long, therefore shows two frames at once; with a guest that draws in no
time at all, no mistake would ever be seen.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from guest.clock import Scheduler
from guest.driver.framebuffer import Framebuffer
from guest.simulated import SimulatedGuest

BANDS = 4  # a stamp has a mark at each end and three in between, so every band but the last changes one


class RenderLoop:
    """Draws and flips for one guest, until it is closed.

    Args:
        guest: Started.
        clock: The run's.
    """

    def __init__(self, guest: SimulatedGuest, clock: Scheduler) -> None:
        self._guest, self._flips, self._clock = guest, guest.flips, clock
        self._busy = self._closed = False
        self._drawn: Framebuffer | None = None  # and waits for a flip that has to come back first
        self._canvas = np.empty((0, 0, 4), np.uint8)
        self._flips.on_progress = self._wake
        self._wake()

    def close(self) -> None:
        """Draw nothing more."""
        self._closed = True

    def _wake(self) -> None:
        """Begin a frame, not inside of the call that made it possible."""
        if self._drawn is not None:
            buffer, self._drawn = self._drawn, None
            self._clock.call_at(self._clock.now_ns(), partial(self._flip, buffer))
        elif not self._busy and not self._closed:
            self._busy = True
            self._clock.call_at(self._clock.now_ns(), self._begin)

    def _begin(self) -> None:
        buffer = None if self._closed else self._flips.begin()
        if buffer is None:
            self._busy = False  # until there is progress
            return
        if self._canvas.shape != buffer.pixels.shape:
            self._canvas = np.empty_like(buffer.pixels)
        self._guest.workload.draw(self._flips.submitted, self._canvas)
        self._draw(buffer, 0, self._clock.now_ns())

    def _draw(self, buffer: Framebuffer, band: int, start_ns: int) -> None:
        """Draw a band, then wait until it is time for the next, or for the flip."""
        if self._closed or not self._flips.may_draw(buffer):
            self._busy = False
            self._wake()
            return
        height = len(self._canvas)
        rows = slice(height * band // BANDS, height * (band + 1) // BANDS)
        buffer.pixels[rows] = self._canvas[rows]
        band += 1
        when_ns = start_ns + self._guest.render_ns * band // BANDS
        following = (
            partial(self._draw, buffer, band, start_ns) if band < BANDS else partial(self._flip, buffer)
        )
        self._clock.call_at(when_ns, following)

    def _flip(self, buffer: Framebuffer) -> None:
        if self._closed:
            return
        if self._flips.may_draw(buffer) and self._flips.pending:  # fewer are allowed than at its begin
            self._drawn = buffer
            return
        self._busy = False
        if self._flips.may_draw(buffer):
            flip = self._flips.flip(buffer)
            patience_ns = self._guest.patience_ns
            if patience_ns is not None and not flip.signaled:
                self._clock.call_at(self._clock.now_ns() + patience_ns, partial(self._flips.give_up, flip))
        self._wake()
