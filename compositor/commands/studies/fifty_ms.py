"""`scanout run fifty-ms`: the hole in Linux's waiting, and what it costs.

Linux's virtio-gpu driver waits for the fence of a flush, so that the buffer shown before is free when the
flip is reported; but it waits for 50 ms at most, and throws the result away (virtgpu_plane.c,
`virtio_gpu_primary_plane_update`). A host that takes longer, for once, has its buffers drawn over, and is
not told. Here the host holds the fences for a set time, and looks at the buffers.

The simulated guest gives up after 50 ms to the nanosecond, and draws at once. A kernel counts its patience in
ticks, from the next one on: on UML, whose ticks are 10 ms apart, that makes 50 to 60 ms. And it reports the
flip at its next vblank. So the guest here flips just before a tick (`pageflip --before-tick`), and its
monitor is so fast that there is a vblank within a millisecond. That uncovers the hole to its edges: who is
answered after 49 ms draws over nothing, who is not after 51 ms is found. At 60 Hz the third vblank after
a flip comes after 50.0 ms and the fourth after 66.7 ms, so a fence held for less is back in time, by luck.

A kernel also waits, for as long as it takes, before it flips a buffer whose last flip's fence is out: with
two buffers no more than two flips are outstanding, and it is the drawing that comes too early.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from compositor.adapter.late import LINUX_PATIENCE
from compositor.commands.options import RunOptions
from compositor.commands.studies.study import make_table, tell
from compositor.errors import RunFailed
from compositor.machine import Machine
from guest.linux import shown_progress
from guest.real import UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat

HOLD_MS = (0, 20, 49, 51, 200)
_OUTPUT = "64x48@60"  # of the simulated guest
# Of a kernel. Not 1000 Hz: so the vblanks move against the ticks from flip to flip, and no phase of theirs
# can hide the hole for good.
_LINUX_OUTPUT = "640x480@999"
_BEFORE_TICK_MS = 0.02
_RENDER_NS = 1_000
_FRAMES = 12
_FLIP = re.compile(r"asked=([0-9.]+) event=([0-9.]+)")


class Held(NamedTuple):
    """What holding the fences for some time did.

    Attributes:
        hold_ms: How long they were held.
        earliest_event_ms: Shortest time from a flip to its event, at which the guest takes it for complete.
        latest_event_ms: The longest.
        flips_outstanding: Most images that the host had at a time and was not through with.
        early_reuse: Buffers that were drawn over while the host still had them.
        first: The first of these, if there is one.
    """

    hold_ms: float
    earliest_event_ms: float
    latest_event_ms: float
    flips_outstanding: int
    early_reuse: int
    first: object


async def measure(
    hold_ms: float, *, kernel: Path | None = None, frames: int = _FRAMES, seed: int = 0
) -> Held:
    """Let one guest flip on virtual time, and hold each of its fences.

    Args:
        hold_ms: How long the host holds each fence.
        kernel: A UML kernel, whose own driver flips; None: a simulated guest with the same patience.
        frames: How many images to show, the first one, which is no flip, included.
        seed: The seed of all that is random.

    Raises:
        ScanoutError: The kernel cannot be started; the message says why.
    """
    console: list[str] = []
    async with Machine(
        outputs=[_OUTPUT if kernel is None else _LINUX_OUTPUT],
        repaint="flush",
        seed=seed,
        digest=False,
        report=lambda _line: None,  # that buffers are reused early is what is measured here
        echo=console.append,
    ) as machine:
        attachment = await machine.attach(_impatient() if kernel is None else _linux(kernel))
        attachment.display.hold_ns = round(hold_ms * 1e6)
        await machine.run(frames=frames)
        stats = machine.stats()
    (guest,) = stats["guests"]
    return Held(
        hold_ms,
        *(_intervals(stats) if kernel is None else _events("".join(console))),
        guest["flips_outstanding"],
        guest["frames"]["early_reuse"],
        next(iter(guest["early_reuse"]), None),
    )


def _impatient() -> SimulatedGuest:
    """A guest that waits for a fence as long as Linux does."""
    return SimulatedGuest(Flat(), render_ns=_RENDER_NS, patience_ns=LINUX_PATIENCE.ns)


def _linux(kernel: Path) -> UmlGuest:
    """A kernel whose program tells when it flips and when it hears of it."""
    return UmlGuest("pageflip", command=["--before-tick", str(_BEFORE_TICK_MS), "--times"], kernel=kernel)


def _intervals(stats: Mapping[str, Any]) -> tuple[float, float]:
    """Times from flip to event of a guest that draws in no time, and always waits equally long."""
    (output,) = stats["outputs"]
    return output["interval_ms"]["p50"], output["interval_ms"]["max"]


def _events(console: str) -> tuple[float, float]:
    """Shortest and longest time from flip to event, from what `pageflip` printed."""
    times = [float(event) - float(asked) for asked, event in _FLIP.findall(console)]
    if not times:
        raise RunFailed(f"fifty-ms: the guest told of no flip, but: {console.strip()[-200:]}")
    return round(min(times), 3), round(max(times), 3)


def fifty_ms(run: RunOptions, kernel: Path | None) -> None:
    """Tell what becomes of a guest whose fences are held.

    Args:
        run: The user's options.
        kernel: A UML kernel; None: a simulated guest with the same patience.

    Raises:
        ScanoutError: The kernel cannot be started; the message says why.
    """
    name = "a simulated guest as patient as Linux"
    if kernel is not None:
        name = f"{kernel.name}, pageflip"
        with shown_progress() as progress:
            _linux(kernel).prepare(progress)
    results = asyncio.run(_all(run, kernel))
    tell("fifty-ms", run, table(name, results), results, guest=name)


async def _all(run: RunOptions, kernel: Path | None) -> list[Held]:
    frames = run.frames or _FRAMES
    return [await measure(hold_ms, kernel=kernel, frames=frames, seed=run.seed) for hold_ms in HOLD_MS]


def table(name: str, results: Sequence[Held]) -> Table:
    """A row for each time that fences are held."""
    columns: dict[str, Callable[[Held], object]] = {
        "held, ms": lambda held: f"{held.hold_ms:g}",
        "flip event after, ms": lambda held: f"{held.earliest_event_ms:.2f} to {held.latest_event_ms:.2f}",
        "flips outstanding": lambda held: held.flips_outstanding,
        "reused early": lambda held: held.early_reuse or "-",
    }
    return make_table(f"{name}: fences held by the host", columns, results, texts=0)
