"""A guest behind a vhost-user socket, attached to a machine, and the process that was started for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from contextlib import closing, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from compositor.adapter.late import LINUX_PATIENCE, Patience
from compositor.machine.attachment.attachment import Attachment
from compositor.machine.attachment.commands import SESSION_FREE_RUN_NS, Commands, Until, Wake
from compositor.machine.attachment.console import GuestConsole
from compositor.machine.run_directory import run_directory
from guest.linux.agent import AgentLine
from guest.linux.errors import GuestDied
from guest.linux.options import VirtualTime
from guest.linux.process import GuestProcess
from guest.linux.switch_off import SwitchOff
from guest.process import ProcessGuest
from guest.real import Echo, LinuxGuest
from virtio.clock import Calendar
from virtio.clock.pace import CalendarPace
from virtio.clock.time_travel import TimeTravel
from virtio.clock.time_travel_server import TimeTravelServer
from virtio.errors import ScanoutError
from virtio.memory import sigbus
from virtio.vhost_user.connection import Connection
from virtio.vhost_user.pace import FairPace
from virtio.vhost_user.server import VhostUserServer

Report = Callable[[str], None]
Notice = Callable[[], None]

# Characters of a console that are looked through for a text.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class TimeKeeping:
    """How a guest is kept in virtual time.

    Attributes:
        kernel: The calendar's side of the guest's kernel, which comes for its time.
        pace: The calendar's side of its device.
        seed: The seed of all that is random in the guest; not 0.
        on_fault: Called when the guest breaks the rules of virtual time.
    """

    kernel: TimeTravel
    pace: CalendarPace
    seed: int
    on_fault: Callable[[ScanoutError], None]


class _TextSeen:
    """Passes a console's text on, and looks for one text in it, wherever its pieces begin."""

    def __init__(self, echo: Echo, text: str, on_seen: Notice) -> None:
        self._echo, self._text, self._on_seen = echo, text, on_seen
        self._last = ""

    def __call__(self, text: str) -> None:
        self._echo(text)
        self._last = (self._last + text.replace("\r", ""))[-_REMEMBERED:]
        if self._text in self._last:
            self._last = ""
            self._on_seen()


class _FinalPicture:
    """Hears on a console that the guest's picture stays as it is, and passes that on when the guest waits.

    On the virtual clock the console, a pipe, and what the kernel says of its time come on their own ways.
    What was printed before the kernel waits is in the pipe by then: read there, it belongs to that moment, in
    every run.
    """

    def __init__(self, on_picture: Notice) -> None:
        self._on_picture = on_picture
        self._heard = False

    def hear(self) -> None:
        """The console says so."""
        self._heard = True

    def guest_waits(self, process: GuestProcess) -> None:
        """The guest waits, and no time has passed since it printed what it did."""
        process.read_console()
        if self._heard:
            self._heard = False
            self._on_picture()


class ServedAttachment(Attachment):
    """A guest behind a vhost-user socket, and its process, if the machine started one.

    Attributes:
        pace: Its share of the time of the machine's process, on the real clock; None: all of it.
        process: Its process, if the machine started one.
        until: Lets time pass until something has ended.
    """

    patience: Patience | None = LINUX_PATIENCE
    pace: FairPace | None = None
    process: GuestProcess | None = None
    until: Until

    @property
    def connection(self) -> Connection | None:
        """The VMM that is connected."""
        return self._server.connection

    def listen(
        self,
        path: Path,
        *,
        once: bool,
        report: Report,
        time: TimeKeeping | None = None,
        on_lost: Report | None = None,
        any_file: bool = False,
        users: Collection[int] = (),
    ) -> None:
        """Open the socket; with `once` the guest has ended when the first VMM has gone.

        With `any_file` its memory may be a plain file: see `virtio.vhost_user.memory_table.Terms`.
        `users` may connect, too: see `virtio.listener`. `on_lost` gets the line when a VMM breaks its
        connection off; None: `report` does.

        Raises:
            Misuse: It cannot be opened; the message says why.
        """
        self._away = asyncio.Event()
        self._away.set()
        server = VhostUserServer(
            path,
            self.make_device,
            once=once,
            on_error=report,
            on_lost=on_lost,
            on_connect=lambda _device: self._away.clear(),
            on_disconnect=lambda _device: self._away.set(),
            inband=time is not None,
            any_file=any_file,
            pace=self.pace if time is None else time.pace,
            account=self.ledger,
            users=users,
        )
        server.start()
        self._server = server
        self._end = lambda: asyncio.get_running_loop().call_soon(server.hang_up)  # not inside of its device
        self._resources.callback(server.close)
        if once and time is None:
            self.ended = asyncio.create_task(server.wait_closed())

    def keep_time(self, time: TimeKeeping, path: Path, report: Report, users: Collection[int] = ()) -> None:
        """Be the calendar, too, for a kernel that the user starts; it has ended when it has gone.

        Raises:
            Misuse: The socket cannot be opened; the message says why.
        """
        gone = asyncio.Event()
        server = self._expect(time, path, on_end=gone.set, report=report, users=users)

        def end() -> None:
            server.close()
            self._server.close()
            gone.set()

        self._end = end
        time.kernel.participant.be_patient(patient=True)  # until the user has typed its command

        async def until_gone() -> None:
            await gone.wait()
            await self._away.wait()
            time.kernel.participant.leave()
            if self.failure is not None:
                raise self.failure

        self.ended = asyncio.create_task(until_gone())

    async def launch(
        self,
        guest: LinuxGuest | ProcessGuest,
        *,
        echo: Echo,
        report: Report,
        on_picture: Notice,
        time: TimeKeeping | None = None,
    ) -> None:
        """Start the guest's process on a socket of its own; `ended` is done when it has ended.

        Args:
            guest: What to start.
            echo: Called with its console's text.
            report: Gets one line for everything that goes wrong and is dealt with.
            on_picture: Called when the guest says that its picture stays as it is.
            time: How it is kept in virtual time; None: it keeps its own.

        Raises:
            ScanoutError: It cannot be started.
        """
        self._console = self._console or GuestConsole(self.name, self.wait_for, lambda: self.has_ended)
        self._console.forget()
        directory = self._resources.enter_context(run_directory())
        workdir = directory / "guest"
        workdir.mkdir()
        # Why the connection broke off is what its process died of; or this machine ended it.
        # And where there is no /dev/shm, we put its memory into a plain file.
        self.listen(
            directory / "gpu",
            once=False,
            report=report,
            time=time,
            on_lost=lambda _line: None,
            any_file=True,
        )
        final = _FinalPicture(on_picture)
        if guest.final_picture is not None:
            hear = partial(_soon, partial(self._when_served, on_picture)) if time is None else final.hear
            echo = _TextSeen(echo, guest.final_picture, hear)
        virtual = None
        if time is not None:
            # When it has gone, time stands still until `_until_ended` knows why.
            self._expect(time, directory / "time", on_end=lambda: None, report=report)
            virtual = VirtualTime(directory / "time", time.seed)
        process = self.process = await self._start(guest, directory, echo, virtual, time)
        self._end = process.finish
        if time is not None:
            time.kernel.on_wait = partial(self._guest_waits, final, process, time)
        self._resources.push_async_callback(process.stop)
        off = SwitchOff(process, self._clock, report)
        self.ended = asyncio.create_task(self._until_ended(process, time, off))

    async def _start(
        self,
        guest: LinuxGuest | ProcessGuest,
        directory: Path,
        echo: Echo,
        virtual: VirtualTime | None,
        time: TimeKeeping | None,
    ) -> GuestProcess:
        socket, workdir, heard = directory / "gpu", directory / "guest", partial(self._printed, echo)
        if isinstance(guest, ProcessGuest):
            return await guest.launch(socket, workdir, heard, virtual)
        return await guest.launch(socket, workdir, heard, virtual, self._line_to(guest, workdir, time))

    def _line_to(self, guest: LinuxGuest, workdir: Path, time: TimeKeeping | None) -> AgentLine | None:
        """The line to the agent of a session."""
        if not guest.session:
            return None
        line = AgentLine(workdir if guest.sees_its_directory else None)
        wake = None if time is None else Wake(time.kernel.participant, self._ring)
        if time is not None:
            time.kernel.participant.free_run_ns = SESSION_FREE_RUN_NS
        self._commands = Commands(self.name, line, self._clock, self.until, self.hear_of_end, wake)
        self._resources.enter_context(self._commands)
        return line

    def _ring(self) -> None:
        """Interrupt the guest, to no purpose."""
        if self._device is not None:
            self._device.notify(0)

    def _guest_waits(self, final: _FinalPicture, process: GuestProcess, time: TimeKeeping) -> None:
        """The guest waits: what it has said by now is acted on when it can be spoken to."""
        final.guest_waits(process)
        if self.console.has_news:
            self._clock.call_at(time.kernel.participant.horizon_ns, self.console.hear)
        if self._commands is not None:
            self._commands.guest_waits()

    @property
    def pid(self) -> int | None:
        """Its process, if the machine started one, and that runs."""
        return None if self.process is None or self.has_ended else self.process.pid

    def _printed(self, echo: Echo, text: str) -> None:
        self.console.feed(text)
        if not isinstance(self._clock, Calendar):
            self.console.hear()
        echo(text)

    def _kill(self) -> None:
        if self.ended is not None and isinstance(self._clock, Calendar):
            # It ends in real time: until that is known, no other time may pass.
            hold = self._clock.hold(f"{self.name} is killed")
            self.ended.add_done_callback(lambda _end: hold.release())
        self._end()

    async def stop(self) -> None:
        """For `restart`: end it, and all that was opened for it, but its place on the screens."""
        await self._end_all()
        self.ended = self.process = None

    def _when_served(self, notice: Notice) -> None:
        """Pass a notice on when the guest's device has done what the guest kicked off before."""
        if self.pace is not None and self.pace.has_work:
            _soon(partial(self._when_served, notice))
        else:
            notice()

    def _expect(
        self, time: TimeKeeping, path: Path, *, on_end: Notice, report: Report, users: Collection[int] = ()
    ) -> TimeTravelServer:
        """Let the kernel come for its time."""
        server = TimeTravelServer(
            path, time.kernel, on_fault=time.on_fault, on_end=on_end, report=report, users=users
        )
        # The guest's memory will need it, and while the kernel boots this process has nothing else to do.
        time.kernel.on_started = partial(_soon, sigbus.prepare)
        self._resources.callback(time.kernel.close)
        self._resources.callback(server.close)
        return server

    async def _until_ended(self, process: GuestProcess, time: TimeKeeping | None, off: SwitchOff) -> None:
        status, death = None, None
        with closing(off), self._commands or nullcontext():
            try:
                status = await process.wait()
            except GuestDied as error:
                death = error
            if time is not None:
                await self._away.wait()  # what its end means to the screens belongs to this moment, too
                time.kernel.participant.leave()
        if self.failure is not None:
            raise self.failure
        if death is not None:
            raise death
        if status:
            last = process.console.last_words
            how = f"exited with status {status}" if status > 0 else f"was killed by signal {-status}"
            said = f": {last}" if last else ""
            raise GuestDied(f"{self.name}: its program {how}{said}", status=status, console=last)


def _soon(work: Notice) -> None:
    asyncio.get_running_loop().call_soon(work)
