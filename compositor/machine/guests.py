"""The guests of a machine: how each kind is attached, named, seeded, and kept in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Container, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from compositor.adapter.display import Placement
from compositor.adapter.placement import check_places
from compositor.errors import BadInput, Misuse
from compositor.machine.attachment import (
    Attachment,
    ProcessAttachment,
    ServedAttachment,
    SimulatedAttachment,
    TimeKeeping,
)
from compositor.machine.attachment.commands import Until
from compositor.machine.attachment.console import WaitFor
from compositor.record.recorder import Recorder
from compositor.scene.tree import SceneTree
from guest.bare import BareGuest
from guest.linux.options import guest_seed
from guest.process import ProcessGuest
from guest.real import LinuxGuest
from virtio.account import AtMost, Together
from virtio.arguments import check_type
from virtio.clock import Calendar, Clock
from virtio.clock.pace import CalendarPace
from virtio.clock.time_travel import TimeTravel
from virtio.errors import ScanoutError
from virtio.gpu.limits import Ledger
from virtio.limits import Limits, Totals
from virtio.vhost_user.pace import Turns

AnyAttachment = TypeVar("AnyAttachment", bound=Attachment)


class Guests:
    """A machine's guests.

    Args:
        tree: The scene that they appear in.
        limits: What each guest may use, unless it is attached with limits of its own.
        totals: What all of them may use.
        seed: Guests without a seed of their own count on from it.
        command_ns: The time from a kick to the device's work, on the virtual clock.
        report: Gets one line for everything that goes wrong with a guest and is dealt with.
        echo: Gets the consoles of real guests.
        on_picture: Called when a guest says that its picture stays as it is.
        wait_for: The machine's `until`.
        until: Lets time pass until something has ended.

    Attributes:
        all: The guests, in the order in which they came.
        clock: The machine's, once it runs.
        recorder: Taps the devices of guests that come from now on.
        on_start: Called when a guest was started.
    """

    clock: Clock
    recorder: Recorder | None = None
    on_start: Callable[[], None]

    def __init__(
        self,
        tree: SceneTree,
        *,
        seed: int,
        command_ns: int,
        report: Callable[[str], None],
        echo: Callable[[str], None],
        on_picture: Callable[[], None],
        wait_for: WaitFor,
        until: Until,
        limits: Limits,
        totals: Totals | None,
    ) -> None:
        self.all: list[Attachment] = []
        self._tree, self._seed, self._command_ns = tree, seed, command_ns
        self._limits, self._together = limits, Together(totals)
        self._report, self._echo = AtMost(report, self._together.totals.lines), echo
        self._on_picture, self._wait_for, self._until = on_picture, wait_for, until
        self._kernels: list[TimeTravel] = []
        self._turns: Turns | None = None  # on the real clock

    async def attach(
        self,
        guest: BareGuest | ProcessGuest | LinuxGuest,
        places: Sequence[Placement] | None,
        limits: Limits | None,
    ) -> Attachment:
        """See `Machine.attach`."""
        check_type("guest", guest, (BareGuest, ProcessGuest, LinuxGuest), "a guest, as SimulatedGuest(...),")
        if places is not None:
            check_places(places)
        name = unique_name(guest.name, {guest.name for guest in self.all})
        if isinstance(guest, BareGuest):
            return self._attach_simulated(guest, name, places or [Placement()], self._ledger(name, limits))
        if not guest.takes_virtual_time:
            self._refuse_virtual(guest.kind)
        number = len(self.all)
        with self._time_keeping(name, number) as time:
            served = self._served_guest(guest, name, places, self._ledger(name, limits))
            served.relaunch = partial(self._relaunch, served, guest, number)
            await self._launch(served, guest, time)
        return served

    def _attach_simulated(
        self, guest: BareGuest, name: str, places: Sequence[Placement], ledger: Ledger
    ) -> SimulatedAttachment:
        seed = self._seed + len(self.all)
        attachment = self._add(
            SimulatedAttachment(guest, name, self._tree, places, self.clock, seed, self.recorder, ledger)
        )
        attachment.relaunch = partial(self._reboot, attachment)
        self.on_start()
        return attachment

    async def _reboot(self, attachment: SimulatedAttachment) -> None:
        await attachment.boot_again()
        self.on_start()

    async def _launch(
        self, served: ServedAttachment, guest: ProcessGuest | LinuxGuest, time: TimeKeeping | None
    ) -> None:
        await served.launch(
            guest, echo=self._echo, report=self._report, on_picture=self._on_picture, time=time
        )
        self.on_start()

    async def _relaunch(
        self, served: ServedAttachment, guest: ProcessGuest | LinuxGuest, number: int
    ) -> None:
        """Boot a guest again that has a process of its own; it ends, and starts, in no virtual time."""
        hold = self.clock.hold(f"{served.name} is restarted") if isinstance(self.clock, Calendar) else None
        try:
            await served.stop()
            with self._time_keeping(served.name, number) as time:
                await self._launch(served, guest, time)
        finally:
            if hold is not None:
                hold.release()

    def serve(
        self,
        path: str | Path,
        *,
        once: bool,
        places: Sequence[Placement] | None,
        time_travel: str | Path | None,
        any_file: bool,
        limits: Limits | None,
        users: Collection[int],
    ) -> Attachment:
        """See `Machine.serve`."""
        if time_travel is None:
            self._refuse_virtual("a VMM of its own")
        elif not isinstance(self.clock, Calendar):
            raise BadInput("a kernel that comes for its time needs the virtual clock")
        if places is not None:
            check_places(places)
        name = unique_name("guest", {guest.name for guest in self.all})
        with self._time_keeping(name, len(self.all)) as time:
            served = self._served(name, "vhost-user", places, self._ledger(name, limits))
            try:
                served.listen(
                    Path(path),
                    once=once or time is not None,
                    report=self._report,
                    time=time,
                    any_file=any_file,
                    users=users,
                )
                if time is not None and time_travel is not None:
                    served.keep_time(time, Path(time_travel), self._report, users)
            except Misuse as error:  # a path that the user gave cannot be listened on
                raise BadInput(str(error)) from None
        self.on_start()
        return served

    def find(self, guest: Attachment | str) -> Attachment:
        """Which one is meant: a guest, or its name.

        Raises:
            BadInput: There is no such guest.
        """
        found = next((known for known in self.all if known is guest or known.name == guest), None)
        if found is None:
            names = ", ".join(known.name for known in self.all) or "none"
            raise BadInput(f"no guest {getattr(guest, 'name', guest)!r}; there are {names}")
        return found

    def outputs_changed(self) -> None:
        """Tell those guests whose outputs are other ones now."""
        for guest in tuple(self.all):
            guest.outputs_changed()

    def _served_guest(
        self,
        guest: ProcessGuest | LinuxGuest,
        name: str,
        places: Sequence[Placement] | None,
        ledger: Ledger,
    ) -> ServedAttachment:
        if not isinstance(guest, ProcessGuest):
            return self._served(name, guest.kind, places, ledger)
        guest.with_seed(self._seed + len(self.all))
        return self._add(
            ProcessAttachment(
                guest, name, self._tree, places or [Placement()], self.clock, self.recorder, ledger
            )
        )

    def _served(
        self, name: str, kind: str, places: Sequence[Placement] | None, ledger: Ledger
    ) -> ServedAttachment:
        places = places or [Placement(output=index) for index in range(len(self._tree.outputs))]
        return self._add(ServedAttachment(name, kind, self._tree, places, self.clock, self.recorder, ledger))

    def _ledger(self, name: str, limits: Limits | None) -> Ledger:
        """The account of the guest that comes next."""
        return Ledger(limits or self._limits, self._together, lambda line: self._report(f"{name}: {line}"))

    def _add(self, attachment: AnyAttachment) -> AnyAttachment:
        attachment.display.report, attachment.wait_for = self._report, self._wait_for
        attachment.on_detach = partial(self._forget, attachment)
        if isinstance(attachment, ServedAttachment):
            attachment.until = self._until
        if isinstance(attachment, ServedAttachment) and not isinstance(self.clock, Calendar):
            self._turns = self._turns or Turns.on(asyncio.get_running_loop())
            attachment.pace = self._turns.pace(attachment.ledger.limits.turn / 1e6)
        self.all.append(attachment)
        return attachment

    def _forget(self, attachment: Attachment) -> None:
        if attachment in self.all:
            self.all.remove(attachment)

    @contextmanager
    def _time_keeping(self, name: str, number: int) -> Iterator[TimeKeeping | None]:
        """The virtual time, if there is one, of the guest that comes next; if it does."""
        if not isinstance(self.clock, Calendar):
            yield None
            return
        kernel = TimeTravel(self.clock, name, broadcast=self._broadcast)

        def on_fault(error: ScanoutError) -> None:
            next(guest for guest in self.all if guest.name == name).fail(error)

        pace = CalendarPace(self.clock, kernel, on_fault=on_fault, latency_ns=self._command_ns)
        self._kernels.append(kernel)
        try:
            yield TimeKeeping(kernel, pace, guest_seed(self._seed, number), on_fault)
        except BaseException:
            kernel.participant.leave()  # the others must not wait for it
            raise

    def _broadcast(self, sender: TimeTravel, what: int) -> None:
        for kernel in self._kernels:
            if kernel is not sender:
                kernel.announce(what)

    def _refuse_virtual(self, what: str) -> None:
        if isinstance(self.clock, Calendar):
            raise BadInput(f"{what} keeps its own time: use the real clock")


def unique_name(name: str, taken: Container[str]) -> str:
    """The name, numbered from 2 on if it is taken."""
    if name not in taken:
        return name
    return next(numbered for number in count(2) if (numbered := f"{name}-{number}") not in taken)
