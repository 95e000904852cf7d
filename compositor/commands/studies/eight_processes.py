"""`scanout run eight-processes`: guests in processes of their own on one host, in real time.

Every guest has a socket and an output. One after the other is killed with SIGKILL, its process started again,
and has to show frames again; the others must not notice. At the end there must be no torn frame and no missed
fence. All are killed twice, because the first time leaves something on purpose (the last picture of each
output, for screenshots): after the second there must be as many descriptors, mappings and bytes of memory as
before it. `--seconds` is the whole time, in which the kills are spread; when it is too short for all of them
to come back twice, the run goes on until they have, and says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from compositor.commands.options import RunOptions
from compositor.commands.studies.lodger import Lodger
from compositor.errors import BadInput, RunFailed
from compositor.machine import Machine
from compositor.machine.run_directory import run_directory
from compositor.observe.statistics import write_json
from virtio.clock.calendar import NANOSECONDS

GUESTS = 8
_OUTPUT = "1280x720@60"
_SECONDS = 60.0
_BOOT_S = 60.0  # in which a process must have shown a frame, on a busy machine
_MEMORY_SLACK = 8 << 20  # bytes by which the host's own memory may differ: statistics, the allocator's rests
_LOOK_S = 0.1
_AWAY = 1 / 8  # of a guest's share of the time, before its process is started again


class Holdings(NamedTuple):
    """What this process holds.

    Attributes:
        descriptors: Open ones.
        mappings: Of guests' memory.
        memory: Bytes of its own, resident.
    """

    descriptors: int
    mappings: int
    memory: int

    @classmethod
    def now(cls) -> Holdings:
        """Count."""
        maps = Path("/proc/self/maps").read_text()
        status = Path("/proc/self/status").read_text()
        anonymous = next(line.split()[1] for line in status.splitlines() if line.startswith("RssAnon"))
        return cls(len(list(Path("/proc/self/fd").iterdir())), maps.count("/memfd:"), int(anonymous) << 10)


class House:
    """The machine and its lodgers."""

    def __init__(self, machine: Machine, lodgers: Sequence[Lodger], reports: Sequence[str]) -> None:
        self.machine, self.lodgers, self._reports = machine, lodgers, reports

    async def live(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            RunFailed: A guest has ended by itself.
        """
        await self.machine.run(seconds=seconds)
        for lodger in self.lodgers:
            lodger.check()

    async def until_shown(self, lodgers: Sequence[Lodger]) -> None:
        """Wait until each of these has shown two frames more.

        Raises:
            RunFailed: One has not, within a minute.
        """
        wanted = {lodger: lodger.presented + 2 for lodger in lodgers}
        for _ in range(round(_BOOT_S / _LOOK_S)):
            await self.live(_LOOK_S)
            if all(lodger.presented >= count for lodger, count in wanted.items()):
                return
        late = ", ".join(lodger.name for lodger, count in wanted.items() if lodger.presented < count)
        raise RunFailed(f"{late}: no frame within {_BOOT_S:g} s of the start")

    async def kill_each(self, end_s: float) -> None:
        """Kill one after the other and start it again, spread over the time that is left until `end_s`.

        A process that needs longer to come back than there is makes it later than that.
        """
        for left in range(len(self.lodgers), 0, -1):
            lodger = self.lodgers[-left]
            share = (end_s - self.now_s) / left
            due = self.now_s + share
            await lodger.kill()
            await self.live(max(share * _AWAY, _LOOK_S))
            await lodger.start()
            await self.until_shown([lodger])
            await self.live(max(due - self.now_s, _LOOK_S))

    @property
    def now_s(self) -> float:
        """The run's clock, in seconds."""
        return self.machine.clock.now_ns() / NANOSECONDS

    def failures(self, before: Holdings, after: Holdings) -> list[str]:
        """What is not as it should be."""
        found = [f"the host reported: {line}" for line in self._reports]
        for lodger in self.lodgers:
            counts = lodger.attachment.statistics()
            if torn := counts.frames["torn"] + lodger.mixed:
                found.append(f"{lodger.name}: {torn} torn frames")
            if counts.errors:
                found.append(f"{lodger.name}: the device answered {dict(counts.errors)}")
        if before[:2] != after[:2]:
            found.append(f"descriptors and mappings grew from {before[:2]} to {after[:2]}")
        if after.memory > before.memory + _MEMORY_SLACK:
            found.append(f"memory grew from {before.memory >> 20} to {after.memory >> 20} MiB")
        return found


def eight_processes(run: RunOptions, kernel: Path | None = None) -> None:
    """Run it, print what came of it, and write `--stats`.

    Raises:
        BadInput: An option that has no use here.
        RunFailed: Something was torn, missed or left behind; the message names it.
    """
    if kernel is not None or run.window or run.clock == "virtual" or run.screenshot is not None or run.frames:
        raise BadInput("eight-processes runs headless in real time: it takes --seconds, --seed and --stats")
    failures = asyncio.run(soak(run.seconds or _SECONDS, run))
    if failures:
        raise RunFailed("; ".join(failures))
    print("passed: no torn frame, no missed fence, no growth; every guest was killed and came back")


async def soak(seconds: float, run: RunOptions, *, guests: int = GUESTS, output: str = _OUTPUT) -> list[str]:
    """Let `guests` live for `seconds`, their start included, and kill each twice in that time.

    It goes on for longer where that is needed for all of them to come back twice, and says so.

    Returns:
        What was not as it should be.

    Raises:
        RunFailed: A guest ended by itself, or did not come back.
    """
    reports: list[str] = []
    async with AsyncExitStack() as stack:
        directory = stack.enter_context(run_directory())
        machine = await stack.enter_async_context(
            Machine(
                outputs=[output] * guests, clock="real", repaint="flush", seed=run.seed, digest=False,
                report=reports.append,
            )
        )  # fmt: skip
        lodgers = [Lodger(machine, index, directory) for index in range(guests)]
        house = House(machine, lodgers, reports)
        for lodger in lodgers:
            await lodger.start()
            stack.push_async_callback(lodger.stop)
        await house.until_shown(lodgers)
        await house.kill_each((house.now_s + seconds) / 2)
        before = Holdings.now()
        await house.kill_each(seconds)
        after, took_s = Holdings.now(), house.now_s
        Console().print(table(house))
        if took_s > seconds + 1:
            print(f"{took_s:.0f} s: on this machine all of them were not back twice within {seconds:g} s")
        print(
            f"descriptors {before.descriptors} -> {after.descriptors}, mappings of guest memory "
            f"{before.mappings} -> {after.mappings}, memory {before.memory >> 20} -> {after.memory >> 20} MiB"
        )
        if run.stats is not None:
            write_json(run.stats, machine.stats())
        return house.failures(before, after)


def table(house: House) -> Table:
    """A row for each guest."""
    shown = Table(title=f"{len(house.lodgers)} guests in processes of their own", title_justify="left")
    for column in ("guest", "frames", "torn", "bytes copied", "killed"):
        shown.add_column(column, justify="left" if column == "guest" else "right")
    for lodger in house.lodgers:
        counts = lodger.attachment.statistics()
        torn, copied = counts.frames["torn"] + lodger.mixed, sum(counts.bytes.values())
        shown.add_row(lodger.name, str(counts.frames["presented"]), str(torn), str(copied), str(lodger.kills))
    return shown
