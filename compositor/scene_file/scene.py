"""A scene that was checked: what to give a machine, and what happens on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from compositor.errors import BadInput
from compositor.faults import Script
from compositor.frame_clock.timing import TimingModel
from compositor.machine import Machine
from compositor.machine.presenter import Repaint
from compositor.scene_file.events import check_events, schedule
from compositor.scene_file.guests import check_seed, make_guests, nanoseconds
from compositor.scene_file.keys import at_key
from compositor.scene_file.outputs import make_outputs
from compositor.scene_file.promises import Promises
from compositor.scene_file.schema import (
    AnyEvent,
    OutputTable,
    QemuTable,
    SceneTable,
    SimulatedTable,
    TimingTable,
)
from guest.linux.tool import Progress
from guest.real import LinuxGuest
from virtio.limits import Limits, Totals, Values, changed, changed_all


class SceneFile:
    """One scene with its outputs and guests, each of them made once: it is started once, on one machine.

    What a file says of them is checked by making them, before anything starts.

    Args:
        table: What the file says.
        modes: The modes of its outputs, instead of the file's; see `with_modes`.

    Attributes:
        title: What it shows, in one line.
        seed: The seed of all that is random.
        seconds: The length of the run; None: the file does not say.
        frames: The same, in frames of the first output.
        clock: The clock that it runs on, unless an option says otherwise.
        repaint: When outputs are repainted, as `Machine` takes it.
        repaint_delay_ns: The same, with "vblank": how long after it.
        timing: What work costs.
        limits: What each guest and all together may use, by name, as the file says.
        outputs: The outputs of the machine that it is started on.
        guests: The guests by name, in their order.
        promises: What is promised while it runs.

    Raises:
        BadInput: It says something that cannot be; the message names the key.
    """

    def __init__(self, table: SceneTable, modes: Sequence[str] | None = None) -> None:
        if modes is not None:
            table = with_modes(table, modes)
        self.title, self.seed = table.title, table.seed
        self.seconds, self.frames = table.seconds, table.frames
        for key, limit in (("seconds", table.seconds), ("frames", table.frames)):
            if limit is not None and not 0 < limit < float("inf"):
                raise BadInput(f"{key}: {limit:g} is no length of a run: it must be above 0")
        check_seed(table.seed, "seed")
        real = any(not isinstance(guest, SimulatedTable) for guest in table.guests)
        self.repaint: Repaint = table.repaint or ("flush" if real else "vblank")
        self.timing = _timing(table.timing)
        self.repaint_delay_ns = nanoseconds(table.timing.repaint_delay_ms, "timing.repaint_delay_ms")
        with at_key("limits"):
            changed_all(Limits(), Totals(), table.limits)
        self.limits: Values = table.limits
        self.outputs = make_outputs(table.outputs)
        self.guests = make_guests(table.guests, self.outputs)
        self.clock = _clock(table)
        self._check_delay()
        self._events: list[AnyEvent] = list(table.events)
        check_events(self._events, self.outputs, self.guests)
        self.promises = Promises()

    def add_faults(self, script: Script, name: str) -> None:
        """Have what a script says go wrong, too.

        Args:
            script: Faults of the scene's guests and outputs.
            name: The script's, for messages.

        Raises:
            BadInput: One of them cannot happen; the message names the key.
        """
        with at_key(name):
            check_events(script.events, self.outputs, self.guests)
        self._events += script.events

    def prepare(self, progress: Progress) -> None:
        """Fetch and compile what its real guests need; that would hold up the event loop later."""
        for _, guest, _ in self.guests.values():
            if isinstance(guest, LinuxGuest):
                guest.prepare(progress)

    async def start(self, machine: Machine) -> None:
        """Attach its guests to a machine with its outputs, and have its events happen there from now on.

        Raises:
            ScanoutError: A guest cannot be started; the message says why.
        """
        attached = {}
        for name, (table, guest, places) in self.guests.items():
            limits = changed(machine.limits, table.limits)
            attached[name] = await machine.attach(guest, places, limits=limits)
            attached[name].set_sync(table.sync)
        schedule(self._events, machine, attached, self.promises)

    def _check_delay(self) -> None:
        period_ns = min(output.mode.period_ns for output in self.outputs)
        if self.repaint_delay_ns >= period_ns:
            raise BadInput(f"timing.repaint_delay_ms: a period has {period_ns / 1e6:.2f} ms only")


def with_modes(table: SceneTable, modes: Sequence[str]) -> SceneTable:
    """The same scene on outputs of these modes; those that it does not have come after its own.

    Raises:
        BadInput: There are fewer than the scene has outputs.
    """
    own = table.outputs
    if len(modes) < len(own):
        raise BadInput(f"{len(modes)} outputs: this scene has {len(own)}")
    outputs = [*own, *(OutputTable() for _ in modes[len(own) :])]
    changed = [
        msgspec.structs.replace(output, mode=mode) for output, mode in zip(outputs, modes, strict=True)
    ]
    return msgspec.structs.replace(table, outputs=changed)


def _clock(table: SceneTable) -> Literal["virtual", "real"]:
    """The file's clock, or the one that suits its guests."""
    real = any(isinstance(guest, QemuTable) for guest in table.guests)
    if real and table.clock == "virtual":
        raise BadInput('clock: a qemu guest keeps its own time: use "real"')
    return table.clock or ("real" if real else "virtual")


def _timing(table: TimingTable) -> TimingModel:
    return TimingModel(
        command_ns=nanoseconds(table.command_ms, "timing.command_ms"),
        compose_ns=nanoseconds(table.compose_ms, "timing.compose_ms"),
        scanout_ns=nanoseconds(table.scanout_ms, "timing.scanout_ms"),
    )
