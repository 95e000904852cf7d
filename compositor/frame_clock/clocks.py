"""The frame clocks that show what they paint at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from compositor.output.frame import Frame
from compositor.output.panel import VblankGrid


class Scheduler(Protocol):
    """The part of a clock that a frame clock needs; virtio's clocks, which it may not import, have it."""

    def now_ns(self) -> int:
        """The time now, nanoseconds."""

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> object:
        """Run `callback` at `when_ns`."""


class Tick(partial[None]):
    """A callback of a frame clock.

    Attributes:
        recurs: It comes with every frame by itself: a calendar does not take it for a plan.
    """

    recurs = True


class Stage(Protocol):
    """What paints and shows."""

    @property
    def can_wait(self) -> bool:
        """Whether no guest waits for the repaint that is wanted: nothing but cursors has changed."""

    def repaint(self) -> Frame | None:
        """Commit a frame that is shown at once; None when there is nothing to do."""

    def paint(self) -> Frame | None:
        """Commit a frame that will be shown later; None when there is nothing to do."""

    def show(self, frame: Frame, time_ns: int) -> None:
        """The frame is on the screen."""


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
        stage: What paints and shows.

    Attributes:
        missed_vblanks: Vblanks that passed while a repaint was due and did not happen.
    """

    def __init__(self, clock: Scheduler, grid: VblankGrid, stage: Stage) -> None:
        self.missed_vblanks = 0
        self._clock = clock
        self._grid = grid
        self._stage = stage
        self._due_ns: int | None = None

    def schedule(self) -> None:
        """Repaint at the next vblank; what comes at that very moment is too late for it."""
        if self._due_ns is None:
            self._due_ns = self._grid.after(self._clock.now_ns())
            self._clock.call_at(self._due_ns, Tick(self._fire))

    def _fire(self) -> None:
        assert self._due_ns is not None
        last = self._grid.index_at(self._clock.now_ns())
        self.missed_vblanks += max(0, last - self._grid.index_at(self._due_ns))
        self._due_ns = None
        frame = self._stage.repaint()
        if frame is not None:
            self._stage.show(frame, frame.present_time_ns)

    def cancel(self) -> None:
        """See `FrameClock.cancel`: what it paints is shown at once."""


class OnDemand:
    """Repaints at once, or when the work that this is has taken its time, at most every `min_interval_ns`.

    A guest may move its cursor any number of times between two flushes, and waits for none of them: a repaint
    that can wait comes a refresh after the last frame at the earliest, as on a monitor of the guest's own.
    """

    def __init__(
        self,
        clock: Scheduler,
        stage: Stage,
        grid: VblankGrid,
        *,
        min_interval_ns: int = 0,
        latency_ns: int = 0,
    ) -> None:
        self.missed_vblanks = 0
        self._clock = clock
        self._stage = stage
        self._grid = grid
        self._min_interval_ns = min_interval_ns
        self._latency_ns = latency_ns
        self._earliest_ns = self._next_refresh_ns = 0
        self._due_ns: int | None = None

    def schedule(self) -> None:
        """Repaint after the latency, or as soon as the last frame has been shown for long enough."""
        now_ns = self._clock.now_ns()
        due_ns = max(now_ns + self._latency_ns, self._earliest_ns)
        if self._stage.can_wait:
            due_ns = max(due_ns, self._next_refresh_ns)
        if self._due_ns is not None and self._due_ns <= due_ns:
            return
        if now_ns >= due_ns:
            self._run()
        else:
            self._due_ns = due_ns
            self._clock.call_at(due_ns, Tick(self._keep, due_ns))

    def _keep(self, due_ns: int) -> None:
        if due_ns == self._due_ns:  # else something urgent came before
            self._run()

    def _run(self) -> None:
        self._due_ns = None
        now_ns = self._clock.now_ns()
        self._earliest_ns = now_ns + self._min_interval_ns
        frame = self._stage.repaint()
        if frame is not None:
            self._next_refresh_ns = now_ns + self._grid.period_ns
            self._stage.show(frame, frame.present_time_ns)

    def cancel(self) -> None:
        """See `FrameClock.cancel`: what it paints is shown at once."""


class Recorded:
    """Never repaints by itself: the replay of a recording does it.

    Args:
        clock: The run's.
        stage: What paints and shows.
    """

    missed_vblanks = 0

    def __init__(self, clock: Scheduler, stage: Stage) -> None:
        self._clock = clock
        self._stage = stage
        self._waiting: deque[Frame] = deque()

    def schedule(self) -> None:
        """The recording says when."""

    def commit(self) -> None:
        """Paint a frame that will be shown later."""
        frame = self._stage.paint()
        if frame is not None:
            self._waiting.append(frame)
            frame.latch()

    def show(self) -> None:
        """Show what was committed first and waits; when nothing does, what is to be painted now."""
        frame = self._waiting.popleft() if self._waiting else self._stage.repaint()
        if frame is not None:
            self._stage.show(frame, self._clock.now_ns())

    def cancel(self) -> None:
        """See `FrameClock.cancel`."""
        while self._waiting:
            self._waiting.popleft().discard()
