"""Repaints one output when its frame clock says so, and tells everybody what was presented."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from compositor.frame_clock import FixedRefresh, FrameClock, OnDemand, Scheduler, Told, VblankGrid
from compositor.observe.digest import Digest
from compositor.observe.statistics import OutputStatistics
from compositor.output import Frame, Mode, Output
from compositor.screen.headless import Screen

Repaint = Literal["vblank", "flush", "recorded"]
Listener = Callable[[Frame], None]


class Presenter:
    """One output at run time.

    Args:
        output: The output.
        scheduler: The run's clock.
        screen: Where frames are shown.
        digest: Where they are counted.
        repaint: "vblank" on the vblank grid, "flush" on demand (see `compositor.frame_clock`), "recorded"
            when a replay says so.
        min_interval_ns: Between two repaints on demand.
        latency_ns: From a wish to repaint to the frame on the screen, on demand.
        repaint_delay_ns: On the grid: how long after a vblank the repaint begins, for the next vblank to
            show. 0: at the very vblank that shows it.

    Attributes:
        grid: The vblanks of the output's refresh rate.
        statistics: What was presented, and when.
        listeners: Called with every frame that is presented, in order, before its buffers are released.
        on_blank: Called before a guest takes its picture off the output.
        on_commit: Called with every frame that is committed now and presented later, before the guests hear
            of it.
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
        latency_ns: int = 0,
        repaint_delay_ns: int = 0,
    ) -> None:
        self.output = output
        self.grid = VblankGrid(scheduler, output.mode.refresh_mhz)
        self.listeners: list[Listener] = []
        self.on_blank: Callable[[], None] | None = None
        self.on_commit: Listener | None = None
        self._statistics = OutputStatistics(output.name, str(output.mode))
        self._scheduler = scheduler
        self._screen = screen
        self._digest = digest
        self._delay_ns = repaint_delay_ns
        self._latched: Frame | None = None
        self._clock = self._frame_clock(repaint, min_interval_ns, latency_ns)

    def _frame_clock(self, repaint: Repaint, min_interval_ns: int, latency_ns: int) -> FrameClock:
        if repaint == "vblank":
            return FixedRefresh(self._scheduler, self.grid, self.repaint, delay_ns=self._delay_ns)
        if repaint == "flush":
            return OnDemand(
                self._scheduler, self.repaint, min_interval_ns=min_interval_ns, latency_ns=latency_ns
            )
        return Told()

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
        self.output.plugged = True
        self.output.repaint()
        self.schedule()

    def unplug(self) -> None:
        """The monitor is gone; a frame that waits for its vblank is not shown any more."""
        self.output.plugged = False
        self.close()

    def blank(self) -> None:
        """A guest is about to take its picture off the output."""
        if self.on_blank is not None:
            self.on_blank()

    def repaint(self) -> None:
        """Commit what is damaged; nothing at all happens when nothing is."""
        if not self.output.plugged:
            return
        if self._latched is not None:  # the mode, and with it the grid, changed in between
            self.schedule()
            return
        if self._delay_ns:
            when_ns = self.grid.next_vblank_ns()
            if self.commit(when_ns):
                self._scheduler.call_at(when_ns, self.flip)
            return
        frame = self.output.commit(self._scheduler.now_ns())
        if frame is not None:
            frame.latch()
            self._present(frame)

    def commit(self, when_ns: int) -> bool:
        """Commit what is damaged, for `flip` to present at `when_ns`.

        Returns:
            False when nothing is.
        """
        frame = self._latched = self.output.commit(when_ns)
        if frame is None:
            return False
        if self.on_commit is not None:
            self.on_commit(frame)
        frame.latch()
        return True

    @property
    def committed(self) -> bool:
        """Whether a frame waits to be presented."""
        return self._latched is not None

    def flip(self) -> None:
        """Present the frame that waits for it, if there is one."""
        frame, self._latched = self._latched, None
        if frame is not None:
            self._present(frame)

    def _present(self, frame: Frame) -> None:
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
        """Give the screen back; a frame that waits for its vblank is not shown any more."""
        self._latched = None
        self._screen.close()
