"""`scanout run sync-study`: what each sync policy makes of a guest that needs some of the period to draw.

The inputs are those of the discussion on dri-devel of August 2021: 60 Hz; the host's compositor waits 9 ms
after a flip before it repaints; the guest draws for so and so long from the completion of its own flip on. A
guest that is told of it when its old buffer is free begins at the vblank, and misses the repaint when it
needs 9 ms or more; every second vblank then shows nothing new. One that is told earlier, or that may be one
frame ahead, does not. Nothing here computes that: a guest, a device and an output do it, on virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from compositor.adapter.sync_policy import FOR_ANY_GUEST, SyncPolicy
from compositor.commands.options import RunOptions
from compositor.commands.studies.study import frame_rate, make_table, tell
from compositor.machine import Machine
from guest.linux import shown_progress
from guest.real import UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat

MILLISECOND = 1_000_000
REPAINT_DELAY_MS = 9
RENDER_MS = (8, 9, 10, 11, 12)
_OUTPUT = "64x48@60"
_MEMORY = 4 << 20  # of the guest, bytes
_LINUX_OUTPUT = "640x480@60"
_FRAMES = 300
_WARM_UP = 10  # frames until a guest has its rhythm


class SyncFigures(NamedTuple):
    """One policy with one render time.

    Attributes:
        policy: The policy's name.
        render_ms: Time that the guest draws.
        frames: Frames on the screen.
        fps: Frames on the screen per second of virtual time.
        interval_p99_ms: 99th percentile of the time between two of them.
        torn: Frames that were a mixture of two.
        early_reuse: Frames that were drawn over while the host still had them.
    """

    policy: str
    render_ms: float
    frames: int
    fps: float
    interval_p99_ms: float
    torn: int
    early_reuse: int


async def measure(
    policy: SyncPolicy,
    render_ms: float,
    *,
    frames: int = _FRAMES,
    seed: int = 0,
    kernel: Path | None = None,
) -> SyncFigures:
    """Let one guest alone present `frames` frames after its first ones, on virtual time.

    Args:
        policy: What its flushes wait for.
        render_ms: How long it draws.
        frames: How many frames to count.
        seed: The seed of all that is random.
        kernel: A UML kernel, whose own driver flips; None: a simulated guest.

    Raises:
        ScanoutError: The kernel cannot be started; the message says why.
    """
    async with Machine(
        outputs=[_OUTPUT if kernel is None else _LINUX_OUTPUT],
        repaint_delay_ns=REPAINT_DELAY_MS * MILLISECOND,
        seed=seed,
        digest=False,
        report=lambda _line: None,  # that "none" tears is what is measured here
    ) as machine:
        attachment = await machine.attach(_guest(render_ms, kernel))
        attachment.set_sync(policy)
        await machine.run(frames=_WARM_UP)
        fps = await frame_rate(machine, frames)
        stats = machine.stats()
    (output,), (guest,) = stats["outputs"], stats["guests"]
    return SyncFigures(
        str(policy),
        render_ms,
        output["presented"],
        round(fps, 2),
        output["interval_ms"]["p99"],
        guest["frames"]["torn"],
        guest["frames"]["early_reuse"],
    )


def _guest(render_ms: float, kernel: Path | None) -> SimulatedGuest | UmlGuest:
    if kernel is None:
        return SimulatedGuest(Flat(), render_ns=round(render_ms * MILLISECOND), memory=_MEMORY)
    return UmlGuest("pageflip", command=["--render", f"{render_ms:g}"], kernel=kernel)


def sync_study(run: RunOptions, kernel: Path | None = None) -> None:
    """Tell what every policy makes of every render time.

    Args:
        run: The user's options.
        kernel: A UML kernel, for those policies that Linux can live with; None: a simulated guest.

    Raises:
        ScanoutError: The kernel cannot be started; the message says why.
    """
    if kernel is not None:
        with shown_progress() as progress:
            UmlGuest("pageflip", kernel=kernel).prepare(progress)
    results = asyncio.run(_all(run.frames or _FRAMES, run.seed, kernel))
    tell("sync", run, table(results), results)


async def _all(frames: int, seed: int, kernel: Path | None) -> list[SyncFigures]:
    return [
        await measure(policy, render_ms, frames=frames, seed=seed, kernel=kernel)
        for policy in (SyncPolicy if kernel is None else FOR_ANY_GUEST)
        for render_ms in RENDER_MS
    ]


def table(results: Sequence[SyncFigures]) -> Table:
    """A row for each result, a section for each policy."""
    columns: dict[str, Callable[[SyncFigures], object]] = {
        "policy": lambda result: result.policy,
        "draws, ms": lambda result: f"{result.render_ms:g}",
        "fps": lambda result: f"{result.fps:.1f}",
        "p99 interval, ms": lambda result: f"{result.interval_p99_ms:.1f}",
        "torn": lambda result: result.torn,
        "reused early": lambda result: result.early_reuse,
    }
    title = f"60 Hz; the host repaints {REPAINT_DELAY_MS} ms after a flip"
    return make_table(title, columns, results, sections=True)
