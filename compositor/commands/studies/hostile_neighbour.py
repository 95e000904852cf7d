"""`scanout run hostile-neighbour`: what an attack of one guest leaves of another guest's frames.

Two guests in processes of their own, each behind a vhost-user socket, share one machine on the real clock, as
they share a `scanout serve`. One shows frames at 60 Hz. The other attacks, in each of the ways of
`guest.process.hostile`. Every attack is also run against a `scanout serve` of its own, which is then sent a
SIGINT: how long it takes to end is told, too. `--seconds` is the time in which one attack is measured.

What is promised (`FPS`, `P99_MS`, `END_S`) holds for two cores that do nothing else, and so only `--strict`
makes it a matter of the exit status.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from compositor.adapter.display import Placement
from compositor.commands.options import RunOptions
from compositor.commands.pauses import short_pauses
from compositor.commands.studies.study import make_table, tell
from compositor.errors import RunFailed
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from compositor.machine.run_directory import run_directory
from guest.linux.errors import GuestDied
from guest.linux.process import GuestProcess
from guest.process import ProcessGuest
from guest.process.hostile import ATTACKS, launch
from guest.process.launch import process_environment

FPS, P99_MS, END_S = 55.0, 34.0, 1.0
"""What the honest guest keeps under each attack, and how soon SIGINT ends the machine."""

_OUTPUT = "1024x768@60"
_SECONDS = 5.0
_PATIENCE_S = 60.0  # for a process to start, or to end, on a busy machine
_SERVE = "from compositor.cli import main; main()"
_ATTACKED_S = 2.0  # at most, before SIGINT; a process that attacks has started by then
_OF_A_BOOT = 4  # commands, at most, that are no attack

NO_ATTACK = "none"
"""The row without an attack."""


class Result(NamedTuple):
    """What one attack did.

    Attributes:
        attack: Its name.
        fps: Frames per second of the honest guest.
        interval_p50_ms: From frame to frame, the median.
        interval_p99_ms: The same, 99th percentile.
        latency_p50_ms: From the honest guest's flush to the screen, the median.
        latency_p99_ms: The same, 99th percentile.
        commands: Commands per second that the device carried out for the attacker.
        refused: Those of them that it refused.
        end_s: From SIGINT to the end of a `scanout serve` under this attack; None: it was not asked.
    """

    attack: str
    fps: float
    interval_p50_ms: float
    interval_p99_ms: float
    latency_p50_ms: float
    latency_p99_ms: float
    commands: float
    refused: float
    end_s: float | None = None

    def broken(self) -> list[str]:
        """The promises that were not kept."""
        found = []
        if self.fps < FPS:
            found.append(f"{self.attack}: {self.fps:.1f} fps, not {FPS:g}")
        if self.interval_p99_ms >= P99_MS:
            found.append(f"{self.attack}: p99 of the intervals is {self.interval_p99_ms:.1f} ms")
        if self.end_s is not None and self.end_s >= END_S:
            found.append(f"{self.attack}: SIGINT took {self.end_s:.1f} s")
        return found


class Neighbours:
    """A machine with one honest guest and room for a hostile one.

    Args:
        machine: Runs, on the real clock, with two outputs.
        directory: For sockets.
    """

    def __init__(self, machine: Machine, directory: Path) -> None:
        self._machine, self._directory = machine, directory
        self._honest = self._serve("honest", 0)
        self._hostile = self._serve("hostile", 1)

    def _serve(self, name: str, output: int) -> Attachment:
        return self._machine.serve(self._directory / name, places=[Placement(output=output)])

    @asynccontextmanager
    async def honest(self) -> AsyncIterator[None]:
        """The honest guest shows frames meanwhile."""
        guest = ProcessGuest("plasma", name="honest")
        async with await guest.launch(self._directory / "honest", self._directory, lambda _text: None):
            await self._machine.until(
                lambda: self._honest.frames["presented"] > 1, within=_PATIENCE_S, what="an honest frame"
            )
            yield

    async def measure(self, attack: str, seconds: float) -> Result:
        """What the honest guest has under an attack.

        Raises:
            RunFailed: The attack does not begin, or does not go on.
        """
        if attack == NO_ATTACK:
            return await self._count(attack, seconds)
        begun = self._commands + _OF_A_BOOT
        async with await launch(attack, self._directory / "hostile", self._directory) as process:
            end = asyncio.create_task(process.wait())
            try:
                await self._machine.until(
                    lambda: self._commands > begun or end.done(), within=_PATIENCE_S, what=attack
                )
                result = await self._count(attack, seconds)
                if end.done():
                    raise RunFailed(f"the attack {attack} ended by itself: {process.console.last_lines(1)}")
                return result
            finally:
                end.cancel()

    async def _count(self, attack: str, seconds: float) -> Result:
        machine, hostile = self._machine, self._hostile
        machine.start_over()
        await machine.run(seconds=seconds)
        stats = machine.stats()
        lived_s, output, honest = stats["duration_s"], stats["outputs"][0], stats["guests"][0]
        return Result(
            attack,
            output["presented"] / lived_s,
            output["interval_ms"]["p50"],
            output["interval_ms"]["p99"],
            honest["latency_ms"]["p50"],
            honest["latency_ms"]["p99"],
            self._commands / lived_s,
            sum(hostile.statistics().errors.values()) / lived_s,
        )

    @property
    def _commands(self) -> int:
        return sum(self._hostile.statistics().commands.values())


async def measured(attacks: Collection[str], seconds: float, seed: int = 0) -> list[Result]:
    """A row for each attack, the first without any.

    Raises:
        RunFailed: A guest does not run.
    """
    machine = Machine(outputs=[_OUTPUT] * 2, clock="real", repaint="flush", seed=seed, digest=False)
    with run_directory() as directory:
        async with machine:
            with short_pauses(machine):
                neighbours = Neighbours(machine, directory)
                async with neighbours.honest():
                    return [await neighbours.measure(attack, seconds) for attack in (NO_ATTACK, *attacks)]


async def end_s(attack: str, seconds: float) -> float:
    """Seconds from SIGINT to the end of a `scanout serve` that has been attacked for so long.

    Raises:
        RunFailed: It does not start, or does not end.
    """
    with run_directory() as directory:
        socket = directory / "gpu"
        async with (
            await _launch_serve(socket, directory) as serve,
            await launch(attack, socket, directory),
        ):
            await asyncio.sleep(seconds)
            begun = time.monotonic()
            os.kill(serve.pid, signal.SIGINT)
            with suppress(GuestDied):  # the status of what was interrupted is not 0
                async with asyncio.timeout(_PATIENCE_S):
                    await serve.wait()
            return time.monotonic() - begun


async def _launch_serve(socket: Path, directory: Path) -> GuestProcess:
    """A `scanout serve` that listens."""
    listens: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def hear(text: str) -> None:
        if "serving" in text and not listens.done():
            listens.set_result(None)

    serve = await GuestProcess.launch(
        [sys.executable, "-c", _SERVE, "serve", str(socket)],
        name="scanout serve",
        directory=directory,
        environment=process_environment(),
        echo=hear,
    )
    end = asyncio.create_task(serve.wait())
    either: set[asyncio.Future[Any]] = {listens, end}
    await asyncio.wait(either, timeout=_PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    if not listens.done():
        await serve.stop()
        with suppress(GuestDied):
            await end
        raise RunFailed(f"scanout serve does not start: {serve.console.last_lines(1)}")
    end.cancel()
    return serve


def hostile_neighbour(run: RunOptions, _kernel: Path | None = None) -> list[str]:
    """Measure every attack, and tell what came of it.

    Returns:
        The promises that were not kept.

    Raises:
        RunFailed: A guest, or the machine, does not run.
    """
    results = asyncio.run(_all(ATTACKS, run.seconds or _SECONDS, run.seed))
    tell("hostile-neighbour", run, table(results), results)
    return [line for result in results for line in result.broken()]


async def _all(attacks: Collection[str], seconds: float, seed: int) -> list[Result]:
    first, *others = await measured(attacks, seconds, seed)
    ends = [await end_s(result.attack, min(seconds, _ATTACKED_S)) for result in others]
    return [first, *(result._replace(end_s=end) for result, end in zip(others, ends, strict=True))]


def table(results: Sequence[Result]) -> Table:
    """A row for each attack."""
    columns: dict[str, Callable[[Result], object]] = {
        "attack": lambda result: result.attack,
        "fps": lambda result: f"{result.fps:.1f}",
        "interval ms p50, p99": lambda result: f"{result.interval_p50_ms:.1f}, {result.interval_p99_ms:.1f}",
        "latency ms p50, p99": lambda result: f"{result.latency_p50_ms:.2f}, {result.latency_p99_ms:.2f}",
        "cmds/s": lambda result: f"{result.commands:,.0f}",
        "refused": lambda result: f"{result.refused:,.0f}",
        "SIGINT s": lambda result: "" if result.end_s is None else f"{result.end_s:.2f}",
    }
    return make_table("an honest guest at 60 Hz, beside a hostile one", columns, results)
