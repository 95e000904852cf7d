"""`scanout run soak`: guests that come and go for a day, and what is left of them.

One guest stays. Others come, are killed, restarted and taken away; their monitors are unplugged, plugged in
and switched to other modes. In every round all of them leave in the end, and a sample says what this process
holds then (see `compositor.commands.studies.soak_sample`). No quantity may grow.

On the virtual clock the guests are simulated in this process, and `--seconds` are of their time: 24 hours
take minutes. With `--clock real` they have processes of their own, and with `--kernel` every third is a UML
kernel. `--stats` gets the samples, `--screenshot` a picture of their curves.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from compositor.adapter.display import Placement
from compositor.commands.options import ClockKind, RunOptions
from compositor.commands.studies.soak_plot import plot, shown
from compositor.commands.studies.soak_sample import Sample, Trend, take, trends
from compositor.commands.studies.study import make_table, tell
from compositor.errors import BadInput, RunFailed
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from guest.bare import BareGuest
from guest.linux import shown_progress
from guest.process import ProcessGuest
from guest.real import LinuxGuest, UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads import WORKLOADS
from virtio.clock.calendar import NANOSECONDS

AnyGuest = BareGuest | ProcessGuest | LinuxGuest
MakeGuest = Callable[[int, random.Random], AnyGuest]
MODES = ("64x48@60", "96x64@75", "80x60@30", "64x64@24")
FEWEST_ROUNDS = 8  # from which a slope can be told
_STAYS = "64x48@1"  # the mode of the guest that stays, on the virtual clock
_MEMORY = 4 << 20  # of a guest, bytes
_PATIENCE_S = 300.0  # for a fence, on the real clock
_PICTURES = 8  # that a guest draws for each mode, and then sleeps; on the virtual clock
_POLICIES = ("none", "release", "queue", "out-fence")


class Pattern(NamedTuple):
    """The pattern of a soak.

    Attributes:
        make: Describes the guest of a number.
        stays: The guest that stays.
        round_s: Seconds from sample to sample; on the real clock more, for processes take time to end.
        event_s: Seconds from event to event, on the average.
        rest_s: Seconds in which all that was begun comes to its end, before a sample.
        outputs: The modes of the outputs; the guest that stays is on the first.
    """

    make: MakeGuest
    stays: Callable[[], AnyGuest]
    round_s: float
    event_s: float
    rest_s: float
    outputs: Sequence[str]


def simulated(number: int, chance: random.Random) -> SimulatedGuest:
    """A guest in this process, that draws a few pictures."""
    return SimulatedGuest(
        WORKLOADS[number % len(WORKLOADS)],
        name=f"guest-{number}",
        seed=number,
        sync=chance.choice(_POLICIES),
        memory=_MEMORY,
        frames=_PICTURES,
    )


VIRTUAL = Pattern(
    simulated,
    lambda: SimulatedGuest("plasma", name="stays", memory=_MEMORY),
    round_s=300.0,
    event_s=10.0,
    rest_s=2.0,
    outputs=(_STAYS, *MODES),
)


def _in_a_process(workload: str, name: str) -> ProcessGuest:
    """A guest that does not give its host up, however busy this machine is with something else."""
    return ProcessGuest(workload, name=name, memory=_MEMORY, patience_s=_PATIENCE_S)


def real(kernel: Path | None) -> Pattern:
    """Guests in processes of their own; every third is a kernel, if there is one."""

    def make(number: int, _chance: random.Random) -> ProcessGuest | UmlGuest:
        if kernel is not None and number % 3 == 0:
            return UmlGuest("hotplug", name=f"kernel-{number}", kernel=kernel, memory=64)
        workload = WORKLOADS[number % len(WORKLOADS)]
        return _in_a_process(workload, f"guest-{number}")

    return Pattern(
        make,
        lambda: _in_a_process("plasma", "stays"),
        round_s=20.0,
        event_s=1.5,
        rest_s=1.0,
        outputs=("64x48@60", "640x480@60", "128x96@60", "320x240@30"),
    )


class Soak:
    """A machine whose guests come and go.

    Args:
        machine: Runs; the guest that stays is its only one.
        pattern: How they do.

    Attributes:
        events: How much has happened.
    """

    def __init__(self, machine: Machine, pattern: Pattern) -> None:
        self.events = 0
        self._machine, self._pattern = machine, pattern
        self._chance = random.Random(machine.seed)
        self._number = 0

    async def round(self) -> Sample:
        """Let guests come and go for a while, have all of them leave, and look.

        Raises:
            WaitFailed: The guest that stays shows nothing any more.
        """
        machine, pattern = self._machine, self._pattern
        end_s = self.now_s + pattern.round_s - pattern.rest_s
        machine.start_over()
        while (left_s := end_s - self.now_s) > 0:
            await machine.run(seconds=min(self._chance.expovariate(1 / pattern.event_s), left_s) + 1e-6)
            await self._happen()
        for guest in self._visitors:
            await guest.detach()
        for index, mode in enumerate(pattern.outputs):
            if not machine.outputs[index].plugged:
                machine.plug(index, mode)
            machine.set_mode(index, mode)
        await machine.run(seconds=pattern.rest_s)
        stays = machine.guests[0]
        await machine.until(lambda: stays.frames["presented"] > 0, within=_PATIENCE_S, what="stays")
        return take(self.now_s, self.events, stays.statistics().latencies.percentile_ms(99))

    async def _happen(self) -> None:
        """One event; which, is a matter of chance."""
        self.events += 1
        visitors = self._visitors
        if not visitors or (len(visitors) < 2 * len(self._machine.outputs) and self._chance.random() < 0.3):
            await self._come()
        elif self._chance.random() < 0.4:
            self._change_a_monitor()
        else:
            await self._chance.choice((_kill, Attachment.restart, Attachment.detach))(
                self._chance.choice(visitors)
            )

    async def _come(self) -> None:
        self._number += 1
        output = self._chance.randrange(1, len(self._machine.outputs))
        await self._machine.attach(self._pattern.make(self._number, self._chance), [Placement(output=output)])

    def _change_a_monitor(self) -> None:
        index = self._chance.randrange(1, len(self._machine.outputs))
        if not self._machine.outputs[index].plugged:
            self._machine.plug(index)
        elif self._chance.random() < 0.5:
            self._machine.unplug(index)
        else:
            self._machine.set_mode(index, self._chance.choice(self._pattern.outputs[1:]))

    @property
    def _visitors(self) -> list[Attachment]:
        return self._machine.guests[1:]

    @property
    def now_s(self) -> float:
        """The run's clock, in seconds."""
        return self._machine.clock.now_ns() / NANOSECONDS


async def _kill(guest: Attachment) -> None:
    guest.kill()


def soak(run: RunOptions, kernel: Path | None = None) -> None:
    """Let guests come and go, and tell what is left of them.

    Raises:
        BadInput: It is too short to tell a slope, or a kernel is to keep virtual time here.
        RunFailed: Something grows, or was reported; the message says what.
    """
    on_real = run.clock == "real"
    if kernel is not None and not on_real:
        raise BadInput(f"--kernel {kernel}: soak boots it with --clock real only")
    pattern = real(kernel) if on_real else VIRTUAL
    seconds = run.seconds or (1200.0 if on_real else 86_400.0)
    if seconds < FEWEST_ROUNDS * pattern.round_s:
        raise BadInput(
            f"--seconds {seconds:g}: a slope needs {FEWEST_ROUNDS} samples, one in {pattern.round_s:g} s: "
            f"{FEWEST_ROUNDS * pattern.round_s:g} or more"
        )
    if kernel is not None:
        with shown_progress() as progress:
            UmlGuest("hotplug", kernel=kernel).prepare(progress)
    samples, reports = asyncio.run(live(pattern, seconds, clock=run.clock or "virtual", seed=run.seed))
    found = trends(samples)
    title = (
        f"{seconds:g} s on the {run.clock or 'virtual'} clock, {samples[-1].events:,} guests and monitors "
        "that came or went"
    )
    tell("soak", run, table(title, found), samples, trends=found, reports=reports)
    if run.screenshot is not None:
        plot(run.screenshot, title, samples, found)
    check(found, reports)


async def live(
    pattern: Pattern, seconds: float, *, clock: ClockKind = "virtual", seed: int = 0
) -> tuple[list[Sample], list[str]]:
    """Let guests come and go for so long.

    Returns:
        The samples, and what the machine reported.
    """
    reports: list[str] = []
    machine = Machine(
        outputs=pattern.outputs,
        clock=clock,
        repaint="flush" if clock == "real" else "vblank",
        seed=seed,
        report=reports.append,
    )
    async with machine:
        await machine.attach(pattern.stays(), [Placement(output=0)])
        soaking = Soak(machine, pattern)
        samples: list[Sample] = []
        while soaking.now_s < seconds:
            samples.append(await soaking.round())
        return samples, reports


def check(found: Sequence[Trend], reports: Sequence[str]) -> None:
    """Hold a soak to what was promised.

    Raises:
        RunFailed: A quantity grows, or the machine reported something; the message says which.
    """
    failures = [
        f"{trend.name} grew by {shown(trend.name, trend.growth)}, from {shown(trend.name, trend.first)}"
        for trend in found
        if not trend.flat
    ]
    if reports:
        failures.append(f"{len(reports)} lines were reported, the first: {reports[0]}")
    if failures:
        raise RunFailed(f"soak: {'; '.join(failures)}")


def table(title: str, found: Sequence[Trend]) -> Table:
    """A row for each quantity."""
    columns: dict[str, Callable[[Trend], object]] = {
        "held": lambda trend: trend.name,
        "first half": lambda trend: shown(trend.name, trend.first),
        "second half": lambda trend: shown(trend.name, trend.last),
        "growth": lambda trend: shown(trend.name, trend.growth),
        "tolerance": lambda trend: shown(trend.name, trend.tolerance),
        "": lambda trend: "flat" if trend.flat else "GROWS",
    }
    return make_table(title, columns, found)
