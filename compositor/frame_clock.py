"""When an output is repainted.

`FixedRefresh` is a monitor: frames appear on a grid of vblanks, and what arrives between two of them
waits, so that several guests share one repaint. A compositor that gives its clients time repaints some
while after a vblank, for the next one to show. `OnDemand` follows the guest, like a variable-refresh
panel: a frame is presented as soon as it is flushed, but never sooner than `min_interval_ns` after the
last one. A real kernel's virtio-gpu driver has a vblank timer of its own with no phase in common with the
host's; a fixed grid would halve its rate for an unlucky phase (its flip waits for the flush's fence), so
real guests get `OnDemand`. `Told` is for replays, which know when a frame was presented.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

# 10**12: millihertz times nanoseconds in one cycle per second.
_MILLIHERTZ_NS = 1_000_000_000_000


class Scheduler(Protocol):
    """The part of a clock that a frame clock needs."""

    def now_ns(self) -> int:
        """The time now, nanoseconds."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> object:
        """Run `callback` at `when_ns`."""


class FrameClock(Protocol):
    """Decides when the repaint that was asked for happens."""

    missed_vblanks: int

    def schedule(self) -> None:
        """A repaint is wanted; asking again before it happened changes nothing."""


class VblankGrid:
    """The vblanks of a refresh rate, k / refresh: exact in integers, no drift after any number of frames.

    Attributes:
        refresh_mhz: Thousandths of a hertz; may change while running.
    """

    def __init__(self, clock: Scheduler, refresh_mhz: int) -> None:
        self._clock = clock
        self.refresh_mhz = refresh_mhz

    def vblank_ns(self, index: int) -> int:
        """Time of vblank number `index`, rounded up to a nanosecond."""
        return -(-index * _MILLIHERTZ_NS // self.refresh_mhz)

    def index_at(self, time_ns: int) -> int:
        """Number of the last vblank at `time_ns`, the one at that very moment included."""
        return time_ns * self.refresh_mhz // _MILLIHERTZ_NS

    def last_vblank(self) -> int:
        """Number of the last vblank, the one at this very moment included."""
        return self.index_at(self._clock.now_ns())

    def next_vblank_ns(self) -> int:
        """Time of the first vblank after this moment."""
        return self.vblank_ns(self.last_vblank() + 1)


class FixedRefresh:
    """Repaints on a vblank grid.

    Args:
        clock: The run's.
        grid: The vblanks.
        repaint: What to call.
        delay_ns: How long after a vblank; less than a period.

    Attributes:
        missed_vblanks: Vblanks that passed while a repaint was due and did not happen.
    """

    def __init__(
        self, clock: Scheduler, grid: VblankGrid, repaint: Callable[[], None], *, delay_ns: int = 0
    ) -> None:
        self.missed_vblanks = 0
        self._clock = clock
        self._grid = grid
        self._repaint = repaint
        self._delay_ns = delay_ns
        self._due_ns: int | None = None

    def schedule(self) -> None:
        """Repaint at the next vblank, or so long after one; what comes at that very moment is too late."""
        if self._due_ns is None:
            last = self._grid.index_at(self._clock.now_ns() - self._delay_ns)
            self._due_ns = self._grid.vblank_ns(last + 1) + self._delay_ns
            self._clock.call_at(self._due_ns, self._fire)

    def _fire(self) -> None:
        assert self._due_ns is not None
        self.missed_vblanks += max(0, self._grid.last_vblank() - self._grid.index_at(self._due_ns))
        self._due_ns = None
        self._repaint()


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


class Told:
    """Never repaints by itself: whoever replays a recording does it."""

    missed_vblanks = 0

    def schedule(self) -> None:
        """The recording says when."""
