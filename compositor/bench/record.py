"""What recording costs: the same run with and without `--record`, and the bytes it leaves for each frame.

The peer is the run without a recording, so the ratio is below 1: how much of its speed is left. Frames are
1024x768, on the virtual clock, as fast as they go; the workloads repaint half of them (gears) or all of them
(plasma) every time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import zstandard

from compositor.bench.report import Report, Row, interleave
from compositor.machine import Machine
from compositor.machine.run_directory import run_directory
from compositor.output.output import Output
from compositor.record.recording import Recording
from guest.simulated import SimulatedGuest

_FRAMES = 60
_RUNS = 7
_MODE = "1024x768@60"


def run() -> Report:
    """Milliseconds a frame of a recorded run and of its replay, and kilobytes a frame of the file."""
    report = Report("record", versions={"zstandard": zstandard.__version__})
    with run_directory() as directory:
        path = directory / "bench.rec"
        for workload in ("gears", "plasma"):
            report.rows += _rows(workload, path)
    return report


def _rows(workload: str, path: Path) -> list[Row]:
    recorded = interleave(
        f"record-{workload}",
        "ms",
        lambda: asyncio.run(_play(workload, path)),
        {"unrecorded": lambda: asyncio.run(_play(workload, None))},
        runs=_RUNS,
    )
    replayed = interleave(
        f"replay-{workload}",
        "ms",
        lambda: asyncio.run(_replay(path)),
        {"unrecorded": lambda: asyncio.run(_play(workload, None))},
        runs=_RUNS,
    )
    size = path.stat().st_size / _FRAMES / 1e3
    return [recorded, replayed, Row(f"size-{workload}", "kB/frame", size, {}, None, None, None, 1)]


async def _play(workload: str, record: Path | None) -> float:
    """Milliseconds a frame of a run."""
    return await _timed([_MODE], record=record, guest=SimulatedGuest(workload))


async def _replay(path: Path) -> float:
    """As `_play`, of a replay."""
    with Recording(path) as recording:
        return await _timed(recording.outputs, repaint="recorded", recording=recording)


async def _timed(
    outputs: Sequence[Output | str],
    *,
    guest: SimulatedGuest | None = None,
    recording: Recording | None = None,
    **how: Any,
) -> float:
    start = time.perf_counter()
    async with Machine(outputs=outputs, **how) as machine:
        if guest is not None:
            await machine.attach(guest)
        if recording is not None:
            machine.replay(recording)
        await machine.run(frames=_FRAMES)
    return (time.perf_counter() - start) * 1e3 / _FRAMES
