"""`scanout run sharing-study`: four ways to share a GPU, side by side.

The guests, their work and the GPU are the same in every row; what differs is who stands between them
(`guest.gpu.sharing`), and every figure comes out of runs of the real parts on virtual time: drivers, rings,
engine, display device and compositor. Beside the table: how soon weights hold, what an old fault of their
scheduler did, and what it costs that a framebuffer lies in VRAM.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.commands.studies.sharing_measure import (
    DRAWS,
    GUESTS,
    Convergence,
    Isolation,
    Placed,
    Rates,
    convergence,
    isolation,
    jain,
    measure,
    newcomer_stall_ms,
    placed,
)
from compositor.commands.studies.study import make_table, tell
from guest.gpu import FramebufferMemory, Gpu

MODES = ("native", "direct", "remoting", "mediated", "sriov")
SIZES = ("1280x720", "1920x1080", "2560x1440")
_SECONDS = 1.0


class SharingFigures(NamedTuple):
    """One way to share.

    Attributes:
        mode: The name of the way.
        guests: How many guests drew at once.
        alone: Frame rate of a guest that has the GPU to itself, by the native one.
        others_idle: The same while the others' places are taken, and they draw nothing; None: there are none.
        together: Sum of all guests' frame rates, by the native one.
        traps_per_frame: Exits from the guest for a frame.
        copied_per_frame: Bytes of commands and pictures.
        memory_per_guest: Bytes of VRAM; None: from a common pool.
        most_guests: How many guests can share; None: it has no limit of its own.
        fairness: Jain's index of the engine's time.
        latency_p50_ms: The time from the submission of a frame to its fence, all guests drawing.
        latency_p99_ms: The same time, for the guest that waits longest.
        isolation: What became of attempts to reach another's memory; None: there is no other.
    """

    mode: str
    guests: int
    alone: float
    others_idle: float | None
    together: float
    traps_per_frame: float
    copied_per_frame: int
    memory_per_guest: int | None
    most_guests: int | None
    fairness: float
    latency_p50_ms: float
    latency_p99_ms: float
    isolation: Isolation | None


class Results(NamedTuple):
    """All results.

    Attributes:
        rows: One for each way.
        convergence: How weights came to hold, mediated.
        stall_ms: Longest wait for a frame when a second guest comes, with the scheduler mended and as it was.
        placements: Where framebuffers lie.
    """

    rows: list[SharingFigures]
    convergence: Convergence
    stall_ms: dict[str, float]
    placements: list[Placed]


async def compare(
    mode: str, native_fps: float, *, seconds: float = _SECONDS, seed: int = 0
) -> SharingFigures:
    """Measure one way to share against the native frame rate."""
    gpu = Gpu(mode)
    sharing = gpu.sharing
    guests = 1 if sharing.most_guests == 1 else GUESTS
    alone = await measure(mode, [1], seconds=seconds, seed=seed)
    others_idle: Rates | None = None
    together = alone
    if guests > 1:
        others_idle = await measure(mode, [1], idle=guests - 1, seconds=seconds, seed=seed)
        together = await measure(mode, [1] * guests, seconds=seconds, seed=seed)
    frames = sum(together.frames)
    return SharingFigures(
        mode,
        guests,
        round(alone.fps[0] / native_fps, 3),
        None if others_idle is None else round(others_idle.fps[0] / native_fps, 3),
        round(sum(together.fps) / native_fps, 3),
        round(sum(together.traps) / frames, 1),
        sum(together.copied_bytes) // frames,
        None if sharing.remote else gpu.memory_per_guest,
        sharing.most_guests,
        round(jain(together.busy_ms), 4),
        together.latency_p50_ms,
        together.latency_p99_ms,
        isolation(mode),
    )


async def study(*, seconds: float = _SECONDS, seed: int = 0) -> Results:
    """Measure everything."""
    native = await measure("native", [1], seconds=seconds, seed=seed)
    rows = [await compare(mode, native.fps[0], seconds=seconds, seed=seed) for mode in MODES]
    stall_ms = {mode: await newcomer_stall_ms(mode, seed=seed) for mode in ("mediated", "mediated-original")}
    placements = [await placed(size, memory, seed=seed) for size in SIZES for memory in FramebufferMemory]
    return Results(rows, await convergence("mediated", seed=seed), stall_ms, placements)


def sharing_study(run: RunOptions, _kernel: Path | None = None) -> None:
    """Tell what every way to share makes of the same guests."""
    results = asyncio.run(study(seconds=run.seconds or _SECONDS, seed=run.seed))
    console = Console()
    tell(
        "sharing",
        run,
        table(results.rows),
        results.rows,
        convergence=results.convergence,
        newcomer_stall_ms=results.stall_ms,
        placements=results.placements,
    )
    console.print(_weights(results.convergence))
    console.print(
        "a guest that was busy alone waits for a frame, when another comes, at most "
        f"{results.stall_ms['mediated']:.1f} ms; before the scheduler's accounting was mended "
        f"{results.stall_ms['mediated-original']:.1f} ms"
    )
    console.print(_placements(results.placements))


def table(rows: Sequence[SharingFigures]) -> Table:
    """A column for each way to share: so it fits a narrow terminal."""
    shown = Table(title=f"{GUESTS} guests, {DRAWS} draws of 4 ms in all a frame", title_justify="left")
    shown.add_column("")
    for row in rows:
        shown.add_column(row.mode, justify="right")
    columns = [_figures(row) for row in rows]
    for label in columns[0]:
        shown.add_row(label, *(column[label] for column in columns))
    return shown


def _figures(row: SharingFigures) -> dict[str, str]:
    return {
        "guests": str(row.guests),
        "alone, of native": f"{row.alone:.1%}",
        "others idle": "-" if row.others_idle is None else f"{row.others_idle:.1%}",
        "together": f"{row.together:.1%}",
        "traps a frame": f"{row.traps_per_frame:.1f}",
        "bytes copied": f"{row.copied_per_frame:,}" if row.copied_per_frame else "-",
        "MiB a guest": "pool" if row.memory_per_guest is None else str(row.memory_per_guest >> 20),
        "guests at most": "any" if row.most_guests is None else str(row.most_guests),
        "fairness (Jain)": f"{row.fairness:.3f}",
        "latency p50, ms": f"{row.latency_p50_ms:.1f}",
        "latency p99, ms": f"{row.latency_p99_ms:.1f}",
        "intrusions caught": _caught(row.isolation),
    }


def _caught(found: Isolation | None) -> str:
    if found is None:
        return "-"
    return f"{found.caught} of {found.attempts}" + (", HARM" if found.harmed else "")


def _weights(found: Convergence) -> Table:
    when = "not within 1 s" if found.converged_ms is None else f"after {found.converged_ms:g} ms"
    shown = Table(title=f"mediated, by weight: within 5 % {when}", title_justify="left")
    shown.add_column("after, ms")
    for weight in found.weights:
        shown.add_column(f"weight {weight}: {weight / sum(found.weights):.1%}", justify="right")
    for index, row in enumerate(found.shares, start=1):
        shown.add_row(f"{100 * index}", *(f"{share:.1%}" for share in row))
    return shown


def _placements(found: Sequence[Placed]) -> Table:
    columns: dict[str, Callable[[Placed], object]] = {
        "picture": lambda result: result.size,
        "framebuffer": lambda result: result.placement,
        "fps": lambda result: f"{result.fps:.1f}",
        "migrated/frame": lambda result: (
            f"{result.migrated_per_frame:,}" if result.migrated_per_frame else "-"
        ),
    }
    title = "where a framebuffer lies (44 and 59 fps at 1080p are fitted)"
    return make_table(title, columns, found, texts=2)
