"""The events of a scene file: rehearsed before the run, which refuses what cannot happen, then played."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from compositor.adapter.placement import Placement
from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.scene.layout import Monitor, check_monitors
from compositor.scene_file.guests import policies
from compositor.scene_file.keys import at_key
from compositor.scene_file.outputs import find_output
from compositor.scene_file.places import moved_placement
from compositor.scene_file.schema import (
    AnyEvent,
    AnyGuest,
    CommitFault,
    Move,
    Plug,
    Raise,
    Reboot,
    SetMode,
    SetSync,
    SimulatedTable,
    Unplug,
)
from guest.driver import DriverState
from guest.faults import FAULTS
from guest.simulated import SimulatedGuest
from virtio.clock.calendar import NANOSECONDS
from virtio.inproc import InProcessTransport


@dataclass(frozen=True, slots=True)
class Player:
    """One guest on the machine.

    Attributes:
        attachment: Its side of the host.
        guest: Itself, if it is simulated.
    """

    attachment: Attachment
    guest: SimulatedGuest | None


class Rehearsal:
    """Goes through the events in their order and refuses what cannot happen; nothing is run.

    Args:
        outputs: Of the scene; they are not changed.
        guests: Tables by name.
        places: Placements by guest.
    """

    def __init__(
        self,
        outputs: Sequence[Output],
        guests: Mapping[str, AnyGuest],
        places: Mapping[str, Sequence[Placement]],
    ) -> None:
        self._outputs = outputs
        self._monitors = [Monitor.of(output) for output in outputs]
        self._guests = guests
        self._places = {name: list(placements) for name, placements in places.items()}

    def run(self, events: Sequence[AnyEvent]) -> None:
        """Go through all of them.

        Raises:
            BadInput: One cannot happen; the message names the key.
        """
        for index, event in enumerate(events):
            if not math.isfinite(event.at) or event.at < 0:
                raise BadInput(f"events[{index}].at: {event.at} is no time of a run; it begins at 0")
        for index, event in sorted(enumerate(events), key=lambda item: item[1].at):
            self._check(event, f"events[{index}]")

    def _check(self, event: AnyEvent, key: str) -> None:
        if isinstance(event, Plug | Unplug | SetMode):
            self._check_output(event, key)
            return
        with at_key(f"{key}.guest"):
            if event.guest not in self._guests:
                raise BadInput(f'there is no guest "{event.guest}"; there are {", ".join(self._guests)}')
            table = self._guests[event.guest]
            if isinstance(event, CommitFault | Reboot) and not isinstance(table, SimulatedTable):
                raise BadInput(f"{event.guest} is no simulated guest, and has a driver of its own")
        if isinstance(event, SetSync):
            with at_key(f"{key}.policy"):
                SyncPolicy.parse(event.policy, policies(table), event.guest)
        elif isinstance(event, CommitFault) and event.fault not in FAULTS:
            raise BadInput(f'{key}.fault: there is no fault "{event.fault}"; there are {", ".join(FAULTS)}')
        elif isinstance(event, Move | Raise):
            self._check_place(event, key)

    def _check_output(self, event: Plug | Unplug | SetMode, key: str) -> None:
        with at_key(f"{key}.output"):
            index = find_output(event.output, self._outputs)
            monitor = self._monitors[index]
            if monitor.plugged is isinstance(event, Plug):
                raise BadInput(
                    f"{event.output} is {'' if monitor.plugged else 'not '}plugged in at {event.at:g} s"
                )
        if isinstance(event, Unplug):
            self._monitors[index] = monitor._replace(plugged=False)
            return
        with at_key(f"{key}.mode"):
            mode = monitor.mode if event.mode is None else Mode.parse(event.mode)
            self._outputs[index].check_mode(mode)
            self._monitors[index] = monitor._replace(mode=mode, plugged=True)
            check_monitors(self._monitors)

    def _check_place(self, event: Move | Raise, key: str) -> None:
        places = self._places[event.guest]
        if not 0 <= event.scanout < len(places):
            raise BadInput(f"{key}.scanout: guest {event.guest} has {len(places)}, counted from 0")
        if isinstance(event, Move):
            places[event.scanout] = moved_placement(places[event.scanout], event, self._outputs, key)


def schedule(events: Sequence[AnyEvent], machine: Machine, players: Mapping[str, Player]) -> None:
    """Have the events happen on a machine that runs, counted from now."""
    now_ns = machine.clock.now_ns()
    for event in events:
        when_ns = now_ns + round(event.at * NANOSECONDS)
        machine.clock.call_at(when_ns, partial(_happen, event, machine, players))


def _happen(event: AnyEvent, machine: Machine, players: Mapping[str, Player]) -> None:
    if isinstance(event, Plug):
        machine.plug(event.output, event.mode)
    elif isinstance(event, Unplug):
        machine.unplug(event.output)
    elif isinstance(event, SetMode):
        machine.set_mode(event.output, event.mode)
    else:
        _happen_to_guest(event, machine, players[event.guest])


def _happen_to_guest(
    event: Move | Raise | SetSync | CommitFault | Reboot, machine: Machine, player: Player
) -> None:
    attachment, guest = player.attachment, player.guest
    if isinstance(event, Move):
        before = attachment.display.place(event.scanout)
        attachment.put(event.scanout, moved_placement(before, event, machine.outputs, "move"))
    elif isinstance(event, Raise):
        attachment.raise_to_top(event.scanout)
    elif isinstance(event, SetSync):
        attachment.set_sync(event.policy)
    elif guest is not None and isinstance(event, Reboot):
        guest.start()
    elif guest is not None and isinstance(event, CommitFault):
        _commit(event, guest, attachment, machine.report)


def _commit(
    event: CommitFault, guest: SimulatedGuest, attachment: Attachment, report: Callable[[str], None]
) -> None:
    """Break the specification, and say what the device answered."""
    if guest.driver.state is not DriverState.RUNNING:
        report(f"{event.guest}: {event.fault}: its driver is {guest.driver.state.value}; reboot it first")
        return
    said: list[str] = []
    if isinstance(guest.transport, InProcessTransport):
        guest.transport.on_fault = said.append
    answers = FAULTS[event.fault].apply(guest.driver)
    if answers:
        refused = [attachment.last_fault or ""] if answers[0].name.startswith("ERR") else ["allowed"]
        report(f"{event.guest}: {event.fault}: {answers[0].name}: {refused[0]}")
    else:
        report(f"{event.guest}: {event.fault}: the device needs a reset: {'; '.join(said)}")
