"""Repaints one output when its frame clock says so, and tells everybody what was presented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from compositor.frame_clock import (
    AtVblank,
    FrameClock,
    OnDemand,
    Paced,
    Pacing,
    Panel,
    Scheduler,
    Told,
    VblankGrid,
)
from compositor.frame_clock.timing import INFINITELY_FAST, TimingModel
from compositor.observe.digest import Digest
from compositor.observe.statistics import OutputStatistics
from compositor.output.output import Frame, Mode, Output
from compositor.output.presentation import NO_FLAGS, PresentationFlags
from compositor.screen.headless import Screen

Repaint = Literal["vblank", "flush", "recorded"]
Listener = Callable[[Frame], None]

_MODELLED = PresentationFlags.HW_CLOCK | PresentationFlags.HW_COMPLETION


class Presenter:
    """One output at run time.

    Args:
        output: The output; where it has a pacing or a variable refresh rate, they rule.
        scheduler: The run's clock.
        screen: Where frames are shown.
        digest: Where they are counted.
        repaint: "vblank" on the vblank grid, "flush" on demand (see `compositor.frame_clock`), "recorded"
            when a replay says so.
        min_interval_ns: Between two repaints on demand.
        repaint_delay_ns: On the grid, of outputs without a pacing of their own: how long after a vblank the
            repaint begins, for the next vblank to show. 0: at the very vblank that shows it.
        timing: What painting costs on the virtual clock.
        exact: Whether the run's clock is also the monitor's, as the virtual one is.

    Attributes:
        grid: The vblanks of the output's refresh rate.
        statistics: What was presented, and when.
        listeners: Called with every frame that is presented, in order, before its buffers are released.
        on_blank: Called before a guest takes its picture off the output.
        on_commit: Called with every frame that is committed now and presented later, before the guests hear
            of it.
        told: The clock of a replay; None in any other run.

    Raises:
        BadInput: The output's refresh period is too short for its pacing.
    """

    def __init__(
        self,
        output: Output,
        scheduler: Scheduler,
        *,
        screen: Screen,
        digest: Digest | None = None,
        repaint: Repaint = "vblank",
        min_interval_ns: int = 0,
        repaint_delay_ns: int = 0,
        timing: TimingModel = INFINITELY_FAST,
        exact: bool = False,
    ) -> None:
        self.output = output
        output.one_plane = screen.one_plane
        self.grid = VblankGrid(scheduler, output.mode.refresh_mhz)
        self.listeners: list[Listener] = []
        self.on_blank: Callable[[], None] | None = None
        self.on_commit: Listener | None = None
        self.told: Told | None = None
        self._statistics = OutputStatistics(output.name, str(output.mode))
        self._scheduler = scheduler
        self._screen = screen
        self._digest = digest
        self._timing = timing
        self._panel: Panel = self.grid if output.variable_refresh is None else output.variable_refresh
        pacing = output.pacing
        if pacing is None and (repaint_delay_ns or timing.frame_ns or self._panel is not self.grid):
            pacing = Pacing(delay_ns=repaint_delay_ns)
        self._clock = self._frame_clock(repaint, pacing, min_interval_ns)
        synced = repaint == "vblank" or isinstance(self._clock, Paced)
        self._flags = (PresentationFlags.VSYNC if synced else NO_FLAGS) | (_MODELLED if exact else NO_FLAGS)

    def _frame_clock(self, repaint: Repaint, pacing: Pacing | None, min_interval_ns: int) -> FrameClock:
        if repaint == "recorded":
            self.told = Told(self._scheduler, self)
            return self.told
        if repaint == "flush" and self.output.pacing is None and self._panel is self.grid:
            latency_ns = self._timing.frame_ns + self._timing.scanout_ns
            return OnDemand(
                self._scheduler, self.repaint, min_interval_ns=min_interval_ns, latency_ns=latency_ns
            )
        if pacing is not None:
            return Paced(self._scheduler, self._panel, self, pacing, self._timing)
        return AtVblank(self._scheduler, self.grid, self.repaint)

    def schedule(self) -> None:
        """Something on the output changed; while no monitor is plugged in, nobody sees it."""
        if self.output.plugged:
            self._clock.schedule()

    def set_mode(self, mode: str | Mode) -> None:
        """Switch the output to another mode, from the next frame on.

        Raises:
            BadInput: No such mode; the output goes on as it was.
        """
        self.output.set_mode(mode)
        self.grid.refresh_mhz = self.output.mode.refresh_mhz
        self._statistics.mode = str(self.output.mode)
        self.schedule()

    def plug(self, screen: Screen) -> None:
        """A monitor is plugged in: show everything on it, anew."""
        self._screen = screen
        self.output.one_plane = screen.one_plane
        self.output.plugged = True
        self.output.repaint()
        self.schedule()

    def unplug(self) -> None:
        """The monitor is gone; frames that wait for their vblank are discarded."""
        self.output.plugged = False
        self.close()

    def blank(self) -> None:
        """A guest is about to take its picture off the output."""
        if self.on_blank is not None:
            self.on_blank()

    def repaint(self) -> None:
        """Commit what is damaged, and show it at once; nothing at all happens when nothing is."""
        frame = self.output.commit(self._scheduler.now_ns()) if self.output.plugged else None
        if frame is not None:
            frame.latch()
            self.show(frame, frame.present_time_ns)

    def paint(self) -> Frame | None:
        """For the frame clock: commit what is damaged, to be shown later; None when nothing is."""
        if not self.output.plugged:
            return None
        frame = self.output.commit(self._scheduler.now_ns(), deferred=True)
        if frame is not None and self.on_commit is not None:
            self.on_commit(frame)
        return frame

    def show(self, frame: Frame, time_ns: int) -> None:
        """For the frame clock: the frame is on the screen, since `time_ns`."""
        frame.present_time_ns = time_ns
        frame.refresh_ns, frame.refresh_seq = self._panel.refresh_ns, self._panel.sequence(time_ns)
        frame.flags = self._flags
        uploaded = self._screen.upload_bytes
        self._screen.show(self.output, frame)
        frame.upload_bytes = self._screen.upload_bytes - uploaded
        if self._digest is not None:
            self._digest.add(frame)
        self._statistics.presented(frame)
        for listener in tuple(self.listeners):
            listener(frame)
        frame.release()

    def statistics(self) -> OutputStatistics:
        """The counters up to now, the screen's and the clock's included."""
        self._statistics.upload_bytes = self._screen.upload_bytes
        self._statistics.missed_vblanks = self._clock.missed_vblanks
        return self._statistics

    def close(self) -> None:
        """Give the screen back; frames that wait for their vblank are discarded."""
        self._clock.cancel()
        self._screen.close()
