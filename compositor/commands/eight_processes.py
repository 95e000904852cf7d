"""`scanout run eight-processes`: guests in processes of their own on one host, in real time.

Every guest has a socket and an output. One after the other is killed with SIGKILL, its process started again,
and has to show frames again; the others must not notice. At the end there must be no torn frame and no missed
fence. All are killed twice, because the first time leaves something on purpose (the last picture of each
output, for screenshots): after the second there must be as many descriptors, mappings and bytes of memory as
before it.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

from compositor.attachment import Attachment
from compositor.commands.options import RunOptions
from compositor.errors import BadInput, RunFailed
from compositor.frame import Frame
from compositor.machine import Machine
from compositor.observe.statistics import write_json
from compositor.scanout import Placement
from guest.linux.errors import GuestDied
from guest.linux.process import GuestProcess
from guest.process import ProcessGuest
from guest.workloads import WORKLOADS
from guest.workloads.stamp import read_rows

GUESTS = 8
_OUTPUT = "1280x720@60"
_SECONDS = 60.0
_BOOT_S = 60.0  # in which a process must have shown a frame, on a busy machine
_MEMORY_SLACK = 8 << 20  # bytes by which the host's own memory may differ: statistics, the allocator's rests
_LOOK_S = 0.1


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


class Lodger:
    """One guest on the machine: its socket, its process, and what became of it.

    Attributes:
        name: Of the guest.
        attachment: Its place on the machine.
        kills: How often it was killed.
        mixed: Frames of which two rows were of different frames, for the workload that says so in each.
    """

    def __init__(self, machine: Machine, index: int, directory: Path) -> None:
        workload = WORKLOADS[index % len(WORKLOADS)]
        self.name = f"{workload}-{index}"
        self.kills = self.mixed = 0
        self._guest = ProcessGuest(workload, seed=machine.seed + index, name=self.name)
        self._socket, self._workdir = directory / f"gpu{index}", directory
        self._output = machine.outputs[index]
        self._process: GuestProcess | None = None
        self._watch: asyncio.Task[int | None] | None = None
        self.attachment: Attachment = machine.serve(self._socket, places=[Placement(output=index)])
        if workload == "stress":
            machine.listen(index, self._look)

    @property
    def presented(self) -> int:
        """Frames of its output."""
        return self._output.commit_seq

    async def start(self) -> None:
        """Start its process."""
        self._process = await self._guest.launch(self._socket, self._workdir, lambda _text: None)
        self._watch = asyncio.create_task(self._process.wait())

    def check(self) -> None:
        """Find out whether it has ended by itself.

        Raises:
            RunFailed: It has: a fence was missed, or worse; the message has its own words.
        """
        if self._watch is not None and self._watch.done():
            error = self._watch.exception()
            raise RunFailed(str(error) if error is not None else f"{self.name} ended by itself")

    async def kill(self) -> None:
        """SIGKILL, and the end of the process."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGKILL)
        self.kills += 1
        await self.stop()

    async def stop(self) -> None:
        """End its process."""
        process, self._process = self._process, None
        watch, self._watch = self._watch, None
        if process is not None and watch is not None:
            await process.stop()
            with suppress(GuestDied):
                await watch

    def _look(self, frame: Frame) -> None:
        self.mixed += len(set(read_rows(frame.pixels))) > 1


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

    async def kill_each(self, seconds: float) -> None:
        """Kill one after the other, spread over `seconds`, and start it again."""
        pause = seconds / (2 * len(self.lodgers) + 1)
        await self.live(pause)
        for lodger in self.lodgers:
            await lodger.kill()
            await self.live(pause / 2)
            await lodger.start()
            await self.until_shown([lodger])
            await self.live(pause)

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
    """Let `guests` live for `seconds`, and the time that it takes to start them; kill each twice.

    Returns:
        What was not as it should be.

    Raises:
        RunFailed: A guest ended by itself, or did not come back.
    """
    reports: list[str] = []
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="scanout-")))
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
        await house.kill_each(seconds / 2)
        before = Holdings.now()
        await house.kill_each(seconds / 2)
        after = Holdings.now()
        Console().print(table(house))
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
