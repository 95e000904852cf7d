"""`scanout run frame-clock-study`: when to begin a frame, for compositors that need from 0.5 to 2 refreshes.

Three answers, each run by the real parts on virtual time: a guest with four buffers that draws its next frame
when the compositor has taken the last (as after a Wayland frame callback), a device, an output at 60 Hz.

*Fixed window*: weston's 7 ms before the vblank. *Adaptive deadline*: as long before it as the last frames
took, and 1 ms. *Triple buffering*: as before, and while frames take longer than a refresh the next is begun
before the last is on the screen. Half of a frame's time is the compositor's and half the GPU's.

What is published: with double buffering, frames that take a little longer than one refresh halve the rate,
30 instead of 60; with two frames under way they do not, and latency grows by just as much as the work
(GNOME/mutter merge request 1441; KDE/kwin merge request 4833, whose text phoronix.com quotes on 24 May 2024,
"KDE Plasma 6.1 Lands Dynamic Triple Buffering Support"). That holds while both stages keep up: the last
section has all of the work on the GPU, which no buffering makes faster.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.commands.studies.study import frame_rate, make_table, tell
from compositor.frame_clock.timing import TimingModel
from compositor.machine import Machine
from compositor.observe.histogram import Histogram
from compositor.output.mode import Mode
from compositor.output.output import Output
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat

RENDER_PERIODS = (0.5, 0.75, 0.9, 1.1, 1.25, 1.5, 1.75, 1.9, 2.0)
PACINGS = {"fixed window": "window", "adaptive deadline": "adaptive", "triple buffering": "triple"}
ONE_STAGE = "triple, GPU alone"
_MODE = Mode(64, 48, 60_000)
_MEMORY = 4 << 20  # of the guest, bytes
_GUEST_DRAWS_NS = 2_000_000
_GUEST_BUFFERS = 4  # on the screen, two under way, and one to draw into
_FRAMES = 300
_WARM_UP = 60  # frames until the deadline is learned


class PacingFigures(NamedTuple):
    """One pacing with one render time.

    Attributes:
        pacing: The pacing's name.
        render_periods: Time from the beginning of a frame to its end, in refreshes.
        fps: Frames on the screen per second of virtual time.
        latency_p50_ms: Median of the time from a guest's commit to its presentation.
        latency_p99_ms: 99th percentile.
        missed_vblanks: Vblanks that showed nothing new though a frame had been asked for before them.
    """

    pacing: str
    render_periods: float
    fps: float
    latency_p50_ms: float
    latency_p99_ms: float
    missed_vblanks: int


async def measure(
    pacing: str, render_periods: float, *, frames: int = _FRAMES, seed: int = 0
) -> PacingFigures:
    """Let one guest present `frames` frames, after those that the compositor learns from, on virtual time.

    Args:
        pacing: A key of `PACINGS`, or `ONE_STAGE`.
        render_periods: What a frame costs, in refreshes.
        frames: How many frames to count.
        seed: The seed of all that is random.
    """
    cost_ns = round(render_periods * _MODE.period_ns)
    compose_ns = 0 if pacing == ONE_STAGE else cost_ns // 2
    async with Machine(
        outputs=[Output(_MODE, pacing=PACINGS.get(pacing, "triple"))],
        timing=TimingModel(compose_ns=compose_ns, render_ns=cost_ns - compose_ns),
        seed=seed,
        digest=False,
    ) as machine:
        guest = await machine.attach(
            SimulatedGuest(
                Flat(),
                sync="out-fence",
                render_ns=_GUEST_DRAWS_NS,
                buffers=_GUEST_BUFFERS,
                memory=_MEMORY,
            )
        )
        await machine.run(frames=_WARM_UP)
        seen = guest.statistics()
        seen.latencies = Histogram()
        missed = _missed(machine)
        fps = await frame_rate(machine, frames)
        missed = _missed(machine) - missed
    latency = seen.latencies
    return PacingFigures(
        pacing,
        render_periods,
        round(fps, 2),
        latency.percentile_ms(50),
        latency.percentile_ms(99),
        missed,
    )


def _missed(machine: Machine) -> int:
    missed: int = machine.stats()["outputs"][0]["missed_vblanks"]
    return missed


def frame_clock_study(run: RunOptions, _kernel: Path | None = None) -> None:
    """Tell what every pacing makes of every render time."""
    results = asyncio.run(_all(run.frames or _FRAMES, run.seed))
    tell("frame-clock", run, table(results), results)


async def _all(frames: int, seed: int) -> list[PacingFigures]:
    return [
        await measure(pacing, render_periods, frames=frames, seed=seed)
        for pacing in (*PACINGS, ONE_STAGE)
        for render_periods in RENDER_PERIODS
    ]


def table(results: Sequence[PacingFigures]) -> Table:
    """A row for each result, a section for each pacing."""
    columns: dict[str, Callable[[PacingFigures], object]] = {
        "pacing": lambda result: result.pacing,
        "takes, refreshes": lambda result: f"{result.render_periods:g}",
        "fps": lambda result: f"{result.fps:.1f}",
        "commit to present p50, ms": lambda result: f"{result.latency_p50_ms:.1f}",
        "p99, ms": lambda result: f"{result.latency_p99_ms:.1f}",
        "missed vblanks": lambda result: result.missed_vblanks or "-",
    }
    title = "60 Hz; a frame is half the compositor's work, half the GPU's"
    return make_table(title, columns, results, sections=True)
