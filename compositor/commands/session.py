"""One run of a machine from start to results, shared by every running command."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from compositor.commands.monitors import monitors
from compositor.commands.options import Interrupted, RunOptions
from compositor.commands.pauses import short_pauses
from compositor.errors import BadInput, RunFailed
from compositor.frame_clock.timing import INFINITELY_FAST, TimingModel
from compositor.machine import Machine
from compositor.machine.machine import PATIENCE_S
from compositor.machine.presenter import Repaint
from compositor.machine.run import StopReason
from compositor.machine.standard_error import write_text
from compositor.observe.statistics import write_json
from compositor.output.output import Output
from compositor.pixels.screenshot import save_png
from compositor.screen import Renderer
from guest.linux.errors import GuestDied
from virtio.clock.calendar import NANOSECONDS
from virtio.limits import NO_VALUES, Limits, Totals, Values, changed_all, normal

Start = Callable[[Machine], Awaitable[None]]

# Seconds of real time without a frame after which a user who waits for frames is told.
_SILENCE_S = 30.0
_LOOKS = 10


def run_session(
    run: RunOptions,
    start: Start,
    *,
    clock: Literal["virtual", "real"],
    repaint: Repaint = "vblank",
    console: bool = False,
    outputs: Sequence[Output] | None = None,
    timing: TimingModel = INFINITELY_FAST,
    repaint_delay_ns: int = 0,
    limits: Values = NO_VALUES,
    at_end: Callable[[int], None] = lambda _now_ns: None,
    all_show: bool = False,
) -> None:
    """Build the machine, let `start` attach guests to it, run it, write what was asked for, say what it did.

    Args:
        run: The user's options.
        start: Attaches the guests.
        clock: The default of `--clock`.
        repaint: See `Machine`.
        console: Show the consoles of real guests.
        outputs: Instead of those of `--outputs`; the other options about monitors hold for them too.
        timing: See `Machine`.
        repaint_delay_ns: See `Machine`.
        limits: What guests may use, where `--limit` says nothing else.
        at_end: Called with the time when the run is over, while its guests are there.
        all_show: A guest that never shows a frame fails the run.

    Raises:
        BadInput: An option about the outputs makes no sense.
        GuestDied: One did; the others went on to the end of the run.
        RunFailed: A guest failed, or a limit passed before what was asked for had happened.
        Interrupted: A signal ended the run.
    """
    digest = (run.clock or clock) == "virtual" or run.stats is not None or repaint == "recorded"
    own, totals = changed_all(Limits(), Totals(), {**normal(limits), **run.limits})
    machine = Machine(
        outputs=monitors(run, outputs),
        clock=run.clock or clock,
        repaint=repaint,
        repaint_delay_ns=repaint_delay_ns,
        timing=timing,
        seed=run.seed,
        window=bool(run.window),
        renderer=_renderer(run, exact=digest or run.record is not None),
        digest=digest,
        echo=echo if console else lambda _text: None,
        on_screenshot=save_numbered,
        record=run.record,
        limits=own,
        totals=totals,
        patience_s=PATIENCE_S if run.patience is None else run.patience,
    )
    pauses = short_pauses(machine) if (run.clock or clock) == "real" else nullcontext()
    asyncio.run(_session(machine, run, start, at_end, pauses, all_show=all_show))


def _renderer(run: RunOptions, *, exact: bool) -> Renderer:
    """Who composes what windows show: the CPU, where the exact picture of every frame is needed anyway."""
    if run.renderer == "gl" and not run.window:
        raise BadInput(
            "--renderer gl: OpenGL composes what windows show, and the CPU all other pictures; add --window"
        )
    return "cpu" if run.renderer == "auto" and exact else run.renderer


async def _session(
    machine: Machine,
    run: RunOptions,
    start: Start,
    at_end: Callable[[int], None],
    pauses: AbstractContextManager[None],
    *,
    all_show: bool,
) -> None:
    if run.screenshot_at is not None:
        machine.pictures.want(machine.outputs[0].name, run.screenshot_at)
    async with machine:
        with interruptible(machine), pauses:
            try:
                reason = await _limited(machine, run, start)
            finally:
                written = _write_results(machine, run)
        _summarise(machine, written)
        at_end(machine.clock.now_ns())
        failed = [guest.died_of for guest in machine.guests if guest.died_of is not None]
        dark = [guest.name for guest in machine.guests if all_show and not guest.frames["presented"]]
    if reason is StopReason.INTERRUPTED:
        missing = _missing_picture(machine, run)
        if missing is not None:
            machine.report(f"{missing}: {reason.value}")
        raise Interrupted
    _check(machine, run, reason)
    if failed:
        raise failed[0]
    if dark:
        raise RunFailed(f"{', '.join(dark)}: never showed a frame: {reason.value}")


async def _limited(machine: Machine, run: RunOptions, start: Start) -> StopReason:
    """Start the guests and run to the first limit, the one in real time included."""
    try:
        async with asyncio.timeout(run.timeout):
            await start(machine)
            if run.sync is not None:
                for guest in machine.guests:
                    guest.set_sync(run.sync)
            with watched(machine, run.frames):
                return await _to_the_limit(machine, run)
    except TimeoutError:
        raise RunFailed(
            f"--timeout {run.timeout:g}: gave up, {machine.presented} frames were presented"
        ) from None


async def _to_the_limit(machine: Machine, run: RunOptions) -> StopReason:
    """Run to the first limit on the run's clock; of guests in processes, the others go on when one dies."""
    begun_ns = machine.clock.now_ns()
    while True:
        lived_s = (machine.clock.now_ns() - begun_ns) / NANOSECONDS
        seconds = None if run.seconds is None else max(run.seconds - lived_s, 0)
        frames = None if run.frames is None else max(run.frames - machine.presented, 0)
        try:
            return await machine.run(seconds=seconds, frames=frames)
        except GuestDied as death:
            if all(guest.has_ended for guest in machine.guests):
                raise
            machine.report(f"{death}; the others go on")


@contextmanager
def watched(machine: Machine, frames: int | None, silence_s: float = _SILENCE_S) -> Iterator[None]:
    """Say so, once, when frames are waited for and none comes; a guest may be hung, or have nothing to show.

    On the virtual clock the run itself finds the guest that makes time stand still.
    """
    loop = asyncio.get_running_loop()
    seen, silent = -1, 0
    timer: asyncio.TimerHandle | None = None

    def look() -> None:
        nonlocal seen, silent, timer
        silent = silent + 1 if machine.presented == seen else 0
        seen = machine.presented
        if silent < _LOOKS:
            timer = loop.call_later(silence_s / _LOOKS, look)
        else:
            machine.report(
                f"{seen} of {frames} frames were presented, and none in the last {silence_s:g} s: a guest is "
                "hung, or has nothing new to show; Ctrl-C ends the run, --console shows what a kernel says"
            )

    if frames is not None:
        look()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


@contextmanager
def interruptible(machine: Machine) -> Iterator[None]:
    """SIGINT and SIGTERM stop the machine instead of the interpreter."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, machine.stop, StopReason.INTERRUPTED)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def echo(text: str) -> None:
    """A guest's console, on standard error, as it comes."""
    write_text(text)


def save_numbered(output: str, picture: NDArray[np.uint8]) -> None:
    """Write a screenshot that a user at a window asked for, under the first name that is free."""
    names = (Path(f"{output}-{number:03}.png") for number in range(1000))
    path = next((name for name in names if not name.exists()), None)
    if path is None:
        raise BadInput(f"{output}-000.png to {output}-999.png exist: move some of them away")
    save_png(path, picture)
    print(f"wrote {path}", flush=True)


def _write_results(machine: Machine, run: RunOptions) -> list[Path]:
    """Write the files that the options name, from what has happened so far; those that there are now."""
    written = []
    if run.screenshot is not None and machine.pictures.has(machine.outputs[0].name):
        save_png(run.screenshot, machine.screenshot())
        written.append(run.screenshot)
    if run.stats is not None:
        write_json(run.stats, machine.stats())
        written.append(run.stats)
    if run.record is not None:
        written.append(run.record)
    return written


def _check(machine: Machine, run: RunOptions, reason: StopReason) -> None:
    """Hold what happened to what was asked for.

    Raises:
        RunFailed: Fewer frames than asked for, or no picture to write.
    """
    if run.frames is not None and machine.presented < run.frames:
        raise RunFailed(f"--frames {run.frames}: only {machine.presented} were presented: {reason.value}")
    missing = _missing_picture(machine, run)
    if missing is not None:
        raise RunFailed(f"{missing}: {reason.value}")


def _missing_picture(machine: Machine, run: RunOptions) -> str | None:
    """What there is to say of a screenshot that was asked for and could not be written."""
    if run.screenshot is None or machine.pictures.has(machine.outputs[0].name):
        return None
    wanted = "a frame" if run.screenshot_at is None else f"frame {run.screenshot_at}"
    return f"--screenshot {run.screenshot}: {wanted} was never presented, only {machine.presented} were"


def _summarise(machine: Machine, written: Sequence[Path]) -> None:
    """What a user wants to know without opening the statistics: a line per output and per guest."""
    stats = machine.stats()
    for output in stats["outputs"]:
        direct = f", {output['direct_scanout']} scanned out as they were" if output["direct_scanout"] else ""
        print(
            f"{output['name']} {output['mode']}: {output['presented']} frames in {stats['duration_s']:.2f} s "
            f"({stats['clock']} clock, {stats['wall_s']:.2f} s of real time){direct}"
        )
    for guest in stats["guests"]:
        frames, copied = guest["frames"], sum(guest["bytes"].values())
        torn = f", {frames['torn']} torn" if frames["torn"] else ""
        print(
            f"{guest['name']} ({guest['kind']}): {frames['presented']} of {frames['submitted']} frames "
            f"presented{torn}; {copied:,} bytes copied, {guest['bytes_per_frame']:,.0f} a frame"
        )
    for path in written:
        print(f"wrote {path}")
