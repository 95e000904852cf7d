"""A frame clock with a pipeline: begun, painted, finished, and on the screen at the vblank after that.

A frame goes through two stages, each of which does one frame at a time: the compositor (what painting takes
on the clock, and `TimingModel.compose_ns` on top), then the GPU (`TimingModel.render_ns`). The panel
shows it when both are through. With double buffering the next frame is begun when the last one is on the
screen, so that frames that take a little longer than one refresh appear at every second one, 30 a second
at 60 Hz, though neither stage is busy half of the time. With triple buffering the stages work on two frames
at a time, every refresh gets one, and each is as much later as it needs to be.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from compositor.frame_clock.clocks import Scheduler, Stage, Tick
from compositor.frame_clock.timing import TimingModel
from compositor.output.frame import Frame
from compositor.output.pacing import CostEstimate, Pacing
from compositor.output.panel import Panel, VblankGrid

_BEFORE_ALL = -(1 << 62)


class _Waiting(NamedTuple):
    frame: Frame
    show_ns: int


class Paced:
    """Begins frames as a `Pacing` says, and shows them when the panel can.

    Args:
        clock: The run's.
        panel: The monitor.
        stage: Who paints and shows.
        pacing: When.
        timing: What painting costs on the virtual clock.

    Attributes:
        missed_vblanks: See `FrameClock`.
        expected: What the next frame is expected to cost. Before the first it is a whole refresh, for that
            is when a compositor without experience should begin.

    Raises:
        BadInput: The panel has no time for this pacing.
    """

    def __init__(
        self, clock: Scheduler, panel: Panel, stage: Stage, pacing: Pacing, timing: TimingModel
    ) -> None:
        pacing.check(panel)
        self.missed_vblanks = 0
        self.expected = CostEstimate(max(0, panel.period_ns - pacing.margin_ns))
        self._clock = clock
        self._panel = panel
        self._stage = stage
        self._pacing = pacing
        self._timing = timing
        self._wanted = self._armed = self._late = False
        self._waiting: deque[_Waiting] = deque()
        self._target_ns = _BEFORE_ALL  # of the frame begun last
        self._last_ns = _BEFORE_ALL  # when that one is on the screen
        self._compositor_free_ns = self._gpu_free_ns = 0

    def schedule(self) -> None:
        """Begin a frame when it is time to."""
        self._wanted = True
        self._arm()

    def _arm(self) -> None:
        """Make the appointment to begin, if a frame is wanted."""
        if self._wanted and not self._armed:
            begin_ns, self._target_ns = self._plan()
            self._armed = True
            self._clock.call_at(begin_ns, Tick(self._begin))

    def _free_ns(self) -> int:
        """When the compositor has time for another frame, and the pipeline room."""
        slow = self.expected.ns + self._pacing.margin_ns > self._panel.period_ns
        room = self._pacing.frames if slow or self._late else 1
        full = len(self._waiting) >= room
        return max(self._compositor_free_ns, self._waiting[-room].show_ns if full else 0)

    def _plan(self) -> tuple[int, int]:
        """When to begin the next frame, and for which vblank; what comes at that very moment is too late."""
        now_ns, free_ns = self._clock.now_ns(), self._free_ns()
        lead_ns = self._pacing.lead_ns(self.expected.ns)
        if not isinstance(self._panel, VblankGrid):
            begin_ns = max(now_ns, free_ns, self._last_ns + self._panel.period_ns - lead_ns)
            return begin_ns, self._panel.first(begin_ns + lead_ns, self._last_ns)
        index = self._panel.index_at(max(now_ns, self._last_ns)) + 1
        while (begin_ns := self._begin_ns(self._panel, index, lead_ns)) < max(now_ns + 1, free_ns):
            index += 1
        return begin_ns, self._panel.vblank_ns(index)

    def _begin_ns(self, grid: VblankGrid, index: int, lead_ns: int) -> int:
        if self._pacing.delay_ns is None:
            return grid.vblank_ns(index) - lead_ns
        return grid.vblank_ns(index - 1) + self._pacing.delay_ns

    def _begin(self) -> None:
        self._armed = self._wanted = False
        begun_ns = self._clock.now_ns()
        frame = self._stage.paint()
        if frame is None:
            return
        show_ns = self._finish(begun_ns)
        if show_ns <= self._clock.now_ns():  # painting took no time
            frame.latch()
            self._stage.show(frame, show_ns)
        else:
            waiting = _Waiting(frame, show_ns)
            self._waiting.append(waiting)
            self._clock.call_at(show_ns, Tick(self._flip, waiting))
            frame.latch()
        self._arm()

    def _flip(self, waiting: _Waiting) -> None:
        if self._waiting and self._waiting[0] is waiting:  # else it was cancelled
            self._waiting.popleft()
            self._stage.show(*waiting)

    def _finish(self, begun_ns: int) -> int:
        """When the frame that was painted since `begun_ns` is on the screen."""
        timing = self._timing
        self._compositor_free_ns = painted_ns = self._clock.now_ns() + timing.compose_ns
        self._gpu_free_ns = ready_ns = max(painted_ns, self._gpu_free_ns) + timing.render_ns
        self.expected.add(painted_ns - begun_ns + timing.render_ns)
        self._last_ns = self._panel.first(ready_ns, self._last_ns)
        late = self._panel.sequence(self._last_ns) - self._panel.sequence(self._target_ns)
        self.missed_vblanks += max(0, late)
        self._late = late > 0
        return self._last_ns

    def cancel(self) -> None:
        """See `FrameClock.cancel`; the surfaces in those frames hear that they were discarded."""
        while self._waiting:
            self._waiting.popleft().frame.discard()
