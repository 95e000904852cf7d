"""`scanout run hotplug-storm`: 16 outputs, 8 guests, and a thousand monitors plugged, unplugged, switched.

Every guest is mirrored on two outputs, and follows the first of them that is plugged in. When the storm is
over, each must know what its monitor is like, and show a picture of that size; and nothing may be left of
the monitors and buffers in between.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from rich.table import Table

from compositor.adapter.placement import Placement, display_mode
from compositor.commands.options import RunOptions
from compositor.commands.studies.study import Holdings, make_table, tell
from compositor.errors import RunFailed
from compositor.machine import Machine
from compositor.output.output import Output
from guest.simulated import SimulatedGuest

MODES = ("64x48@60", "96x64@75", "128x96@50", "160x120@144", "320x200@30")
_RUNS = 3  # whose digests must be equal
_MEMORY = 16 << 20  # of a guest, bytes
_EDID_STEPS = 100  # so fine, at least, are the refresh rates that an EDID can express for so small modes
_SETTLED_S = 0.25  # more than one period of the slowest mode


class Storm(NamedTuple):
    """What came of one storm.

    Attributes:
        events: Monitors plugged, unplugged or switched.
        frames: Frames that were presented, on all outputs.
        digest: The digest of all frames.
        guests: How many guests there were.
        config_changes: Those that guests reacted to.
        astray: Guests that do not show what their monitor asks for, with what is wrong.
        errors: Error responses of the devices.
        leaked: Descriptors and mappings that were there afterwards and not before.
        memory_kib: How much the process has grown.
    """

    events: int
    frames: int
    digest: str
    guests: int
    config_changes: int
    astray: tuple[str, ...]
    errors: int
    leaked: tuple[int, int]
    memory_kib: int


async def storm(*, outputs: int = 16, guests: int = 8, events: int = 1000, seed: int = 0) -> Storm:
    """Let monitors come and go at random moments, on virtual time, and see what is left.

    Args:
        outputs: How many outputs there are, 1 to 16.
        guests: Each is on output number `guest` and on that which is `guests` further.
        events: How many monitors come, go or switch.
        seed: The seed of all that is random.
    """
    before = Holdings.now()
    astray, stats = await _rage(outputs, guests, events, seed)  # the machine is gone when it returns
    after = Holdings.now()
    return Storm(
        events,
        sum(output["presented"] for output in stats["outputs"]),
        stats["digest"],
        guests,
        sum(guest["commands"]["GET_DISPLAY_INFO"] for guest in stats["guests"]) - guests,
        astray,
        sum(sum(guest["errors"].values()) for guest in stats["guests"]),
        (after.descriptors - before.descriptors, after.mappings - before.mappings),
        (after.memory - before.memory) >> 10,
    )


async def _rage(outputs: int, guests: int, events: int, seed: int) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The storm itself: guests that went astray, and the machine's statistics."""
    chance = random.Random(seed)
    names = [f"dp-{index}" for index in range(outputs)]
    monitors = [Output(chance.choice(MODES), name=name, plugged=chance.random() < 0.5) for name in names]
    async with Machine(outputs=monitors, seed=seed) as machine:
        crew = [SimulatedGuest("plasma", name=f"guest-{n}", memory=_MEMORY) for n in range(guests)]
        for number, guest in enumerate(crew):
            further = tuple(range(number % outputs + guests, outputs, guests))
            await machine.attach(guest, [Placement(output=number % outputs, mirrors=further)])
        for _ in range(events):
            await machine.run(seconds=chance.expovariate(200))
            _happen(machine, chance)
        await machine.run(seconds=_SETTLED_S)
        astray = (_astray(machine, number, guest) for number, guest in enumerate(crew))
        return tuple(filter(None, astray)), machine.stats()


def _happen(machine: Machine, chance: random.Random) -> None:
    """One event: a monitor that is there goes or switches its mode, one that is not comes."""
    index = chance.randrange(len(machine.outputs))
    mode = chance.choice(MODES)
    if not machine.outputs[index].plugged:
        machine.plug(index, mode)
    elif chance.random() < 0.5:
        machine.unplug(index)
    else:
        machine.set_mode(index, mode)


def _astray(machine: Machine, number: int, guest: SimulatedGuest) -> str | None:
    """What is wrong with a guest's picture; None: nothing."""
    place = machine.guests[number].display.place(0)
    wanted = display_mode(place, machine.outputs)
    known = guest.driver.scanouts[0]
    if known.enabled != wanted.enabled:
        return f"{guest.name}: takes its monitor for {'plugged in' if known.enabled else 'unplugged'}"
    if not wanted.enabled:
        return None if guest.size is None else f"{guest.name}: shows a picture, and has no monitor"
    size = (wanted.width, wanted.height)
    if guest.size != size or (known.width, known.height) != size:
        return f"{guest.name}: shows {guest.size}, and its monitor asks for {size}"
    if abs(known.refresh_mhz - wanted.refresh_mhz) * _EDID_STEPS > wanted.refresh_mhz:
        return f"{guest.name}: its EDID says {known.refresh_mhz} mHz, not {wanted.refresh_mhz}"
    return None


def hotplug_storm(run: RunOptions, _kernel: Path | None = None) -> None:
    """Let it rage three times, and tell what came of it.

    Raises:
        RunFailed: A guest went astray, something leaked, or the digests differ.
    """
    asyncio.run(storm(events=50, seed=run.seed))  # what is loaded and compiled once is no leak
    storms = [asyncio.run(storm(seed=run.seed)) for _ in range(_RUNS)]
    tell("hotplug-storm", run, table(storms), storms)
    check(storms)


def check(storms: list[Storm]) -> None:
    """Hold storms of one seed to what was promised.

    Raises:
        RunFailed: A promise is broken; the message says which.
    """
    failures = [line for storm in storms for line in storm.astray]
    if len({storm.digest for storm in storms}) > 1:
        failures.append("the digests of equal storms differ")
    for storm in storms[1:]:
        if any(count > 0 for count in storm.leaked):
            failures.append("{} descriptors and {} mappings leaked".format(*storm.leaked))
    if failures:
        raise RunFailed(f"hotplug-storm: {'; '.join(failures)}")


def table(storms: list[Storm]) -> Table:
    """A row for each storm."""
    columns: dict[str, Callable[[Storm], object]] = {
        "events": lambda storm: storm.events,
        "config changes": lambda storm: storm.config_changes,
        "frames": lambda storm: storm.frames,
        "astray": lambda storm: len(storm.astray),
        "errors": lambda storm: storm.errors,
        "fds, maps leaked": lambda storm: "{}, {}".format(*storm.leaked),
        "grown, KiB": lambda storm: storm.memory_kib,
        "digest": lambda storm: storm.digest[7:19],
    }
    return make_table("16 outputs, 8 guests, monitors at random", columns, storms, texts=0)
