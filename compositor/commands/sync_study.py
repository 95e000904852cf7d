"""`scanout run sync-study`: what each sync policy makes of a guest that needs some of the period to draw.

The inputs are those of the discussion on dri-devel of August 2021: 60 Hz; the host's compositor waits 9 ms
after a flip before it repaints; the guest draws for so and so long from the completion of its own flip on. A
guest that is told of it when its old buffer is free begins at the vblank, and misses the repaint when it
needs 9 ms or more; every second vblank then shows nothing new. One that is told earlier, or that may be one
frame ahead, does not. Nothing here computes that: a guest, a device and an output do it, on virtual time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.observe.statistics import write_json
from compositor.sync.policy import SyncPolicy
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat
from virtio.clock.calendar import NANOSECONDS

MILLISECOND = 1_000_000
REPAINT_DELAY_MS = 9
RENDER_MS = (8, 9, 10, 11, 12)
_OUTPUT = "64x48@60"
_MEMORY = 4 << 20  # of the guest, bytes
_FRAMES = 300


class Measured(NamedTuple):
    """One policy with one render time.

    Attributes:
        policy: Its name.
        render_ms: Time that the guest draws.
        frames: Frames on the screen.
        fps: Of them, per second of virtual time.
        interval_p99_ms: 99th percentile of the time between two of them.
        torn: Those that were a mixture of two.
        early_reuse: Frames that were drawn over while the host still had them.
    """

    policy: str
    render_ms: float
    frames: int
    fps: float
    interval_p99_ms: float
    torn: int
    early_reuse: int


async def measure(policy: SyncPolicy, render_ms: float, *, frames: int = _FRAMES, seed: int = 0) -> Measured:
    """Let one guest alone present `frames` frames after its first one, on virtual time."""
    async with Machine(
        outputs=[_OUTPUT],
        repaint_delay_ns=REPAINT_DELAY_MS * MILLISECOND,
        seed=seed,
        digest=False,
        report=lambda _line: None,  # that "none" tears is what is measured here
    ) as machine:
        render_ns = round(render_ms * MILLISECOND)
        await machine.attach(SimulatedGuest(Flat(), sync=policy, render_ns=render_ns, memory=_MEMORY))
        await machine.run(frames=1)
        begin_ns = machine.clock.now_ns()
        await machine.run(frames=frames)
        seconds = (machine.clock.now_ns() - begin_ns) / NANOSECONDS
        stats = machine.stats()
    (output,), (guest,) = stats["outputs"], stats["guests"]
    return Measured(
        str(policy),
        render_ms,
        output["presented"],
        round(frames / seconds, 2),
        output["interval_ms"]["p99"],
        guest["frames"]["torn"],
        guest["frames"]["early_reuse"],
    )


def sync_study(run: RunOptions) -> None:
    """Print, and with `--stats` write, what every policy makes of every render time.

    Raises:
        BadInput: An option that a study has no use for.
    """
    if run.window or run.clock == "real" or run.screenshot is not None or run.seconds is not None:
        raise BadInput("sync-study runs on virtual time and shows no picture: it takes --frames and --stats")
    results = asyncio.run(_all(run.frames or _FRAMES, run.seed))
    if run.stats is not None:
        write_json(run.stats, {"study": "sync", "results": [result._asdict() for result in results]})
    Console().print(table(results))


async def _all(frames: int, seed: int) -> list[Measured]:
    return [
        await measure(policy, render_ms, frames=frames, seed=seed)
        for policy in SyncPolicy
        for render_ms in RENDER_MS
    ]


def table(results: Sequence[Measured]) -> Table:
    """A row for each result, a section for each policy."""
    shown = Table(
        title=f"60 Hz; the host repaints {REPAINT_DELAY_MS} ms after a flip",
        title_justify="left",
    )
    shown.add_column("policy")
    for column in ("draws, ms", "fps", "p99 interval, ms", "torn", "reused early"):
        shown.add_column(column, justify="right")
    policy = None
    for result in results:
        if policy not in (None, result.policy):
            shown.add_section()
        shown.add_row(
            "" if policy == result.policy else result.policy,
            f"{result.render_ms:g}",
            f"{result.fps:.1f}",
            f"{result.interval_p99_ms:.1f}",
            str(result.torn),
            str(result.early_reuse),
        )
        policy = result.policy
    return shown
