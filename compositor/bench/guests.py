"""Simulated guests: frames per second of each workload, and what a process of its own costs a guest.

The workloads run in process and on the virtual clock, as fast as they go: drawing, driver, device, commit.
The hand-over is that of `desktop`, which draws by one copy: from the drawing of a frame to its presentation,
in milliseconds of real time, beside two plain ways to get frames from one process to another (`handover`).
"""

from __future__ import annotations

import asyncio
import time
from contextlib import ExitStack, closing
from functools import partial

import numpy as np

from compositor.bench.handover import Size, pixels_through_a_socket, shared_memory_and_queue
from compositor.bench.report import Measure, Report, Row, interleave
from compositor.errors import RunFailed
from compositor.machine import Machine
from guest.process import ProcessGuest
from guest.simulated import SimulatedGuest
from guest.workloads import WORKLOADS

SIZE = (1920, 1080)
_FRAMES, _RUNS = 30, 7
_HANDOVER = "desktop"


def run(size: Size = SIZE, frames: int = _FRAMES, runs: int = _RUNS) -> Report:
    """Frames per second of each workload, then milliseconds a frame of each hand-over."""
    report = Report("guests", versions={"numpy": np.__version__})
    with ExitStack() as stack:
        runner = stack.enter_context(asyncio.Runner())
        for workload in WORKLOADS:
            with closing(Session(runner, size)) as session:
                session.attach(SimulatedGuest(workload))
                rate = partial(_per_second, session, frames)
                report.rows.append(interleave(f"{workload}-{size[1]}p", "frames/s", rate, {}, runs=3))
        report.rows += _handovers(stack, runner, size, frames, runs)
    return report


def _per_second(session: Session, frames: int) -> float:
    return 1e3 / session.milliseconds(frames)


def _handovers(stack: ExitStack, runner: asyncio.Runner, size: Size, frames: int, runs: int) -> list[Row]:
    inside, virtual, real = (
        stack.enter_context(closing(Session(runner, size, real=real))) for real in (False, False, True)
    )
    inside.attach(SimulatedGuest(_HANDOVER))
    virtual.attach(ProcessGuest(_HANDOVER))
    real.attach(ProcessGuest(_HANDOVER, paced=False))
    memory = stack.enter_context(closing(shared_memory_and_queue(_HANDOVER, size)))
    sock = stack.enter_context(closing(pixels_through_a_socket(_HANDOVER, size)))
    in_process: dict[str, Measure] = {"in process": lambda: inside.milliseconds(frames)}
    plain: dict[str, Measure] = {
        "shared_memory+queue": lambda: memory.milliseconds(frames),
        "pixels through a socket": lambda: sock.milliseconds(frames),
    }
    rows = [
        interleave(
            "own-process", "ms/frame", lambda: real.milliseconds(frames), plain | in_process, runs=runs
        ),
        interleave(
            "own-process-virtual-clock",
            "ms/frame",
            lambda: virtual.milliseconds(frames),
            in_process,
            runs=runs,
        ),
    ]
    for session in (inside, virtual, real):
        session.check_zero_copy()
    return rows


class Session:
    """A machine with one output and one guest, which runs while it is measured and stands still between.

    `close` it.
    """

    def __init__(self, runner: asyncio.Runner, size: Size, *, real: bool = False) -> None:
        mode = f"{size[0]}x{size[1]}@60"
        self._runner = runner
        self._machine = Machine(
            outputs=[mode], clock="real" if real else "virtual", repaint="flush" if real else "vblank",
            digest=False,
        )  # fmt: skip
        runner.run(self._machine.__aenter__())

    def attach(self, guest: SimulatedGuest | ProcessGuest) -> None:
        """Start a guest, and let it warm up."""
        self._runner.run(self._machine.attach(guest))
        self.milliseconds(2)

    def milliseconds(self, frames: int) -> float:
        """Milliseconds a frame, over the next `frames`."""
        start = time.perf_counter()
        self._runner.run(self._machine.run(frames=frames))
        return (time.perf_counter() - start) * 1e3 / frames

    def check_zero_copy(self) -> None:
        """Hold the guest to what is claimed of it.

        Raises:
            RunFailed: A pixel was copied on its way, or a frame not scanned out as it was.
        """
        stats = self._machine.stats()
        (output,), (guest,) = stats["outputs"], stats["guests"]
        if any(guest["bytes"].values()) or output["direct_scanout"] != output["presented"]:
            raise RunFailed(f"{guest['name']}: bytes were copied: {guest['bytes']}")

    def close(self) -> None:
        """End guest and machine."""
        self._runner.run(self._machine.__aexit__())
