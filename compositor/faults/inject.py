"""Scripts of faults at work on a machine that runs: each fault waits for its moment, and then happens."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from compositor.errors import BadInput, Misuse
from compositor.faults.check import check_fault
from compositor.faults.guests import GuestFaults, nanoseconds
from compositor.faults.hook import Hook
from compositor.faults.repaints import BeforeRepaints, DroppedVblanks
from compositor.faults.script import (
    AnyFault,
    DropVblanks,
    FenceFault,
    Hotplug,
    InterruptFault,
    KickFault,
    Kill,
    NeedReset,
    Reboot,
    Scribble,
    Script,
    Stall,
)
from compositor.machine import Machine
from compositor.output.frame import Frame
from compositor.output.output import Output
from virtio.clock.calendar import NANOSECONDS


def inject(machine: Machine, *faults: AnyFault | Script, when: Callable[[], bool] | None = None) -> Injection:
    """Have faults happen on a machine that runs; their times count from now.

    Args:
        machine: Its guests are attached already.
        faults: Faults, or whole scripts of them.
        when: The times count from the moment at which this is true; it is looked at whenever a frame is
            presented or a guest's device takes a command. None: from now.

    Returns:
        What is waiting and what has happened.

    Raises:
        BadInput: A fault cannot happen; the message names it. None of them will.
        Misuse: The machine does not run.
    """
    script = Script(
        tuple(each for item in faults for each in (item.events if isinstance(item, Script) else (item,)))
    )
    guests = {guest.name: guest.kind for guest in machine.guests}
    for index, fault in enumerate(script.events):
        check_fault(fault, machine.outputs, guests, f"events[{index}]")
    return Injection(machine, script, when)


class Injection:
    """A script at work; made by `inject`.

    Attributes:
        script: All of its faults.
        happened: The time, ns, and the fault, of each that has happened.
        skipped: Those that could not happen at their moment, and why, such as one to a guest that had ended.
    """

    def __init__(self, machine: Machine, script: Script, when: Callable[[], bool] | None) -> None:
        self.script = script
        self.happened: list[tuple[int, AnyFault]] = []
        self.skipped: list[tuple[AnyFault, str]] = []
        self._machine, self._clock = machine, machine.clock
        self._guests = {guest.name: GuestFaults(guest, machine.clock) for guest in machine.guests}
        self._closers: list[Callable[[], object]] = []
        self._closed = False
        if when is None:
            self._start()
        else:
            self._wait(when)

    def close(self) -> None:
        """Let nothing more happen; what has happened goes on."""
        self._closed = True
        while self._closers:
            self._closers.pop()()

    # Moments.

    def _start(self) -> None:
        for fault in self.script.events:
            if fault.frame is not None:
                self._at_frame(fault, fault.frame)
            elif fault.commit is not None:
                self._at_commit(fault, fault.commit)
            elif fault.command is not None:
                self._at_command(fault, fault.command)
            else:
                self._after(fault)

    def _wait(self, when: Callable[[], bool]) -> None:
        """Begin when a condition holds."""
        closers: list[Callable[[], object]] = []

        def look(*_event: object) -> None:
            if closers and when():
                while closers:
                    closers.pop()()
                self._start()

        closers += [_listen(output, look) for output in self._machine.outputs]
        closers += [self._hear_commands(name, look) for name in self._guests]
        self._closers.append(lambda: [close() for close in closers])

    def _at_frame(self, fault: AnyFault, number: int) -> None:
        """When a frame is on the screen, before its buffers are released."""

        def presented(frame: Frame) -> None:
            if frame.commit_seq >= number:
                close()
                self._after(fault)

        close = _listen(self._output(fault), presented)
        self._closers.append(close)

    def _at_commit(self, fault: AnyFault, number: int) -> None:
        """When a frame is due, before it is committed."""
        output = self._output(fault)

        def look() -> bool:
            if output.commit_seq + 1 >= number:
                repaints.close()
                self._after(fault)
            return True

        repaints = BeforeRepaints(self._machine.presenter(output), look)
        self._closers.append(repaints.close)

    def _at_command(self, fault: AnyFault, command: str) -> None:
        """When a device has taken a command, before it is carried out."""
        seen = 0

        def look(name: str) -> None:
            nonlocal seen
            seen += name == command
            if seen == fault.nth and name == command:
                close()
                self._after(fault)

        whose = fault.of or getattr(fault, "guest", "") or next(iter(self._guests))
        close = self._hear_commands(whose, look)
        self._closers.append(close)

    def _hear_commands(self, guest: str, hear: Callable[[str], None]) -> Callable[[], object]:
        """Hear of the commands of a guest: of all its devices, should it connect anew."""
        attachment = self._guests[guest].attachment
        hooks = [Hook(attachment, "make_device", lambda make: self._made(make, hooks, hear))]
        if attachment.device is not None:
            hooks.append(_on_command(attachment.device, hear))

        def close() -> None:
            while hooks:
                hooks.pop().remove()

        return close

    @staticmethod
    def _made(make: Callable[[], Any], hooks: list[Hook], hear: Callable[[str], None]) -> Any:
        device = make()
        hooks.append(_on_command(device, hear))
        return device

    def _output(self, fault: AnyFault) -> Output:
        outputs = self._machine.outputs
        return next((output for output in outputs if output.name == fault.of), outputs[0])

    def _after(self, fault: AnyFault) -> None:
        """The moment has come: the fault happens now, or `at` seconds later."""
        if fault.at:
            when_ns = self._clock.now_ns() + round(fault.at * NANOSECONDS)
            self._clock.call_at(when_ns, partial(self._happen, fault))
        else:
            self._happen(fault)

    # Faults.

    def _happen(self, fault: AnyFault) -> None:
        if self._closed:
            return
        try:
            closer = (
                self._to_output(fault) if isinstance(fault, DropVblanks | Hotplug) else self._to_guest(fault)
            )
        except (BadInput, Misuse) as error:
            self.skipped.append((fault, str(error)))
            self._machine.report(f"{fault}: it could not happen: {error}")
            return
        self.happened.append((self._clock.now_ns(), fault))
        if closer is not None:
            self._closers.append(closer)

    def _to_output(self, fault: DropVblanks | Hotplug) -> Callable[[], object] | None:
        if isinstance(fault, DropVblanks):
            return DroppedVblanks(self._machine.presenter(fault.output), self._clock, fault.count).close
        self._machine.unplug(fault.output)
        self._clock.call_at(self._clock.now_ns() + nanoseconds(fault.ms), partial(self._plug, fault))
        return None

    def _plug(self, fault: Hotplug) -> None:
        try:
            self._machine.plug(fault.output, fault.mode)
        except (BadInput, Misuse) as error:
            self._machine.report(f"{fault}: the monitor could not come back: {error}")

    def _to_guest(self, fault: AnyFault) -> Callable[[], object] | None:
        assert not isinstance(fault, DropVblanks | Hotplug)
        guest = self._guests[fault.guest]
        if guest.gone:
            raise Misuse(f"{fault.guest} has ended")
        if isinstance(fault, KickFault):
            return guest.kicks(fault)
        if isinstance(fault, InterruptFault):
            return guest.interrupts(fault)
        if isinstance(fault, FenceFault):
            return guest.fences(fault)
        match fault:
            case Kill():
                guest.kill()
            case Stall():
                guest.stall(fault.ms)
            case Reboot():
                guest.reboot(fault.ms)
            case NeedReset():
                guest.break_device()
            case Scribble():
                outputs = self._machine.outputs
                return guest.scribble(fault, [self._machine.presenter(output) for output in outputs])
        return None


def _listen(output: Output, listener: Callable[[Frame], None]) -> Callable[[], None]:
    """Hear of every frame that an output presents; the call that ends it."""
    output.listeners.append(listener)

    def close() -> None:
        if listener in output.listeners:
            output.listeners.remove(listener)

    return close


def _on_command(device: object, hear: Callable[[str], None]) -> Hook:
    """Hear of every command that a device takes, by name, before it is carried out."""

    def heard(execute: Callable[..., Any], session: Any, table: Any, header: Any, *rest: Any) -> Any:
        entry = table.get(header.type)
        if entry is not None:
            hear(entry.name)
        return execute(session, table, header, *rest)

    return Hook(device, "execute", heard)
