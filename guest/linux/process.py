"""A virtual machine as a process of ours: started, listened to, and never left behind.

The machine gets a session of its own. UML needs one, because a UML kernel that panics sends a signal
to its whole process group; and by its number everything that the machine started can be ended. The
kernel of this host kills it when we die ourselves, however we die (PR_SET_PDEATHSIG, by `setpriv`:
setting it in a forked copy of this process would not be safe with threads).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, cast

from guest.linux.console import PANIC, Console
from guest.linux.errors import GuestDied, ToolFailed
from guest.linux.tool import require

GRACE_SECONDS = 2.0  # from the polite signal to the other one
_LAST_LINES = 20
_CONSOLE_BYTES = 65536  # read at a time


class _Listener(asyncio.SubprocessProtocol):
    """Takes the console's text and the end of the process.

    The console's pipe is read here: asyncio's own passes on what it has read a round of the loop later, and
    until then `read` could not say what the guest has printed.
    """

    def __init__(self, console: Console, pipe: int) -> None:
        self._console = console
        self._pipe = pipe
        self._pid = 0
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(pipe, self.read)
        self.exited = asyncio.Event()
        self.drained = asyncio.Event()  # and the last byte of the console was read

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._pid = cast(asyncio.SubprocessTransport, transport).get_pid()

    def read(self) -> bool:
        """Take a piece of the console's text; whether there was one."""
        if self.drained.is_set():
            return False
        try:
            data = os.read(self._pipe, _CONSOLE_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._console.feed(data)
        else:
            self.close()
        return bool(data)

    def close(self) -> None:
        """The console is at its end."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self.drained.set()

    def process_exited(self) -> None:
        self.exited.set()
        self.kill()  # what the machine left behind, if anything

    def kill(self) -> None:
        """End every process of the session. Its number is taken as long as one of them lives."""
        with suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)


class GuestProcess:
    """A running virtual machine. Made by `launch`; leaving its context ends it.

    Attributes:
        stop_signal: How to ask the machine to end.
        name: What it is, for messages.
        console: What the guest printed.
        pid: Its process, and the number of its session.
    """

    stop_signal = signal.SIGTERM

    def __init__(
        self, name: str, console: Console, transport: asyncio.SubprocessTransport, listener: _Listener
    ):
        self.name = name
        self.console = console
        self.pid = transport.get_pid()
        self._transport = transport
        self._listener = listener
        self._finished = False

    @classmethod
    async def launch(
        cls,
        command: Sequence[str | Path],
        *,
        name: str,
        directory: Path,
        environment: Mapping[str, str] | None = None,
        echo: Callable[[str], None] | None = None,
        stdin: socket.socket | None = None,
    ) -> Self:
        """Start a machine. It ends with the thread that this loop runs in, at the latest.

        Args:
            command: Program and arguments.
            name: What it is, for messages.
            directory: Its working directory, private to this run.
            environment: Added to our own environment.
            echo: Called with the text of the console as it arrives.
            stdin: What it reads, closed here; None: nothing comes, and there is no end.

        Raises:
            ToolMissing: `setpriv` is not installed.
            ToolFailed: The program cannot be started.
        """
        require("setpriv")
        console = Console(echo)
        loop = asyncio.get_running_loop()
        pipe, printed = os.pipe()
        os.set_blocking(pipe, False)
        listener = _Listener(console, pipe)
        try:
            transport, _ = await loop.subprocess_exec(
                lambda: listener,
                "setpriv", "--pdeathsig", "KILL", "--", *command,
                # The pipe stays open: programs end when their console does.
                stdin=asyncio.subprocess.PIPE if stdin is None else stdin.fileno(),
                stdout=printed,
                stderr=asyncio.subprocess.STDOUT,
                cwd=directory,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )  # fmt: skip
        except BaseException as error:
            listener.close()
            if not isinstance(error, OSError):
                raise
            raise ToolFailed(f"{name}: cannot start {command[0]}: {error.strerror}") from None
        finally:
            os.close(printed)
            if stdin is not None:
                stdin.close()
        return cls(name, console, transport, listener)

    def read_console(self) -> None:
        """Take what the guest has printed up to now; else that is read whenever the loop comes to it."""
        while self._listener.read():
            pass

    async def wait(self) -> int | None:
        """Wait until the guest has switched itself off.

        Returns:
            How its program ended: the exit status, negative for a signal; None when the guest ran no
            command of ours.

        Raises:
            GuestDied: It ended in another way.
        """
        await self._listener.drained.wait()
        await self._listener.exited.wait()
        status = self._transport.get_returncode() or 0
        if (status and not self._finished) or self.console.panicked:
            raise self._death(status)
        return self.console.program_status

    def finish(self) -> None:
        """End a machine that has switched itself off already: `wait` takes that for an end of its own."""
        if not self._listener.exited.is_set():
            self._finished = True
            self._listener.kill()

    async def stop(self) -> None:
        """End the machine and everything that it started. Does nothing to one that has ended."""
        listener = self._listener
        try:
            if not listener.exited.is_set():
                # The machine's own process alone: it ends its helpers itself, and waits for them.
                # The transport's own `send_signal` polls first, and takes the end of a process that has just
                # ended from asyncio, which then knows no status (CPython, gh-87744).
                with suppress(ProcessLookupError):
                    os.kill(self.pid, self.stop_signal)
                async with asyncio.timeout(GRACE_SECONDS):
                    await listener.exited.wait()
        except TimeoutError:
            pass  # not polite, then
        finally:
            if not listener.exited.is_set():
                listener.kill()
        await listener.exited.wait()
        await listener.drained.wait()
        self._transport.close()

    def _death(self, status: int) -> GuestDied:
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        why = _reason(self.console)
        if status < 0 and not self.console.panicked and why:
            why = f"it printed last: {why}"  # which need not be the reason
        message = f"{self.name} {'panicked' if self.console.panicked else how}" + (f": {why}" if why else "")
        return GuestDied(message, status=status, console=self.console.last_lines(_LAST_LINES))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def _reason(console: Console) -> str:
    """The line that says why: of a panic that one, else the last."""
    lines = console.text.splitlines()
    panics = [line for line in lines if PANIC in line]
    return panics[-1].strip() if panics else console.last_lines(1).strip()
