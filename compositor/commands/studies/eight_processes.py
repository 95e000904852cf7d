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
import os
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

from rich.console import Console
from rich.table import Table

from compositor.adapter.display import Placement
from compositor.commands.options import RunOptions
from compositor.commands.studies.study import Holdings, make_table
from compositor.errors import RunFailed
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from compositor.machine.run_directory import run_directory
from compositor.observe.statistics import write_json
from compositor.output.frame import Frame
from guest.linux.errors import GuestDied
from guest.linux.process import GuestProcess
from guest.process import ProcessGuest
from guest.workloads import WORKLOADS
from guest.workloads.stamp import read_rows
from virtio.clock.calendar import NANOSECONDS

GUESTS = 8
_OUTPUT = "1280x720@60"
_SECONDS = 60.0
_BOOT_S = 60.0  # in which a process must have shown a frame, on a busy machine
_MEMORY_SLACK = 8 << 20  # bytes by which the host's own memory may differ: statistics, the allocator's rests
_LOOK_S = 0.1
_AWAY = 1 / 8  # of a guest's share of the time, before its process is started again


class ServedGuest:
    """One guest on the machine: its socket, its process, and what became of it.

    Attributes:
        name: Its name.
        attachment: The machine's side of it.
        kills: How often it was killed.
    """

    def __init__(self, machine: Machine, index: int, directory: Path) -> None:
        workload = WORKLOADS[index % len(WORKLOADS)]
        self.name = f"{workload}-{index}"
        self.kills = self._mixed = 0
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

    @property
    def torn(self) -> int:
        """How many of its frames were a mixture of two; the host sees most, `_look` sees every row."""
        return self.attachment.statistics().frames["torn"] + self._mixed

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
        self._mixed += len(set(read_rows(frame.pixels))) > 1


class Soak:
    """The machine and its guests, while one after the other is killed and comes back."""

    def __init__(self, machine: Machine, guests: Sequence[ServedGuest], reports: Sequence[str]) -> None:
        self.machine, self.guests, self._reports = machine, guests, reports

    async def live(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            RunFailed: A guest has ended by itself.
        """
        await self.machine.run(seconds=seconds)
        for guest in self.guests:
            guest.check()

    async def until_shown(self, guests: Sequence[ServedGuest]) -> None:
        """Wait until each of these has shown two frames more.

        Raises:
            RunFailed: One has not, within a minute.
        """
        wanted = {guest: guest.presented + 2 for guest in guests}
        for _ in range(round(_BOOT_S / _LOOK_S)):
            await self.live(_LOOK_S)
            if all(guest.presented >= count for guest, count in wanted.items()):
                return
        late = ", ".join(guest.name for guest, count in wanted.items() if guest.presented < count)
        raise RunFailed(f"{late}: no frame within {_BOOT_S:g} s of the start")

    async def kill_each(self, end_s: float) -> None:
        """Kill one after the other and start it again, spread over the time that is left until `end_s`.

        A process that needs longer to come back than there is makes it later than that.
        """
        for left in range(len(self.guests), 0, -1):
            guest = self.guests[-left]
            share = (end_s - self.now_s) / left
            due = self.now_s + share
            await guest.kill()
            await self.live(max(share * _AWAY, _LOOK_S))
            await guest.start()
            await self.until_shown([guest])
            await self.live(max(due - self.now_s, _LOOK_S))

    @property
    def now_s(self) -> float:
        """The run's clock, in seconds."""
        return self.machine.clock.now_ns() / NANOSECONDS

    def failures(self, before: Holdings, after: Holdings) -> list[str]:
        """What is not as it should be."""
        found = [f"the host reported: {line}" for line in self._reports]
        for guest in self.guests:
            counts = guest.attachment.statistics()
            if guest.torn:
                found.append(f"{guest.name}: {guest.torn} torn frames")
            if counts.errors:
                found.append(f"{guest.name}: the device answered {dict(counts.errors)}")
        if before[:2] != after[:2]:
            found.append(f"descriptors and mappings grew from {before[:2]} to {after[:2]}")
        if after.memory > before.memory + _MEMORY_SLACK:
            found.append(f"memory grew from {before.memory >> 20} to {after.memory >> 20} MiB")
        return found


def eight_processes(run: RunOptions, _kernel: Path | None = None) -> None:
    """Run it, print what came of it, and write `--stats`.

    Raises:
        RunFailed: Something was torn, missed or left behind; the message names it.
    """
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
        served = [ServedGuest(machine, index, directory) for index in range(guests)]
        soaking = Soak(machine, served, reports)
        for guest in served:
            await guest.start()
            stack.push_async_callback(guest.stop)
        await soaking.until_shown(served)
        await soaking.kill_each((soaking.now_s + seconds) / 2)
        before = Holdings.now()
        await soaking.kill_each(seconds)
        after, took_s = Holdings.now(), soaking.now_s
        Console().print(table(served))
        if took_s > seconds + 1:
            print(f"{took_s:.0f} s: on this machine all of them were not back twice within {seconds:g} s")
        print(
            f"descriptors {before.descriptors} -> {after.descriptors}, mappings of guest memory "
            f"{before.mappings} -> {after.mappings}, memory {before.memory >> 20} -> {after.memory >> 20} MiB"
        )
        if run.stats is not None:
            write_json(run.stats, machine.stats())
        return soaking.failures(before, after)


def table(guests: Sequence[ServedGuest]) -> Table:
    """A row for each guest."""
    columns: dict[str, Callable[[ServedGuest], object]] = {
        "guest": lambda guest: guest.name,
        "frames": lambda guest: guest.attachment.statistics().frames["presented"],
        "torn": lambda guest: guest.torn,
        "bytes copied": lambda guest: sum(guest.attachment.statistics().bytes.values()),
        "killed": lambda guest: guest.kills,
    }
    return make_table(f"{len(guests)} guests in processes of their own", columns, guests)
