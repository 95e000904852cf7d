"""The machine: outputs, a clock and the guests attached to them, as one async context manager.

    async with Machine(outputs=["1024x768@60"], clock="virtual", seed=7) as machine:
        await machine.attach(SimulatedGuest("gears"))
        frame = await machine.next_frame()

On the virtual clock time passes only while a task waits for the machine (`compositor.machine.waiting`), from
one event to the next and as fast as it goes. On the real clock it passes by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from compositor import __version__
from compositor.adapter.display import Placement
from compositor.errors import BadInput, Misuse
from compositor.frame_clock.timing import INFINITELY_FAST, TimingModel
from compositor.machine.attachment import Attachment
from compositor.machine.guests import Guests
from compositor.machine.outputs import Outputs
from compositor.machine.pictures import Pictures
from compositor.machine.presenter import Presenter, Presenting, Repaint
from compositor.machine.replay import Player
from compositor.machine.run import Runs, StopReason
from compositor.machine.standard_error import report_line
from compositor.machine.waiting import Waiting
from compositor.observe.digest import Digest
from compositor.observe.statistics import document
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.record.recorder import Recorder
from compositor.record.recording import Recording
from compositor.render import blend
from compositor.screen import Renderer
from guest.bare import BareGuest
from guest.linux.agent import Job
from guest.process import ProcessGuest
from guest.real import LinuxGuest
from virtio.arguments import check_one_of, check_seconds, check_type, check_whole, shown
from virtio.clock import Calendar, Clock
from virtio.clock.real import RealClock
from virtio.limits import Limits, Totals

# Seconds of real time after which a guest that stops time, and says nothing, is taken for hung.
PATIENCE_S = 30.0


class Machine(Waiting):
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
        renderer: Who composes what windows show: "cpu", "gl" or "auto", the faster one here. Digests,
            screenshots and recordings are the CPU's picture all the same.
        digest: Fold a checksum of every presented frame into the statistics' digest.
        report: Gets one line for everything that goes wrong with a guest and is dealt with.
        echo: Gets the consoles of real guests, as they print.
        on_screenshot: Gets an output's name and its picture when a user asks for a screenshot in its window.
        timing: What the work of devices and host costs on the virtual clock.
        patience_s: Seconds of real time in which a guest that makes virtual time stand still must be
            heard of.
        record: A file to record everything into (see `compositor.record`).
        limits: What each guest may use of this process, unless it is attached with limits of its own.
        totals: What all guests together may use.

    Attributes:
        seed: As given.
        report: As given.
        limits: What each guest may use, unless it has limits of its own.

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
        renderer: Renderer = "cpu",
        digest: bool = True,
        report: Callable[[str], None] = report_line,
        echo: Callable[[str], None] = lambda _text: None,
        on_screenshot: Callable[[str, NDArray[np.uint8]], None] | None = None,
        timing: TimingModel = INFINITELY_FAST,
        patience_s: float = PATIENCE_S,
        record: str | Path | None = None,
        limits: Limits | None = None,
        totals: Totals | None = None,
    ) -> None:
        check_one_of("clock", clock, ("virtual", "real"))
        check_one_of("repaint", repaint, get_args(Repaint))
        check_one_of("renderer", renderer, get_args(Renderer))
        check_whole("repaint_delay_ns", repaint_delay_ns)
        check_type("seed", seed, int, "a whole number")
        check_type("timing", timing, TimingModel, "a TimingModel")
        check_seconds("patience_s", patience_s)
        if window and clock == "virtual":
            raise BadInput("a window lives in real time: the clock must be real")
        if renderer == "gl" and not window:
            raise BadInput(
                "OpenGL composes for windows alone: without one nothing but the CPU's picture is used"
            )
        timing.check()
        self._digest = Digest() if digest else None
        self._outputs = Outputs(
            outputs,
            Presenting(
                repaint,
                repaint_delay_ns,
                timing,
                window,
                self._digest,
                on_fault=self._fail,
                on_closed=self._window_closed,
                on_screenshot=on_screenshot,
                renderer=renderer,
            ),
        )
        self.seed = seed
        self.limits = limits or Limits()
        self._guests = Guests(
            self._outputs.tree,
            seed=seed,
            command_ns=timing.command_ns,
            report=report,
            echo=echo,
            on_picture=self._picture_is_up,
            wait_for=self.until,
            until=self._until_job,
            limits=self.limits,
            totals=totals,
        )
        self.report = report
        self._clock_kind = clock
        self._repaint = repaint
        self._record = None if record is None else Path(record)
        self._recorder: Recorder | None = None
        self._player: Player | None = None
        self._patience_s = patience_s
        self._start_ns = 0
        self._started_ns = time.perf_counter_ns()

    async def __aenter__(self) -> Self:
        if self._clock is not None:
            raise Misuse("the machine was entered before: a Machine runs once; make another one")
        self._started_ns = time.perf_counter_ns()
        if self._clock_kind == "real" and self._repaint == "vblank":
            blend.load()  # simulated guests will be blended: not in the middle of an animation, then
        self._clock = self._guests.clock = Calendar() if self._clock_kind == "virtual" else RealClock()
        self._runs = Runs(self._clock, self.guests, self._patience_s)
        self._guests.on_start = self._runs.watch_guests
        self._outputs.open(self._clock)
        try:
            if self._record is not None:
                self._recorder = self._guests.recorder = Recorder(
                    self._record, self.clock.now_ns, self.report, clock=self._clock_kind, outputs=self.outputs
                )
                self._outputs.record(self._recorder)
        except BaseException:
            self._outputs.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._recorder is not None:
            self._recorder.close()
        if self._player is not None:
            self._player.close()
        while self.guests:
            await self.guests.pop().close()
        self._outputs.close()
        self._runs = None

    def __repr__(self) -> str:
        if self._clock is None:
            state = "not running"
        else:
            state = f"at {self._clock.now_ns() / 1e9:.6f} s" if self._runs is not None else "closed"
        outputs = ", ".join(f"{output.name} {output.mode}" for output in self.outputs)
        guests = ", ".join(guest.name for guest in self.guests) or "no guests"
        return f"<machine {state} of the {self._clock_kind} clock: {outputs}; {guests}>"

    @property
    def outputs(self) -> Sequence[Output]:
        """The outputs, in the order in which placements count them."""
        return self._outputs.all

    @property
    def guests(self) -> list[Attachment]:
        """The guests, in the order in which they came."""
        return self._guests.all

    @property
    def pictures(self) -> Pictures:
        """What the outputs showed last."""
        return self._outputs.pictures

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

    def listen(self, output: Output | str | int, listener: Callable[[Frame], None]) -> None:
        """Call `listener` with every frame that an output presents, before its buffers are released."""
        if not callable(listener):
            raise Misuse(f"listener={shown(listener)}: a function that takes a frame is needed")
        self.outputs[self._outputs.index(output)].listeners.append(listener)

    def presenter(self, output: Output | str | int) -> Presenter:
        """What repaints an output and shows its frames, while the machine runs.

        Raises:
            BadInput: There is no such output.
        """
        return self._outputs.presenters[self._outputs.index(output)]

    def set_mode(self, output: Output | str | int, mode: str) -> None:
        """Switch an output to another mode; its guests are told (a config-change event, a new EDID).

        Args:
            output: One of this machine's, by name or number if you like.
            mode: As `Mode.parse` reads it.

        Raises:
            BadInput: No such output or mode, or no room for it beside the others; it goes on as it was.
        """
        self._running()
        self._outputs.set_mode(output, mode)
        self._guests.outputs_changed()

    def plug(self, output: Output | str | int, mode: str | None = None) -> int:
        """Plug a monitor in, while guests run; those that have a scanout on it are told.

        Args:
            output: A new one, which comes after the others; or one of this machine's that is unplugged, by
                name or number if you like.
            mode: Of the monitor; None: as it was.

        Returns:
            Its number, for placements.

        Raises:
            BadInput: No such output or mode, no room for it beside the others, or 16 are there already.
            Misuse: It is plugged in.
        """
        self._running()
        index = self._outputs.plug(output, mode)
        self._guests.outputs_changed()
        return index

    def unplug(self, output: Output | str | int) -> None:
        """Take a monitor away, while guests run; those that have a scanout on it are told.

        Raises:
            BadInput: There is no such output.
            Misuse: It is not plugged in.
        """
        self._running()
        self._outputs.unplug(output)
        self._guests.outputs_changed()

    # Guests.

    async def attach(
        self,
        guest: BareGuest | ProcessGuest | LinuxGuest,
        places: Sequence[Placement] | None = None,
        *,
        limits: Limits | None = None,
    ) -> Attachment:
        """Start a guest on this machine's outputs.

        Args:
            guest: A simulated guest, in this process or in one of its own, or a real one.
            places: One placement per scanout. By default a simulated guest fills the first output, and a
                real one has a scanout on every output.
            limits: What it may use of this process; by default, as the machine says.

        Raises:
            BadInput: A placement is impossible.
            ScanoutError: The guest cannot be started; the message says why.
        """
        self._running()
        return await self._guests.attach(guest, places, limits)

    def serve(
        self,
        path: str | Path,
        *,
        once: bool = False,
        places: Sequence[Placement] | None = None,
        time_travel: str | Path | None = None,
        any_file: bool = False,
        limits: Limits | None = None,
        users: Collection[int] = (),
    ) -> Attachment:
        """Be the vhost-user device for a VMM that connects to `path`, and, without `once`, for the next.

        Args:
            path: Where to listen.
            once: For the first VMM only.
            places: As for `attach`.
            time_travel: Where a UML kernel comes for its time, on the virtual clock; it is served once.
            any_file: Its memory may be any file, not only one of a memory file system (memfd, /dev/shm,
                hugetlbfs). A file whose file system does not answer stops this machine.
            limits: As for `attach`.
            users: Numbers of users whose programs may connect, beside this process's own and root's.

        Raises:
            BadInput: A placement is impossible, a socket cannot be opened, or `time_travel` does not go with
                the machine's clock; the message says why.
        """
        self._running()
        return self._guests.serve(
            path,
            once=once,
            places=places,
            time_travel=time_travel,
            any_file=any_file,
            limits=limits,
            users=users,
        )

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
                self.report(f"{recording.path}: cut off; replayed up to its end")
            self.stop(StopReason.RECORDING)

        self._player = Player(recording, self._outputs, self.clock, self.guests, switch=self, on_end=ended)
        self._player.start()
        return self._player

    def _window_closed(self, error: BaseException | None) -> None:
        if error is None:
            self.stop(StopReason.WINDOW)
        else:
            self._fail(error)

    def _picture_is_up(self) -> None:
        """A guest said so: what it kicked off before it spoke is due before this is."""
        self.clock.call_at(self.clock.now_ns(), partial(self.stop, StopReason.PICTURE))

    # Time.

    def stop(self, reason: StopReason = StopReason.INTERRUPTED) -> None:
        """End the current `run`, and all other waits; without one, do nothing."""
        check_type("reason", reason, StopReason, "a StopReason")
        if self._runs is not None:
            self._runs.stop(reason)

    def _fail(self, error: BaseException) -> None:
        """Something broke for good: the current run ends with it, and every later one."""
        if self._runs is not None:
            self._runs.fail(error)

    async def _until_job(self, job: Job, what: str, within: float | None) -> bool:
        """Let time pass until something that a guest does has ended; whether it has, in time."""
        runs, _ = self._running()
        wait = self._wait(what, within)
        job.on_end = partial(wait.finish, StopReason.HAPPENED)
        if not job.ended:
            await runs.until(wait)
        return job.ended

    # Results.

    def screenshot(self, output: Output | str | int = 0) -> NDArray[np.uint8]:
        """What an output showed last: (height, width, 4) uint8 RGBA, alpha 255.

        When the guest has switched its picture off since, the picture before that.

        Args:
            output: One of this machine's, by name or number if you like.

        Raises:
            BadInput: There is no such output.
            Misuse: It has not shown anything yet.
        """
        return self.pictures.get(self.outputs[self._outputs.index(output)].name)

    def start_over(self) -> None:
        """Let what the machine tells of itself begin now: statistics, digest, pictures; a recording goes on.

        So tests that share a machine are told apart. Times and commit numbers in the digest count from here.
        """
        now_ns = self.clock.now_ns()
        self._start_ns, self._started_ns = now_ns, time.perf_counter_ns()
        self.pictures.forget()
        if self._digest is not None:
            self._digest.start_over(now_ns, {output.name: output.presented_seq for output in self.outputs})
        for presenter in self._outputs.presenters:
            presenter.start_over()
        for guest in self.guests:
            guest.start_over()

    def stats(self) -> dict[str, Any]:
        """What happened so far, in the shape of `scanout run --stats`."""
        return document(
            version=__version__,
            clock=self._clock_kind,
            duration_ns=self.clock.now_ns() - self._start_ns,
            wall_ns=time.perf_counter_ns() - self._started_ns,
            digest=None if self._digest is None else str(self._digest),
            outputs=[presenter.statistics() for presenter in self._outputs.presenters],
            guests=[guest.statistics() for guest in self.guests],
        )
