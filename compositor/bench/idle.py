"""What a scene costs in which nothing happens: 10 s of real time with four guests that stand still.

Frames composited, the time of this process on a processor, and how often it was woken up (voluntary context
switches). The peer is Python's event loop doing nothing for as long.
"""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable
from typing import NamedTuple

from compositor.adapter.display import Placement
from compositor.bench.report import Report, Row
from compositor.machine import Machine
from guest.simulated import SimulatedGuest

_SECONDS = 10.0
_SETTLE_S = 0.5
_GUESTS = 4
_PLACES = [Placement(x=x, y=y, width=640, height=360) for y in (0, 360) for x in (0, 640)]


class Idled(NamedTuple):
    """A stretch of doing nothing.

    Attributes:
        frames: Composited meanwhile.
        cpu_ms: Time on a processor.
        wakeups: Voluntary context switches.
    """

    frames: int
    cpu_ms: float
    wakeups: int


def run(seconds: float = _SECONDS) -> Report:
    """Both, one after the other."""
    ours, peer = asyncio.run(_with_guests(seconds)), asyncio.run(_alone(seconds))
    report = Report("idle")
    for case, unit in (("frames", "frames"), ("cpu_ms", "ms"), ("wakeups", "wakeups")):
        values = float(getattr(ours, case)), float(getattr(peer, case))
        name = f"{case.removesuffix('_ms')}-in-{seconds:g}s-of-{_GUESTS}-static-guests"
        report.rows.append(Row(name, unit, values[0], {"event-loop-alone": values[1]}, None, None, None, 1))
    return report


async def _with_guests(seconds: float) -> Idled:
    async with Machine(outputs=["1280x720@60"], clock="real") as machine:
        for place in _PLACES[:_GUESTS]:
            await machine.attach(SimulatedGuest("plasma", frames=1), [place])
        await machine.run(seconds=_SETTLE_S)
        before = machine.presented
        idled = await _measured(machine.run(seconds=seconds))
        return idled._replace(frames=machine.presented - before)


async def _alone(seconds: float) -> Idled:
    return await _measured(asyncio.sleep(seconds))


async def _measured(doing_nothing: Awaitable[object]) -> Idled:
    begin_s, begin_wakeups = time.process_time(), _wakeups()
    await doing_nothing
    return Idled(0, (time.process_time() - begin_s) * 1e3, _wakeups() - begin_wakeups)


def _wakeups() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
