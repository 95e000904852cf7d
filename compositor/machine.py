"""The machine: outputs, a clock and the guests attached to them, as one async context manager.

    async with Machine(outputs=["1024x768@60"], clock="virtual", seed=7) as machine:
        await machine.attach(SimulatedGuest("gears"))
        frame = await machine.next_frame()

On the virtual clock time passes only inside `run` and `next_frame`, from one event to the next and as fast
as it goes. On the real clock it passes by itself.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from compositor import __version__
from compositor.attachment import Attachment, Seat, ServedAttachment, SimulatedAttachment
from compositor.errors import BadInput, Misuse
from compositor.frame import Frame
from compositor.mode import Mode
from compositor.observe.digest import Digest
from compositor.observe.statistics import document
from compositor.output import Output
from compositor.pictures import Pictures
from compositor.presenter import Presenter, Repaint
from compositor.record.player import Player
from compositor.record.recorder import Recorder
from compositor.record.recording import Recording
from compositor.render import blend
from compositor.run import Run, StopReason
from compositor.scanout import Placement
from compositor.screen.headless import HeadlessScreen, Screen
from compositor.timing import INFINITELY_FAST, TimingModel
from guest.linux.options import guest_seed
from guest.real import LinuxGuest
from guest.simulated import SimulatedGuest
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS
from virtio.clock.pace import CalendarPace
from virtio.clock.real import RealClock
from virtio.clock.time_travel import TimeTravel
from virtio.errors import ScanoutError

# Seconds of real time after which a guest that stops time, and says nothing, is taken for hung.
PATIENCE_S = 30.0


def report_line(line: str) -> None:
    """The default for what goes wrong and is dealt with: one line on standard error."""
    print(f"scanout: {line}", file=sys.stderr)


class Machine:
    """Outputs, guests and a clock.

    Args:
        outputs: Monitors, 1 to 16, as `Output` or mode strings.
        clock: "virtual" (deterministic, as fast as it goes) or "real".
        repaint: "vblank" repaints on the grid of the refresh rate; "flush" as soon as a guest flushes,
            for guests with a clock of their own (see `compositor.frame_clock`); "recorded" when `replay`
            comes to a frame, and never else.
        repaint_delay_ns: With "vblank": how long after a vblank the host's compositor repaints, for the next
            one to show, so that late guests make it; less than a period. 0: at the very vblank.
        seed: Of all that is random; simulated guests without a seed of their own count on from it.
        window: Show the outputs in windows (real clock only).
        digest: Fold a checksum of every presented frame into the statistics' digest.
        report: Gets one line for everything that goes wrong with a guest and is dealt with.
        echo: Gets the consoles of real guests, as they print.
        on_screenshot: Somebody at a window asked for a screenshot: gets the output's name and its picture.
        timing: What the work of devices and host costs on the virtual clock.
        patience_s: Seconds of real time in which a guest that makes virtual time stand still must be
            heard of.
        record: A file to record everything into (see `compositor.record`).

    Raises:
        BadInput: No output or more than 16, an impossible mode, a window on the virtual clock.
    """

    def __init__(
        self,
        *,
        outputs: Sequence[Output | str] = ("1024x768@60",),
        clock: Literal["virtual", "real"] = "virtual",
        repaint: Repaint = "vblank",
        repaint_delay_ns: int = 0,
        seed: int = 0,
        window: bool = False,
        digest: bool = True,
        report: Callable[[str], None] = report_line,
        echo: Callable[[str], None] = lambda _text: None,
        on_screenshot: Callable[[str, NDArray[np.uint8]], None] | None = None,
        timing: TimingModel = INFINITELY_FAST,
        patience_s: float = PATIENCE_S,
        record: Path | None = None,
    ) -> None:
        if not 1 <= len(outputs) <= 16:
            raise BadInput(f"{len(outputs)} outputs: a machine has 1 to 16")
        if window and clock == "virtual":
            raise BadInput("a window lives in real time: the clock must be real")
        self.outputs = [Output(output) if isinstance(output, str) else output for output in outputs]
        for index, output in enumerate(self.outputs):
            output.name = output.name or f"output-{index}"
        self.seed = seed
        self.guests: list[Attachment] = []
        self.pictures = Pictures()
        self._report = report
        self._echo = echo
        self._on_screenshot = on_screenshot
        self._clock_kind = clock
        self._repaint = repaint
        self._repaint_delay_ns = repaint_delay_ns
        self._window = window
        self._record = record
        self._recorder: Recorder | None = None
        self._player: Player | None = None
        self._digest = Digest() if digest else None
        self._presenters: list[Presenter] = []
        self._clock: Clock | None = None
        timing.check()
        self._timing = timing
        self._patience_s = patience_s
        self._run: Run | None = None
        self._failure: ScanoutError | None = None
        self._kernels: list[TimeTravel] = []
        self._started_ns = time.perf_counter_ns()

    async def __aenter__(self) -> Self:
        self._started_ns = time.perf_counter_ns()
        if self._clock_kind == "real" and self._repaint == "vblank":
            blend.load()  # simulated guests will be blended: not in the middle of an animation, then
        self._clock = Calendar() if self._clock_kind == "virtual" else RealClock()
        with ExitStack() as undo:
            for output in self.outputs:
                presenter = self._open(output, self._clock)
                undo.callback(presenter.close)
                self._presenters.append(presenter)
            if self._record is not None:
                self._recorder = self._open_recorder(self._record, self._clock)
            undo.pop_all()
        return self

    def _open(self, output: Output, clock: Clock) -> Presenter:
        period_ns = -(-1_000 * NANOSECONDS // output.mode.refresh_mhz)
        if not 0 <= self._repaint_delay_ns < period_ns:
            raise BadInput(
                f"repaint_delay_ns {self._repaint_delay_ns}: a period of {output.name} has {period_ns} ns"
            )
        presenter = Presenter(
            output,
            clock,
            screen=self._open_screen(output),
            digest=self._digest,
            repaint=self._repaint,
            min_interval_ns=period_ns if self._window else 0,
            repaint_delay_ns=self._repaint_delay_ns,
            timing=self._timing,
            exact=self._clock_kind == "virtual",
        )
        presenter.listeners.append(self.pictures.presented)
        presenter.on_blank = lambda: self.pictures.keep(output.name)
        return presenter

    def _open_recorder(self, path: Path, clock: Clock) -> Recorder:
        recorder = Recorder(path, clock.now_ns, self._report, clock=self._clock_kind, outputs=self.outputs)
        for index, presenter in enumerate(self._presenters):
            presenter.listeners.append(partial(recorder.presented, index))
        return recorder

    def _open_screen(self, output: Output) -> Screen:
        if not self._window:
            return HeadlessScreen()
        # Where there is no window there need be no pyglet.
        from compositor.screen.window import WindowScreen  # noqa: PLC0415

        def closed() -> None:
            if screen.error is None:
                self.stop(StopReason.WINDOW)
            elif self._run is not None:
                self._run.fail(screen.error)

        def wants_screenshot() -> None:
            if self._on_screenshot is not None and self.pictures.has(output.name):
                self._on_screenshot(output.name, self.pictures.get(output.name))

        screen = WindowScreen(output, on_close=closed, on_screenshot=wants_screenshot)
        return screen

    async def __aexit__(self, *_: object) -> None:
        if self._recorder is not None:
            self._recorder.close()
        if self._player is not None:
            self._player.close()
        while self.guests:
            await self.guests.pop().close()
        for presenter in self._presenters:
            presenter.close()

    @property
    def clock(self) -> Clock:
        """The run's clock.

        Raises:
            Misuse: Outside of `async with`.
        """
        if self._clock is None:
            raise Misuse("the machine is not running: use it as `async with Machine(...) as machine`")
        return self._clock

    @property
    def presented(self) -> int:
        """Frames presented on the first output so far."""
        return self.outputs[0].presented_seq

    def set_mode(self, output: int, mode: str) -> None:
        """Switch an output to another mode; its guests are told (a config-change event, a new EDID).

        Raises:
            BadInput: No such mode; the output goes on as it was.
        """
        parsed = Mode.parse(mode)
        if self._recorder is not None:
            self._recorder.mode_set(output, str(parsed))
        self._presenters[output].set_mode(parsed)
        for guest in self.guests:
            guest.display_changed()

    # Guests.

    async def attach(
        self, guest: SimulatedGuest | LinuxGuest, places: Sequence[Placement] | None = None
    ) -> Attachment:
        """Start a guest on this machine's outputs.

        Args:
            guest: A simulated guest, in this process, or a real one, in a process of its own.
            places: One placement per scanout. By default a simulated guest fills the first output, and a
                real one has a scanout on every output.

        Raises:
            BadInput: A placement is impossible.
            ScanoutError: The guest cannot be started; the message says why.
        """
        name = self._unique(guest.name)
        if isinstance(guest, SimulatedGuest):
            places = places or [Placement()]
            simulated = SimulatedAttachment(
                guest,
                name,
                self._presenters,
                places,
                self.clock,
                self.seed + len(self.guests),
                self._recorder,
            )
            simulated.display.report = self._report
            self.guests.append(simulated)
            return simulated
        if not guest.takes_virtual_time:
            self._refuse_virtual(guest.kind)
        seat = self._seat(name)
        served = self._served(name, guest.kind, places)
        try:
            await served.launch(
                guest, echo=self._echo, report=self._report, on_picture=self._picture_is_up, seat=seat
            )
        except BaseException:
            if seat is not None:
                seat.kernel.participant.leave()  # nobody else may wait for it
            raise
        return served

    def serve(
        self,
        path: Path,
        *,
        once: bool = False,
        places: Sequence[Placement] | None = None,
        time_travel: Path | None = None,
    ) -> Attachment:
        """Be the vhost-user device for a VMM that connects to `path`, and, without `once`, for the next.

        Args:
            path: Where to listen.
            once: For the first VMM only.
            places: As for `attach`.
            time_travel: Where a UML kernel comes for its time, on the virtual clock; it is served once.

        Raises:
            BadInput: A placement is impossible, or `time_travel` does not go with the machine's clock.
            Misuse: A socket cannot be opened; the message says why.
        """
        if time_travel is None:
            self._refuse_virtual("a VMM of its own")
        elif self._clock_kind == "real":
            raise BadInput("a kernel that comes for its time needs the virtual clock")
        name = self._unique("guest")
        seat = self._seat(name)
        served = self._served(name, "vhost-user", places)
        served.listen(path, once=once or seat is not None, report=self._report, seat=seat)
        if seat is not None and time_travel is not None:
            served.keep_time(seat, time_travel)
        return served

    def replay(self, recording: Recording) -> Player:
        """Feed a recording to this machine, whose outputs are the recording's, while it runs.

        Where the recording is damaged, `run` raises BadInput.

        Raises:
            Misuse: The machine repaints by itself, or replays something already.
        """
        if self._repaint != "recorded" or self._player is not None:
            raise Misuse('a replay needs a machine of its own, with repaint="recorded"')

        def ended() -> None:
            if recording.cut_off:
                self._report(f"{recording.path}: cut off; replayed up to its end")
            self.stop(StopReason.RECORDING)

        self._player = Player(
            recording, self._presenters, self.clock, self.guests, set_mode=self.set_mode, on_end=ended
        )
        self._player.start()
        return self._player

    def _picture_is_up(self) -> None:
        """A guest said so: what it kicked off before it spoke is served in this round of the loop."""
        asyncio.get_running_loop().call_soon(self.stop, StopReason.PICTURE)

    def _served(self, name: str, kind: str, places: Sequence[Placement] | None) -> ServedAttachment:
        places = places or [Placement(output=index) for index in range(len(self.outputs))]
        served = ServedAttachment(name, kind, self._presenters, places, self.clock, self._recorder)
        served.display.report = self._report
        self.guests.append(served)
        return served

    def _seat(self, name: str) -> Seat | None:
        """A place on the calendar, on the virtual clock, for the guest that comes next."""
        if not isinstance(self.clock, Calendar):
            return None
        kernel = TimeTravel(self.clock, name, broadcast=self._broadcast)
        self._kernels.append(kernel)
        seed = guest_seed(self.seed, len(self.guests))
        return Seat(
            kernel,
            CalendarPace(self.clock, kernel, on_fault=self._fail, latency_ns=self._timing.command_ns),
            seed,
            self._fail,
        )

    def _broadcast(self, sender: TimeTravel, what: int) -> None:
        for kernel in self._kernels:
            if kernel is not sender:
                kernel.announce(what)

    def _refuse_virtual(self, what: str) -> None:
        if self._clock_kind == "virtual":
            raise BadInput(f"{what} keeps its own time: use the real clock")

    def _unique(self, name: str) -> str:
        taken = {guest.name for guest in self.guests}
        return next(n for n in (name, *(f"{name}-{i}" for i in range(2, 1000))) if n not in taken)

    # Time.

    async def run(self, *, seconds: float | None = None, frames: int | None = None) -> StopReason:
        """Let time pass until a limit is reached or there is nothing to wait for.

        Args:
            seconds: On the run's clock.
            frames: Presented on the first output, from now on.

        Raises:
            GuestDied: A real guest ended otherwise than by switching itself off.
            ScreenError: A window's driver refuses.
        """
        end_ns = None if seconds is None else self.clock.now_ns() + round(seconds * NANOSECONDS)
        last = None if frames is None else self.presented + frames

        def count(frame: Frame) -> None:
            if last is not None and frame.commit_seq >= last:
                self.stop(StopReason.FRAMES)

        listeners = self._presenters[0].listeners
        listeners.append(count)
        try:
            return await self._until(end_ns)
        finally:
            listeners.remove(count)

    async def next_frame(self, output: int = 0) -> Frame:
        """The next frame that an output presents; its `pixels` are a live view, `snapshot` lasts.

        Raises:
            Misuse: On the virtual clock: no frame will ever come.
        """
        frames: list[Frame] = []

        def take(frame: Frame) -> None:
            frames.append(frame)
            self.stop(StopReason.FRAMES)

        listeners = self._presenters[output].listeners
        listeners.append(take)
        try:
            reason = await self._until(None)
        finally:
            listeners.remove(take)
        if not frames:
            raise Misuse(f"{self.outputs[output].name}: no frame was presented; {reason.value}")
        return frames[0]

    def stop(self, reason: StopReason) -> None:
        """End the current `run`."""
        if self._run is not None:
            self._run.stop(reason)

    def _fail(self, error: ScanoutError) -> None:
        """A guest broke the rules of virtual time, so that no run can go on."""
        self._failure = error
        if self._run is not None:
            self._run.fail(error)

    async def _until(self, end_ns: int | None) -> StopReason:
        if self._failure is not None:
            raise self._failure
        run = self._run = Run([guest.ended for guest in self.guests])
        try:
            if isinstance(self.clock, Calendar):
                return await run.on_virtual_time(self.clock, end_ns, self._patience_s)
            return await run.on_real_time(self.clock, end_ns)
        finally:
            self._run = None

    # Results.

    def screenshot(self, output: int = 0) -> NDArray[np.uint8]:
        """What an output showed last: (height, width, 4) uint8 RGBA, alpha 255.

        When the guest has switched its picture off since, the picture before that.

        Raises:
            Misuse: It has not shown anything yet.
        """
        return self.pictures.get(self.outputs[output].name)

    def stats(self) -> dict[str, Any]:
        """What happened so far, in the shape of `scanout run --stats`."""
        return document(
            version=__version__,
            clock=self._clock_kind,
            duration_ns=self.clock.now_ns(),
            wall_ns=time.perf_counter_ns() - self._started_ns,
            digest=None if self._digest is None else str(self._digest),
            outputs=[presenter.statistics() for presenter in self._presenters],
            guests=[guest.statistics() for guest in self.guests],
        )
