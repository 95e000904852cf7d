"""Repaints one output when its frame clock says so, shows what was painted, and counts it.

`Presenting` makes the presenters of a machine, and what their outputs are shown on: a window, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.frame_clock import (
    AtVblank,
    FrameClock,
    OnDemand,
    Paced,
    Pacing,
    Panel,
    Recorded,
    Scheduler,
    VblankGrid,
)
from compositor.frame_clock.timing import INFINITELY_FAST, TimingModel
from compositor.machine.pictures import Pictures
from compositor.observe.digest import Digest
from compositor.observe.statistics import OutputStatistics
from compositor.output.output import Frame, Mode, Output
from compositor.output.submission import NO_FLAGS, PresentationFlags
from compositor.screen import Renderer
from compositor.screen.headless import HeadlessScreen, Screen
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS

Repaint = Literal["vblank", "flush", "recorded"]

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
        on_fault: Called with what a repaint raises within the call that asks for it, which is some guest's
            turn; None: that call raises it.

    Attributes:
        output: As given.
        statistics: What was presented, and when.
        on_commit: Called with every frame that is committed now and presented later, before the guests hear
            of it.
        recorded: The clock of a replay; None in any other run.

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
        on_fault: Callable[[BaseException], None] | None = None,
    ) -> None:
        self.output = output
        output.one_plane = screen.one_plane
        self.on_commit: Callable[[Frame], None] | None = None
        self.recorded: Recorded | None = None
        self._statistics = OutputStatistics(output.name, str(output.mode))
        self._counted_before = (0, 0)
        self._scheduler = scheduler
        self._screen = screen
        self._digest = digest
        self._timing = timing
        self._panel: Panel = output.grid if output.variable_refresh is None else output.variable_refresh
        pacing = output.pacing
        if pacing is None and (repaint_delay_ns or timing.frame_ns or self._panel is not output.grid):
            pacing = Pacing(delay_ns=repaint_delay_ns)
        self._clock = self._frame_clock(repaint, pacing, min_interval_ns)
        self._on_demand = isinstance(self._clock, OnDemand | Recorded)  # shows when it likes
        self._on_fault = on_fault
        self._asked_ns: int | None = None  # for the frame that is committed next
        self._under_way: dict[int, int] = {}  # commits that are not on the screen: when they were asked for
        self._shown_ns: int | None = None
        output.on_needs_frame = self._schedule
        synced = repaint == "vblank" or isinstance(self._clock, Paced)
        self._flags = (PresentationFlags.VSYNC if synced else NO_FLAGS) | (_MODELLED if exact else NO_FLAGS)

    def _schedule(self) -> None:
        if self._asked_ns is None:
            self._asked_ns = self._scheduler.now_ns()
        try:
            self._clock.schedule()
        except Exception as error:
            if self._on_fault is None:
                raise
            self._on_fault(error)

    def _frame_clock(self, repaint: Repaint, pacing: Pacing | None, min_interval_ns: int) -> FrameClock:
        if repaint == "recorded":
            self.recorded = Recorded(self._scheduler, self)
            return self.recorded
        if repaint == "flush" and self.output.pacing is None and self._panel is self.output.grid:
            latency_ns = self._timing.frame_ns + self._timing.scanout_ns
            grid = self.output.grid
            return OnDemand(
                self._scheduler, self, grid, min_interval_ns=min_interval_ns, latency_ns=latency_ns
            )
        if pacing is not None:
            return Paced(self._scheduler, self._panel, self, pacing, self._timing)
        return AtVblank(self._scheduler, self.output.grid, self)

    @property
    def frame_clock(self) -> FrameClock:
        """Says when it repaints."""
        return self._clock

    def set_mode(self, mode: str | Mode) -> None:
        """Switch the output to another mode, from the next frame on.

        Raises:
            BadInput: No such mode; the output goes on as it was.
        """
        self.output.set_mode(mode)
        self._statistics.mode = str(self.output.mode)

    def plug(self, screen: Screen) -> None:
        """A monitor is plugged in: show everything on it, anew."""
        self._screen = screen
        self.output.one_plane = screen.one_plane
        self.output.plug()

    def unplug(self) -> None:
        """The monitor is gone; frames that wait for their vblank are discarded."""
        self.output.unplug()
        self.close()

    @property
    def can_wait(self) -> bool:
        """For the frame clock: whether only cursors have changed."""
        return self.output.can_wait

    def repaint(self) -> Frame | None:
        """For the frame clock: commit what is damaged, to be shown at once; None when nothing is."""
        frame = self._commit(deferred=False)
        if frame is not None:
            frame.latch()
        return frame

    def paint(self) -> Frame | None:
        """For the frame clock: commit what is damaged, to be shown later; None when nothing is."""
        frame = self._commit(deferred=True)
        if frame is not None and self.on_commit is not None:
            self.on_commit(frame)
        return frame

    def _commit(self, *, deferred: bool) -> Frame | None:
        asked_ns, self._asked_ns = self._asked_ns, None
        if not self.output.plugged:
            return None
        frame = self.output.commit(self._scheduler.now_ns(), deferred=deferred)
        if frame is not None and asked_ns is not None:
            self._under_way[frame.commit_seq] = asked_ns
        return frame

    def _count_missed(self, frame: Frame) -> None:
        """Count the vblanks since the frame before, or since this one was asked for, whichever is later."""
        asked_ns = self._under_way.pop(frame.commit_seq, None)
        if asked_ns is not None and isinstance(self._panel, VblankGrid) and not self._on_demand:
            since_ns = asked_ns if self._shown_ns is None else max(asked_ns, self._shown_ns)
            passed = self._panel.index_at(frame.present_time_ns) - self._panel.index_at(since_ns)
            self._statistics.missed_vblanks += max(0, passed - 1)
        self._shown_ns = frame.present_time_ns

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
        self._count_missed(frame)
        for listener in tuple(self.output.listeners):
            listener(frame)
        frame.release()

    def statistics(self) -> OutputStatistics:
        """The counters up to now, the screen's and the clock's included."""
        uploaded, read_back = self._counted_before
        self._statistics.upload_bytes = self._screen.upload_bytes - uploaded
        self._statistics.readback_bytes = self.output.readback_bytes - read_back
        return self._statistics

    def start_over(self) -> None:
        """Count from 0."""
        self._statistics.start_over()
        self._counted_before = (self._screen.upload_bytes, self.output.readback_bytes)

    def close(self) -> None:
        """Give the screen back; frames that wait for their vblank are discarded."""
        self._clock.cancel()
        self._under_way.clear()
        self._asked_ns = self._shown_ns = None
        self._screen.close()


@dataclass(frozen=True, slots=True)
class Presenting:
    """What holds for all outputs of a machine.

    Attributes:
        repaint: As `Machine` takes it.
        delay_ns: As `Machine` takes `repaint_delay_ns`.
        timing: What the host's work costs.
        window: Whether there is a window for each output.
        digest: Where frames are counted.
        on_fault: Called with what goes wrong in a repaint inside of a guest's turn: it is the host's fault.
        on_closed: Called when a user closed a window, or with the error of its driver.
        on_screenshot: Called when a user asks for a screenshot in a window: the output's name, its picture.
        renderer: Who composes what windows show.
    """

    repaint: Repaint
    delay_ns: int
    timing: TimingModel
    window: bool
    digest: Digest | None
    on_fault: Callable[[BaseException], None]
    on_closed: Callable[[BaseException | None], None]
    on_screenshot: Callable[[str, NDArray[np.uint8]], None] | None
    renderer: Renderer

    def presenter(self, output: Output, clock: Clock, pictures: Pictures) -> Presenter:
        """Begin to repaint an output, and to show it where a monitor is plugged in.

        Raises:
            BadInput: The repaint's delay is longer than a period.
            ScreenError: There is no display for a window.
        """
        period_ns = -(-1_000 * NANOSECONDS // output.mode.refresh_mhz)
        if not 0 <= self.delay_ns < period_ns:
            raise BadInput(f"repaint_delay_ns {self.delay_ns}: a period of {output.name} has {period_ns} ns")
        presenter = Presenter(
            output,
            clock,
            screen=self.screen(output, pictures) if output.plugged else HeadlessScreen(),
            digest=self.digest,
            repaint=self.repaint,
            min_interval_ns=period_ns if self.window else 0,
            repaint_delay_ns=self.delay_ns,
            timing=self.timing,
            exact=isinstance(clock, Calendar),
            on_fault=self.on_fault,
        )
        output.listeners.append(pictures.presented)
        output.on_blank = lambda: pictures.keep(output.name)
        return presenter

    def screen(self, output: Output, pictures: Pictures) -> Screen:
        """What an output with a monitor is shown on.

        Raises:
            ScreenError: There is no display for a window.
        """
        if not self.window:
            return HeadlessScreen()
        # Where there is no window there need be no pyglet.
        from compositor.screen.window import WindowScreen  # noqa: PLC0415

        def wants_screenshot() -> None:
            if self.on_screenshot is not None and pictures.has(output.name):
                self.on_screenshot(output.name, pictures.get(output.name))

        screen = WindowScreen(
            output,
            on_close=lambda: self.on_closed(screen.error),
            on_screenshot=wants_screenshot,
            renderer=self.renderer,
        )
        output.screen_composes = screen.composes
        return screen
