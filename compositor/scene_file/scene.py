"""A scene that was checked: what to give a machine, and what happens on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from compositor.errors import BadInput
from compositor.frame_clock.timing import TimingModel
from compositor.machine import Machine
from compositor.machine.presenter import Repaint
from compositor.output.output import Output
from compositor.scene_file.events import Player, Rehearsal, schedule
from compositor.scene_file.guests import (
    check_seed,
    make_guest,
    make_placements,
    name_guests,
    nanoseconds,
)
from compositor.scene_file.outputs import make_outputs
from compositor.scene_file.schema import OutputTable, QemuTable, SceneTable, SimulatedTable
from guest.linux.tool import Progress
from guest.real import LinuxGuest
from guest.simulated import SimulatedGuest


class SceneFile:
    """One scene, to be played as often as one likes.

    Args:
        table: What the file says.

    Attributes:
        title: One line.
        seed: Of all that is random.
        seconds: When to stop; None: not said.
        frames: The same, in frames of the first output.
        clock: The one that it runs on if nobody says otherwise.
        repaint: See `Machine`.
        repaint_delay_ns: See `Machine`.
        timing: What work costs.

    Raises:
        BadInput: It says something that cannot be; the message names the key.
    """

    def __init__(self, table: SceneTable) -> None:
        self._table = table
        self.title, self.seed = table.title, table.seed
        self.seconds, self.frames = table.seconds, table.frames
        for key, limit in (("seconds", table.seconds), ("frames", table.frames)):
            if limit is not None and not 0 < limit < float("inf"):
                raise BadInput(f"{key}: {limit:g} is no length of a run: it must be above 0")
        check_seed(table.seed, "seed")
        real = [guest for guest in table.guests if not isinstance(guest, SimulatedTable)]
        self.clock: Literal["virtual", "real"] = table.clock or self._default_clock()
        self.repaint: Repaint = table.repaint or ("flush" if real else "vblank")
        self.timing = self._timing()
        self.repaint_delay_ns = nanoseconds(table.timing.repaint_delay_ms, "timing.repaint_delay_ms")
        self._names = name_guests(table.guests)
        self._check()

    @property
    def names(self) -> Sequence[str]:
        """The guests' names."""
        return self._names

    def outputs(self) -> list[Output]:
        """Its outputs, fresh ones."""
        return make_outputs(self._table.outputs)

    def with_modes(self, modes: Sequence[str]) -> SceneFile:
        """The same scene on outputs of these modes; those that it does not have come after its own.

        Raises:
            BadInput: A mode is impossible, or there are fewer than the scene has outputs.
        """
        own = self._table.outputs
        if len(modes) < len(own):
            raise BadInput(f"{len(modes)} outputs: this scene has {len(own)}")
        tables = [*own, *(OutputTable() for _ in modes[len(own) :])]
        changed = [
            msgspec.structs.replace(table, mode=mode) for table, mode in zip(tables, modes, strict=True)
        ]
        return SceneFile(msgspec.structs.replace(self._table, outputs=changed))

    def prepare(self, progress: Progress) -> None:
        """Fetch and compile what its real guests need; that would hold up the event loop later."""
        for guest in self._make_guests():
            if isinstance(guest, LinuxGuest):
                guest.prepare(progress)

    async def cast(self, machine: Machine) -> None:
        """Attach its guests to a machine with its outputs, and have its events happen there from now on.

        Raises:
            ScanoutError: A guest cannot be started; the message says why.
        """
        players: dict[str, Player] = {}
        for index, guest in enumerate(self._make_guests()):
            table, name = self._table.guests[index], self._names[index]
            places = make_placements(table, machine.outputs, name, f"guests[{index}]")
            attachment = await machine.attach(guest, places)
            attachment.set_sync(table.sync)
            players[name] = Player(attachment, guest if isinstance(guest, SimulatedGuest) else None)
        schedule(self._table.events, machine, players)

    def _make_guests(self) -> list[SimulatedGuest | LinuxGuest]:
        return [
            make_guest(table, name, f"guests[{index}]")
            for index, (table, name) in enumerate(zip(self._table.guests, self._names, strict=True))
        ]

    def _default_clock(self) -> Literal["virtual", "real"]:
        return "real" if any(isinstance(guest, QemuTable) for guest in self._table.guests) else "virtual"

    def _timing(self) -> TimingModel:
        table = self._table.timing
        return TimingModel(
            command_ns=nanoseconds(table.command_ms, "timing.command_ms"),
            compose_ns=nanoseconds(table.compose_ms, "timing.compose_ms"),
            scanout_ns=nanoseconds(table.scanout_ms, "timing.scanout_ms"),
        )

    def _check(self) -> None:
        outputs = self.outputs()
        self._make_guests()
        tables = self._table.guests
        if self.clock == "virtual" and self._default_clock() == "real":
            raise BadInput('clock: a qemu guest keeps its own time: use "real"')
        period_ns = min(output.mode.period_ns for output in outputs)
        if self.repaint_delay_ns >= period_ns:
            raise BadInput(f"timing.repaint_delay_ms: a period has {period_ns / 1e6:.2f} ms only")
        places = {
            name: make_placements(table, outputs, name, f"guests[{index}]")
            for index, (table, name) in enumerate(zip(tables, self._names, strict=True))
        }
        Rehearsal(outputs, dict(zip(self._names, tables, strict=True)), places).run(self._table.events)
