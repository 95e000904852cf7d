"""The guests of a machine: how each kind is attached, named, seeded, and given its place on the calendar."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from compositor.adapter.display import Placement
from compositor.errors import BadInput
from compositor.machine.attachment import (
    Attachment,
    ProcessAttachment,
    Seat,
    ServedAttachment,
    SimulatedAttachment,
)
from compositor.record.recorder import Recorder
from compositor.scene.tree import SceneTree
from guest.linux.options import guest_seed
from guest.process import ProcessGuest
from guest.real import LinuxGuest
from guest.simulated import SimulatedGuest
from virtio.clock import Calendar, Clock
from virtio.clock.pace import CalendarPace
from virtio.clock.time_travel import TimeTravel
from virtio.errors import ScanoutError


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all guests of a machine share.

    Attributes:
        seed: Guests without a seed of their own count on from it.
        command_ns: From a kick to the device's work, on the virtual clock.
        report: Gets one line for everything that goes wrong with a guest and is dealt with.
        echo: Gets the consoles of real guests.
        on_fault: Told when a guest breaks the rules of virtual time.
        on_picture: Called when a guest says that its picture stays as it is.
    """

    seed: int
    command_ns: int
    report: Callable[[str], None]
    echo: Callable[[str], None]
    on_fault: Callable[[ScanoutError], None]
    on_picture: Callable[[], None]


class Guests:
    """A machine's guests.

    Attributes:
        all: In the order in which they came.
        clock: The machine's, once it runs.
        recorder: Taps the devices of guests that come from now on.
    """

    clock: Clock
    recorder: Recorder | None = None

    def __init__(self, tree: SceneTree, surroundings: Surroundings) -> None:
        self.all: list[Attachment] = []
        self._tree = tree
        self._our = surroundings
        self._kernels: list[TimeTravel] = []

    async def attach(
        self, guest: SimulatedGuest | ProcessGuest | LinuxGuest, places: Sequence[Placement] | None
    ) -> Attachment:
        """See `Machine.attach`."""
        if isinstance(guest, SimulatedGuest):
            return self._simulate(guest, places or [Placement()])
        if not guest.takes_virtual_time:
            self._refuse_virtual(guest.kind)
        name = self._unique(guest.name)
        our = self._our
        with self._seat(name) as seat:
            served = self._served_guest(guest, name, places)
            await served.launch(guest, echo=our.echo, report=our.report, on_picture=our.on_picture, seat=seat)
        return served

    def serve(
        self, path: Path, *, once: bool, places: Sequence[Placement] | None, time_travel: Path | None
    ) -> Attachment:
        """See `Machine.serve`."""
        if time_travel is None:
            self._refuse_virtual("a VMM of its own")
        elif not isinstance(self.clock, Calendar):
            raise BadInput("a kernel that comes for its time needs the virtual clock")
        name = self._unique("guest")
        with self._seat(name) as seat:
            served = self._served(name, "vhost-user", places)
            served.listen(path, once=once or seat is not None, report=self._our.report, seat=seat)
            if seat is not None and time_travel is not None:
                served.keep_time(seat, time_travel)
        return served

    def outputs_changed(self) -> None:
        """Tell those guests whose outputs are other ones now."""
        for guest in tuple(self.all):
            guest.outputs_changed()

    def _simulate(self, guest: SimulatedGuest, places: Sequence[Placement]) -> Attachment:
        simulated = SimulatedAttachment(
            guest,
            self._unique(guest.name),
            self._tree,
            places,
            self.clock,
            self._our.seed + len(self.all),
            self.recorder,
        )
        simulated.display.report = self._our.report
        self.all.append(simulated)
        return simulated

    def _served_guest(
        self, guest: ProcessGuest | LinuxGuest, name: str, places: Sequence[Placement] | None
    ) -> ServedAttachment:
        if not isinstance(guest, ProcessGuest):
            return self._served(name, guest.kind, places)
        guest.with_seed(self._our.seed + len(self.all))
        return self._add(
            ProcessAttachment(guest, name, self._tree, places or [Placement()], self.clock, self.recorder)
        )

    def _served(self, name: str, kind: str, places: Sequence[Placement] | None) -> ServedAttachment:
        places = places or [Placement(output=index) for index in range(len(self._tree.outputs))]
        return self._add(ServedAttachment(name, kind, self._tree, places, self.clock, self.recorder))

    def _add(self, served: ServedAttachment) -> ServedAttachment:
        served.display.report = self._our.report
        self.all.append(served)
        return served

    @contextmanager
    def _seat(self, name: str) -> Iterator[Seat | None]:
        """A place on the calendar, on the virtual clock, for the guest that comes next; if it does."""
        if not isinstance(self.clock, Calendar):
            yield None
            return
        our = self._our
        kernel = TimeTravel(self.clock, name, broadcast=self._broadcast)
        pace = CalendarPace(self.clock, kernel, on_fault=our.on_fault, latency_ns=our.command_ns)
        self._kernels.append(kernel)
        try:
            yield Seat(kernel, pace, guest_seed(our.seed, len(self.all)), our.on_fault)
        except BaseException:
            kernel.participant.leave()  # nobody else may wait for it
            raise

    def _broadcast(self, sender: TimeTravel, what: int) -> None:
        for kernel in self._kernels:
            if kernel is not sender:
                kernel.announce(what)

    def _refuse_virtual(self, what: str) -> None:
        if isinstance(self.clock, Calendar):
            raise BadInput(f"{what} keeps its own time: use the real clock")

    def _unique(self, name: str) -> str:
        taken = {guest.name for guest in self.all}
        return next(n for n in (name, *(f"{name}-{i}" for i in range(2, 1000))) if n not in taken)
