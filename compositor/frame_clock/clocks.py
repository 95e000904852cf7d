"""The frame clocks that show what they paint at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from compositor.frame_clock.panel import Scheduler, VblankGrid


class FrameClock(Protocol):
    """Decides when the repaint that was asked for happens.

    Attributes:
        missed_vblanks: Vblanks that passed between the one a frame was meant for and the one that showed it.
    """

    missed_vblanks: int

    def schedule(self) -> None:
        """A repaint is wanted; asking again before it happened changes nothing."""

    def cancel(self) -> None:
        """Frames that wait for their vblank are not shown; a repaint that is scheduled still comes."""


class AtVblank:
    """Repaints at the vblank, of all that came before it, and shows at once.

    Args:
        clock: The run's.
        grid: The vblanks.
        repaint: Paints and shows.

    Attributes:
        missed_vblanks: Vblanks that passed while a repaint was due and did not happen.
    """

    def __init__(self, clock: Scheduler, grid: VblankGrid, repaint: Callable[[], None]) -> None:
        self.missed_vblanks = 0
        self._clock = clock
        self._grid = grid
        self._repaint = repaint
        self._due_ns: int | None = None

    def schedule(self) -> None:
        """Repaint at the next vblank; what comes at that very moment is too late for it."""
        if self._due_ns is None:
            self._due_ns = self._grid.next_vblank_ns()
            self._clock.call_at(self._due_ns, self._fire)

    def _fire(self) -> None:
        assert self._due_ns is not None
        self.missed_vblanks += max(0, self._grid.last_vblank() - self._grid.index_at(self._due_ns))
        self._due_ns = None
        self._repaint()

    def cancel(self) -> None:
        """See `FrameClock.cancel`: what it paints is shown at once."""


class OnDemand:
    """Repaints at once, or when the work that this is has taken its time, at most every `min_interval_ns`."""

    def __init__(
        self,
        clock: Scheduler,
        repaint: Callable[[], None],
        *,
        min_interval_ns: int = 0,
        latency_ns: int = 0,
    ) -> None:
        self.missed_vblanks = 0
        self._clock = clock
        self._repaint = repaint
        self._min_interval_ns = min_interval_ns
        self._latency_ns = latency_ns
        self._earliest_ns = 0
        self._scheduled = False

    def schedule(self) -> None:
        """Repaint after the latency, or as soon as the last frame has been shown for long enough."""
        if self._scheduled:
            return
        now_ns = self._clock.now_ns()
        due_ns = max(now_ns + self._latency_ns, self._earliest_ns)
        if now_ns >= due_ns:
            self._run()
        else:
            self._scheduled = True
            self._clock.call_at(due_ns, self._run)

    def _run(self) -> None:
        self._scheduled = False
        self._earliest_ns = self._clock.now_ns() + self._min_interval_ns
        self._repaint()

    def cancel(self) -> None:
        """See `FrameClock.cancel`: what it paints is shown at once."""


class Told:
    """Never repaints by itself: whoever replays a recording does it."""

    missed_vblanks = 0

    def schedule(self) -> None:
        """The recording says when."""

    def cancel(self) -> None:
        """See `FrameClock.cancel`: what is painted is shown at once."""
