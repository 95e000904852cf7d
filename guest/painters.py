"""How a simulated guest draws a frame: at once, over some time, or on its GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np

from guest.damage import Rectangles
from guest.driver.framebuffer import Framebuffer
from guest.simulated import SimulatedGuest
from virtio.clock import Clock
from virtio.fence import Fence, merge

BANDS = 4  # a stamp has a mark at each end and three in between, so every band but the last changes one
_AHEAD = 2  # frames that the GPU has not drawn yet


class Painter(Protocol):
    """Draws one guest's frames, and flips them."""

    def paint(self) -> bool:
        """Begin a frame if that is possible now; whether it was."""

    def close(self) -> None:
        """Draw nothing more."""

    def open(self) -> None:
        """Draw again."""


class AtOnce:
    """Draws in no time."""

    def __init__(self, guest: SimulatedGuest) -> None:
        self.paint = guest.draw_frame

    def close(self) -> None:
        """See `Painter.close`: a frame that it has begun is finished."""

    def open(self) -> None:
        """See `Painter.open`."""


class InBands:
    """Takes its time: the frame appears in its buffer band by band, from the top.

    A host that shows a buffer too early, or too long, therefore shows two frames at once; with a guest that
    draws in no time at all, no mistake would ever be seen.

    Args:
        guest: Whose `render_ns` are spread over the bands.
        clock: The run's.
        wake: Called when another frame may be begun.
    """

    def __init__(self, guest: SimulatedGuest, clock: Clock, wake: Callable[[], None]) -> None:
        self._guest, self._flips, self._clock, self._wake = guest, guest.flips, clock, wake
        self._busy = self._closed = False
        self._drawn: Framebuffer | None = None  # waits for a flip that has to come back first
        self._canvas = np.empty((0, 0, 4), np.uint8)
        self._damage: Rectangles = None

    def close(self) -> None:
        """See `Painter.close`."""
        self._closed = True

    def open(self) -> None:
        """See `Painter.open`."""
        self._closed = False

    def paint(self) -> bool:
        """See `Painter.paint`: begins a frame, or flips the one that is drawn."""
        if self._drawn is not None:
            buffer, self._drawn = self._drawn, None
            self._flip(buffer)
            return False
        free = None if self._busy or self._closed else self._flips.begin()
        if free is None:
            return False
        self._busy = True
        if self._canvas.shape != free.pixels.shape:
            self._canvas = np.empty_like(free.pixels)
        self._damage = self._guest.workload.draw(self._flips.submitted, self._canvas)
        self._draw(free, 0, self._clock.now_ns())
        return True

    def _draw(self, buffer: Framebuffer, band: int, start_ns: int) -> None:
        """Draw a band, then wait until it is time for the next, or for the flip."""
        if self._closed or not self._flips.may_draw(buffer):
            self._end()
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
            self._end()
            return
        if self._flips.may_draw(buffer) and self._flips.pending:  # fewer are allowed than when it began
            self._drawn = buffer
            return
        if self._flips.may_draw(buffer):
            flip = self._flips.flip(buffer, rectangles=self._damage)
            patience_ns = self._guest.patience_ns
            if patience_ns is not None:
                self._clock.call_at(self._clock.now_ns() + patience_ns, partial(self._flips.give_up, flip))
        self._end()

    def _end(self) -> None:
        self._busy = False
        self._wake()


class OnGpu:
    """Submits frames to the guest's GPU, few ahead of it, and flips them at once.

    A flip waits for its frame's fence (see `guest.driver.atomic`), so only buffers have to be waited for.

    Args:
        guest: One with a GPU.
        wake: Called when another frame may be begun.
    """

    def __init__(self, guest: SimulatedGuest, wake: Callable[[], None]) -> None:
        self._guest, self._wake = guest, wake
        self._drawing = 0
        self._closed = False

    def close(self) -> None:
        """See `Painter.close`."""
        self._closed = True

    def open(self) -> None:
        """See `Painter.open`."""
        self._closed = False

    def paint(self) -> bool:
        """See `Painter.paint`: begins as many frames as there are buffers for."""
        guest, before = self._guest, self._drawing
        while not self._closed and self._drawing < _AHEAD and (buffer := guest.flips.begin()) is not None:
            drawn = guest.renderer.draw(guest.flips.submitted, buffer)
            self._drawing += 1
            drawn.add_callback(self._drawn)
            guest.flips.flip(buffer, merge() if guest.flush_early else drawn)
        return self._drawing > before

    def _drawn(self, _fence: Fence) -> None:
        self._drawing -= 1
        self._wake()


def painter(guest: SimulatedGuest, clock: Clock, wake: Callable[[], None]) -> Painter:
    """How this guest draws."""
    if guest.has_gpu:
        return OnGpu(guest, wake)
    return InBands(guest, clock, wake) if guest.render_ns else AtOnce(guest)
