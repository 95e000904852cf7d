"""Commands in a real guest, on the run's clock: started, waited for, and ended when their time is up.

A guest that waits for a command sleeps. On the virtual clock a command is sent by an event of the calendar,
and an interrupt of the display, which says nothing, wakes the guest at this very time. What the guest says is
heard at an event, too. So when a command starts, and what comes of it, is the same in every run.
"""

from __future__ import annotations

import shlex
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from compositor.errors import BadInput
from guest.linux import PROGRAMS
from guest.linux.agent import GONE, AgentLine, CommandResult, Job
from guest.linux.agent.result import as_text, last_lines, shown
from guest.linux.errors import CommandFailed
from virtio.clock import Clock
from virtio.clock.participant import Participant
from virtio.errors import Misuse
from virtio.regular import open_regular

WITHIN_S = 10.0  # what a command gets, if its author does not say
BOOT_S = 120.0  # from the start of a guest to its first command
GRACE_S = 10.0  # for a command that was killed, to be gone
# For so long at most a guest in a session lets its time pass unheard: so precisely is a command's end known.
SESSION_FREE_RUN_NS = 1_000_000
OUTPUT_LIMIT = 1 << 20  # bytes

Until = Callable[[Job, str, float | None], Awaitable[bool]]


class Wake(NamedTuple):
    """How to make a guest that waits on the virtual clock look at its line.

    Attributes:
        participant: Its place in the calendar.
        ring: Interrupts it, to no purpose.
    """

    participant: Participant
    ring: Callable[[], None]


class Commands:
    """The commands of one guest; a context manager, which ends them.

    Args:
        name: The guest's.
        line: To its agent.
        clock: The run's.
        wake: On the virtual clock: how to make a guest that waits look at its line.
        until: Lets time pass until something has ended, or for so many seconds; whether it has.
        death: What the guest died of, if no run has heard of that.
    """

    def __init__(
        self,
        name: str,
        line: AgentLine,
        clock: Clock,
        until: Until,
        death: Callable[[], BaseException | None],
        wake: Wake | None = None,
    ) -> None:
        self.name = name
        self.clock = clock
        self.conversation = line.conversation
        self._line, self._until, self._death, self._wake = line, until, death, wake
        self._flush_is_due = False
        self._files = 0
        line.on_outbox = self._flush_soon
        if wake is None:
            line.listen()

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        """The guest has gone, or goes; once more does nothing."""
        self._line.close()

    def check_alive(self, job: Job) -> None:
        """See whether something ended because the guest did.

        Raises:
            BaseException: What the guest died of.
        """
        death = self._death() if job.problem == GONE else None
        if death is not None:
            raise death

    def guest_waits(self) -> None:
        """It does; what it has said is heard as soon as it could be answered."""
        if self._line.read():
            self.clock.call_at(self._soon_ns(), self._line.hear)

    def _soon_ns(self) -> int:
        return self.clock.now_ns() if self._wake is None else self._wake.participant.horizon_ns

    def _flush_soon(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self.clock.call_at(self._soon_ns(), self._flush)

    def _flush(self) -> None:
        self._flush_is_due = False
        self._line.flush()
        if self._wake is not None:
            self._wake.ring()

    async def until_ready(self) -> None:
        """Wait until the guest has booted.

        Raises:
            CommandFailed: It does not come so far.
        """
        greeting = self.conversation.greeting
        if not await self.ends(greeting, "to boot", BOOT_S):
            raise CommandFailed(f"{self.name}: did not boot to its agent within {BOOT_S:g} s")
        self.check_alive(greeting)
        if greeting.problem is not None:
            raise CommandFailed(f"{self.name}: {greeting.problem}")

    async def ends(self, job: Job, what: str, seconds: float | None) -> bool:
        """Let time pass until something has ended, or so much of it has passed; whether it has."""
        return job.ended or await self._until(job, f"{self.name} {what}", seconds)

    async def put(self, data: bytes, path: str, mode: int) -> None:
        """Write a file; through the directory that the guest sees, if there is one.

        Raises:
            Misuse: The path cannot be carried.
            CommandFailed: The guest cannot write it.
        """
        if self._line.shared is None:
            await self.finish(self.conversation.write(path, data, mode), f"writing {path}", BOOT_S)
            return
        self._files += 1  # the same names in every run
        passed = self._line.shared / f"file-{self._files}"
        try:
            passed.write_bytes(data)
            await self.finish(self.conversation.copy(passed.name, path, mode), f"writing {path}", BOOT_S)
        except OSError as error:
            raise CommandFailed(f"{self.name}: writing {path}: {passed}: {error.strerror}") from None
        finally:
            passed.unlink(missing_ok=True)

    async def finish(self, job: Job, what: str, seconds: float) -> None:
        """Wait for the end of something that needs no patience.

        Raises:
            CommandFailed: It could not be done, or not in time.
        """
        if not await self.ends(job, what, seconds):
            raise CommandFailed(f"{self.name}: {what} was not done within {seconds:g} s")
        self.check_alive(job)
        if job.problem is not None:
            raise CommandFailed(f"{self.name}: {what}: {job.problem}")


class Running:
    """A command that has been sent. `wait` for it, or `kill` it.

    Attributes:
        command: Program and arguments.
    """

    def __init__(self, commands: Commands, command: Sequence[str], job: Job) -> None:
        self.command = command
        self._commands, self._job = commands, job
        self._started_ns = commands.clock.now_ns()

    @property
    def ended(self) -> bool:
        """Whether it is over."""
        return self._job.ended

    @property
    def stdout(self) -> str:
        """What it has printed up to now, as text."""
        return as_text(bytes(self._job.stdout))

    @property
    def stderr(self) -> str:
        """What it has complained of up to now, as text."""
        return as_text(bytes(self._job.stderr))

    def kill(self) -> None:
        """End it, and the programs that it started; `wait` then tells how it ended."""
        self._commands.conversation.kill(self._job)

    async def wait(self, within: float | None = WITHIN_S, *, check: bool = False) -> CommandResult:
        """Let time pass until it has ended.

        Args:
            within: Seconds on the run's clock, from now; then it is killed. None: as long as it takes.
            check: An exit status other than 0 is an error.

        Raises:
            CommandFailed: There is no such program, it printed too much, its time was up, or `check`.
            GuestDied: The guest ended before it.
        """
        in_time = await self._commands.ends(self._job, f"to run {shown(self.command)}", within)
        if not in_time:
            self.kill()
            if not await self._commands.ends(self._job, "to end a command", GRACE_S):
                raise self._failed(f"killed when its time was up, and still there {GRACE_S:g} s later")
        job = self._job
        self._commands.check_alive(job)
        if job.problem is not None:
            raise self._failed(self._explain(job.problem))
        if not in_time:
            raise self._failed(f"was not done within {within:g} s, and was killed", said=True)
        if job.overflowed:
            raise self._failed(f"printed more than {job.limit} bytes, and was killed")
        result = CommandResult(
            self.command,
            job.status,
            bytes(job.stdout),
            bytes(job.stderr),
            self._started_ns,
            self._commands.clock.now_ns(),
        )
        return result.check() if check else result

    def _explain(self, problem: str) -> str:
        if "No such file" in problem:
            return f"there is no such program in the guest; those that ship: {', '.join(PROGRAMS)}"
        if problem == GONE:
            return problem
        return f"cannot be run: {problem}"

    def _failed(self, how: str, *, said: bool = False) -> CommandFailed:
        job = self._job
        last = last_lines(bytes(job.stderr)) or last_lines(bytes(job.stdout))
        tail = f"; it said last: {last}" if said and last else ""
        message = f"{self._commands.name}: {shown(self.command)}: {how}{tail}"
        return CommandFailed(message, stdout=bytes(job.stdout), stderr=bytes(job.stderr))


class CommandRoom:
    """The part of an attachment that is about commands. Guests with an agent alone have `_commands`."""

    name: str
    _commands: Commands | None = None

    @property
    def programs(self) -> Sequence[str]:
        """The names of those that ship and that `run` can run; none where it takes no commands."""
        return () if self._commands is None else PROGRAMS

    async def run(
        self,
        command: str | Sequence[str],
        *,
        within: float | None = WITHIN_S,
        check: bool = False,
        environment: Mapping[str, str] | None = None,
        output_limit: int = OUTPUT_LIMIT,
    ) -> CommandResult:
        """Run a command in a session guest to its end, and let time pass meanwhile.

        Args:
            command: Program and arguments; a string is split into words as by a shell. Its input is empty.
            within: Seconds on the run's clock, from when the guest has booted; then it is killed. None: as
                long as it takes.
            check: An exit status other than 0 is an error.
            environment: Variables for it.
            output_limit: Bytes that it may print, in all.

        Raises:
            BadInput: The guest takes no commands, or this one cannot be carried there.
            CommandFailed: There is no such program, it printed too much, its time was up, or `check`.
            GuestDied: The guest ended before it.
        """
        running = await self._send(command, environment or {}, output_limit, held=False)
        return await running.wait(within, check=check)

    async def start(
        self,
        command: str | Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        output_limit: int = OUTPUT_LIMIT,
    ) -> Running:
        """Send a command that runs on beside whatever comes next; see `run`. Its input stays open."""
        return await self._send(command, environment or {}, output_limit, held=True)

    async def _send(
        self, command: str | Sequence[str], environment: Mapping[str, str], output_limit: int, *, held: bool
    ) -> Running:
        commands = self._need_commands()
        arguments = _split(command)
        await commands.until_ready()
        try:
            job = commands.conversation.run(arguments, environment, output_limit, held=held)
        except Misuse as error:
            raise BadInput(f"{self.name}: {error}") from None
        return Running(commands, arguments, job)

    async def put_file(self, data: bytes | str | Path, path: str, *, mode: int | None = None) -> None:
        """Write a file into a session guest; directories above it are made.

        Args:
            data: Its bytes, or a file of this machine, whose permissions it keeps.
            path: Where to, absolute.
            mode: Its permissions; None: the file's, or 0o755.

        Raises:
            BadInput: The guest takes no commands, the file cannot be read, or the path is not absolute.
            CommandFailed: The guest cannot write it.
        """
        commands = self._need_commands()
        content, own_mode = (data, 0o755) if isinstance(data, bytes) else _read(Path(data))
        await commands.until_ready()
        try:
            await commands.put(content, path, own_mode if mode is None else mode)
        except Misuse as error:
            raise BadInput(f"{self.name}: {error}") from None

    async def reset(self) -> None:
        """End all that commands left running in a session guest; no program holds its display then.

        Raises:
            BadInput: The guest takes no commands.
            CommandFailed: Something would not end.
        """
        commands = self._need_commands()
        await commands.until_ready()
        await commands.finish(commands.conversation.reset(), "ending what commands left running", 2 * GRACE_S)

    def _need_commands(self) -> Commands:
        if self._commands is None:
            raise BadInput(
                f"{self.name}: takes no commands; attach UmlGuest(session=True), or a QemuGuest so"
            )
        return self._commands


def _split(command: str | Sequence[str]) -> list[str]:
    if not isinstance(command, str):
        return list(command)
    try:
        return shlex.split(command)
    except ValueError as error:
        raise BadInput(f"{command!r} is no command: {error}") from None


def _read(path: Path) -> tuple[bytes, int]:
    try:
        with open_regular(path) as file:
            return file.read(), path.stat().st_mode & 0o777
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
