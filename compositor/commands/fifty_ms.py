"""`scanout run fifty-ms`: the hole in Linux's waiting, and what it costs.

Linux's virtio-gpu driver waits for the fence of a flush, so that the buffer shown before is free when the
flip is reported; but it waits for 50 ms at most, and throws the result away (virtgpu_plane.c,
`virtio_gpu_primary_plane_update`). A host that takes longer, for once, has its buffers drawn over: nobody is
told. Here the host holds the fences for a set time, and looks at the buffers.

The simulated guest gives up after 50 ms to the nanosecond. A kernel counts in ticks (on UML 10 ms each, so
it gives up between 50 and 60 ms) and then reports the flip at its next vblank: at 60 Hz, nothing is drawn
over before 66.7 ms. It also waits, for as long as it takes, before it flips a buffer whose last flip's fence
is out: with two buffers no more than two flips are outstanding, and it is the drawing that comes too early.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.observe.statistics import write_json
from guest.linux import shown_progress
from guest.real import UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat

HOLD_MS = (0, 20, 49, 51, 70, 200)
_OUTPUT = "64x48@60"  # of the simulated guest
_LINUX_OUTPUT = "640x480@60"
_LINUX_PATIENCE_NS = 50_000_000
_RENDER_NS = 1_000
_FRAMES = 12
_IMPATIENT = "a simulated guest as patient as Linux"


class Held(NamedTuple):
    """What holding the fences for some time did.

    Attributes:
        hold_ms: That time.
        next_flip_ms: Median time from a flip to the next: when the guest was told that the first is complete,
            for it draws in no time.
        flips_outstanding: Most images that the host had at a time and was not through with.
        early_reuse: Buffers that were drawn over while the host still had them.
        first: The first of these, if there is one.
    """

    hold_ms: float
    next_flip_ms: float
    flips_outstanding: int
    early_reuse: int
    first: object


MakeGuest = Callable[[], SimulatedGuest | UmlGuest]


async def measure(
    make_guest: MakeGuest,
    hold_ms: float,
    *,
    output: str = _OUTPUT,
    frames: int = _FRAMES,
    seed: int = 0,
) -> Held:
    """Let one guest flip `frames` times on virtual time, and hold each of its fences for `hold_ms`.

    Raises:
        ScanoutError: The guest cannot be started; the message says why.
    """
    async with Machine(
        outputs=[output], repaint="flush", seed=seed, digest=False, report=lambda _line: None
    ) as machine:
        attachment = await machine.attach(make_guest())
        attachment.display.hold_ns = round(hold_ms * 1e6)
        await machine.run(frames=frames)
        stats = machine.stats()
    (shown,), (guest,) = stats["outputs"], stats["guests"]
    return Held(
        hold_ms,
        shown["interval_ms"]["p50"],
        guest["flips_outstanding"],
        guest["frames"]["early_reuse"],
        next(iter(guest["early_reuse"]), None),
    )


def impatient_guest() -> SimulatedGuest:
    """A guest that waits for a fence as long as Linux does."""
    return SimulatedGuest(Flat(), render_ns=_RENDER_NS, patience_ns=_LINUX_PATIENCE_NS)


def linux(kernel: Path) -> UmlGuest:
    """A real one, that flips as fast as its driver lets it."""
    return UmlGuest("pageflip", kernel=kernel)


def fifty_ms(run: RunOptions, kernel: Path | None) -> None:
    """Print, and with `--stats` write, what becomes of a guest whose fences are held.

    Args:
        run: The user's options.
        kernel: A UML kernel; None: a simulated guest with the same patience.

    Raises:
        BadInput: An option that a study has no use for.
        ScanoutError: The kernel cannot be started; the message says why.
    """
    if run.window or run.clock == "real" or run.screenshot is not None or run.seconds is not None:
        raise BadInput("fifty-ms runs on virtual time and shows no picture: it takes --frames and --stats")
    if kernel is None:
        name = _IMPATIENT
        results = asyncio.run(_all(impatient_guest, _OUTPUT, run))
    else:
        name = f"{kernel.name}, pageflip"
        with shown_progress() as progress:
            linux(kernel).prepare(progress)
        results = asyncio.run(_all(lambda: linux(kernel), _LINUX_OUTPUT, run))
    if run.stats is not None:
        document = {"study": "fifty-ms", "guest": name, "results": [result._asdict() for result in results]}
        write_json(run.stats, document)
    Console().print(table(name, results))


async def _all(make_guest: MakeGuest, output: str, run: RunOptions) -> list[Held]:
    frames = run.frames or _FRAMES
    return [
        await measure(make_guest, hold_ms, output=output, frames=frames, seed=run.seed) for hold_ms in HOLD_MS
    ]


def table(name: str, results: Sequence[Held]) -> Table:
    """A row for each time that fences are held."""
    shown = Table(title=f"{name}: fences held by the host", title_justify="left")
    for column in ("held, ms", "next flip after, ms", "flips outstanding", "reused early"):
        shown.add_column(column, justify="right")
    for result in results:
        shown.add_row(
            f"{result.hold_ms:g}",
            f"{result.next_flip_ms:.2f}",
            str(result.flips_outstanding),
            str(result.early_reuse or "-"),
        )
    return shown
