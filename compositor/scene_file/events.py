"""The events of a scene file: checked before the run, then called at their times."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from compositor.adapter.sync_policy import SyncPolicy
from compositor.errors import BadInput
from compositor.faults import AnyFault, check_fault, inject
from compositor.machine import Machine
from compositor.machine.attachment import Attachment, SimulatedAttachment
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.scene.layout import Monitor, check_monitors
from compositor.scene_file.guests import SceneGuest, policies
from compositor.scene_file.keys import at_key
from compositor.scene_file.outputs import find_output
from compositor.scene_file.places import moved_placement
from compositor.scene_file.promises import Promises
from compositor.scene_file.schema import (
    AnyEvent,
    InjectFault,
    Move,
    OwnEvent,
    Plug,
    Raise,
    SetMode,
    SetSync,
    SimulatedTable,
    Unplug,
)
from guest.driver import DriverState
from guest.faults import FAULTS
from virtio.clock.calendar import NANOSECONDS
from virtio.inproc import InProcessTransport


def check_events(
    events: Sequence[AnyEvent], outputs: Sequence[Output], guests: Mapping[str, SceneGuest]
) -> None:
    """Go through all events in the order of their times, and refuse what cannot happen; nothing is run.

    Raises:
        BadInput: One cannot happen; the message names the key.
    """
    check = _Check(outputs, guests)
    kinds = {name: guest.guest.kind for name, guest in guests.items()}
    own: list[tuple[int, OwnEvent]] = []
    for index, event in enumerate(events):
        if isinstance(event, AnyFault):
            check_fault(event, outputs, kinds, f"events[{index}]")
            continue
        if not math.isfinite(event.at) or event.at < 0:
            raise BadInput(f"events[{index}].at: {event.at} is no time of a run; it begins at 0")
        own.append((index, event))
    for index, event in sorted(own, key=lambda item: item[1].at):
        check.event(event, f"events[{index}]")


class _Check:
    """What the outputs and places are like after the events so far; the scene's own are not changed."""

    def __init__(self, outputs: Sequence[Output], guests: Mapping[str, SceneGuest]) -> None:
        self._outputs = outputs
        self._monitors = [Monitor.of(output) for output in outputs]
        self._guests = guests
        self._places = {name: list(guest.places) for name, guest in guests.items()}

    def event(self, event: OwnEvent, key: str) -> None:
        """Let an event happen."""
        if isinstance(event, Plug | Unplug | SetMode):
            self._check_output(event, key)
            return
        with at_key(f"{key}.guest"):
            if event.guest not in self._guests:
                raise BadInput(f'there is no guest "{event.guest}"; there are {", ".join(self._guests)}')
            table = self._guests[event.guest].table
            if isinstance(event, InjectFault) and not isinstance(table, SimulatedTable):
                raise BadInput(f"{event.guest} is no simulated guest, and has a driver of its own")
        if isinstance(event, SetSync):
            with at_key(f"{key}.policy"):
                SyncPolicy.parse(event.policy, policies(table), event.guest)
        elif isinstance(event, InjectFault) and event.fault not in FAULTS:
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


def schedule(
    events: Sequence[AnyEvent], machine: Machine, guests: Mapping[str, Attachment], promises: Promises
) -> None:
    """Have the events happen on a machine that runs, counted from now."""
    promises.begin(guests, {event.guest for event in events if isinstance(event, InjectFault)})
    now_ns = machine.clock.now_ns()
    faults: list[AnyFault] = []
    for event in events:
        if isinstance(event, AnyFault):
            faults.append(event)
            continue
        when_ns = now_ns + round(event.at * NANOSECONDS)
        machine.clock.call_at(when_ns, partial(_happen, event, machine, guests, promises))
    if faults:
        inject(machine, *faults)


def _happen(event: OwnEvent, machine: Machine, guests: Mapping[str, Attachment], promises: Promises) -> None:
    if isinstance(event, Plug):
        machine.plug(event.output, event.mode)
    elif isinstance(event, Unplug):
        machine.unplug(event.output)
    elif isinstance(event, SetMode):
        machine.set_mode(event.output, event.mode)
    else:
        _happen_to_guest(event, machine, guests[event.guest], promises)


def _happen_to_guest(
    event: Move | Raise | SetSync | InjectFault,
    machine: Machine,
    guest: Attachment,
    promises: Promises,
) -> None:
    if guest.failure is not None:  # it was ended
        return
    if isinstance(event, Move):
        before = guest.display.place(event.scanout)
        guest.put(event.scanout, moved_placement(before, event, machine.outputs, "move"))
    elif isinstance(event, Raise):
        guest.raise_to_top(event.scanout)
    elif isinstance(event, SetSync):
        guest.set_sync(event.policy)
    elif isinstance(guest, SimulatedAttachment):  # as the scene's check has seen to
        _commit(event, guest, machine.report, promises, machine.clock.now_ns())


def _commit(
    event: InjectFault,
    attachment: SimulatedAttachment,
    report: Callable[[str], None],
    promises: Promises,
    now_ns: int,
) -> None:
    """Break the specification, and say what the device answered."""
    guest = attachment.guest
    if guest.driver.state is not DriverState.RUNNING:
        report(f"{event.guest}: {event.fault}: its driver is {guest.driver.state.value}; reboot it first")
        return
    said: list[str] = []
    if isinstance(guest.transport, InProcessTransport):
        guest.transport.on_fault = said.append
    fault = FAULTS[event.fault]
    try:
        answers = fault.apply(guest.driver)
    except Exception as error:  # the device's turn is inside of the driver's, and ends that guest alone
        attachment.fail(error)
        return
    if answers:
        said = [(attachment.last_fault or "") if answers[0].name.startswith("ERR") else "allowed"]
    report(promises.committed(event.guest, fault, answers, "; ".join(said), now_ns))
