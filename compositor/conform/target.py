"""The device under test: one that listens already, or a program that is started as often as needed."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import IO, Protocol

from compositor.conform.verdict import Gone
from compositor.conform.waiting import Waiting
from compositor.errors import BadInput, RunFailed

PLACE = "{socket}"
_GRACE_S = 3.0
_START_S = 20.0
_END_S = 0.3
_LOOK_S = 0.005
_LAST_BYTES = 4096


class Target(Protocol):
    """A device that checks connect to."""

    def has_ended(self, *, provoked: bool) -> bool:
        """Whether the device ended in good order when its connection did; `provoked` as for `death`."""

    def connect(self, waiting: Waiting) -> socket.socket:
        """A fresh connection.

        Raises:
            Gone: The device takes none.
        """

    def ready(self) -> None:
        """See to it that a device listens; called before each check.

        Raises:
            RunFailed: None does, and nothing can be done about it.
        """

    def death(self, *, provoked: bool) -> str | None:
        """How the device died; None: it lives, or has ended in good order. Called after each check.

        Args:
            provoked: The front end broke the protocol, and the device may have given up.
        """

    def discard(self) -> None:
        """The device was found wrong: the next check gets a fresh one, if there is any."""

    def close(self) -> None:
        """End what was started."""


def _connect(path: Path, seconds: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.settimeout(max(seconds, 0.001))
    try:
        sock.connect(str(path))
    except OSError:
        sock.close()
        raise
    return sock


class ListeningTarget:
    """A device that was started elsewhere.

    Args:
        path: Where it listens.

    Raises:
        BadInput: There is no socket.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_socket():
            raise BadInput(f"{path} is no socket; start the device first, or let --spawn do it")
        self._path = path
        self._met = False
        self._lost = False

    def connect(self, waiting: Waiting) -> socket.socket:
        """See `Target`.

        Raises:
            BadInput: It never took a connection.
        """
        try:
            sock = _connect(self._path, waiting.left())
        except OSError as error:
            reason = error.strerror or str(error)
            if not self._met:
                raise BadInput(f"cannot connect to {self._path}: {reason}; start the device first") from None
            self._lost = True
            raise Gone(f"the device takes no connection: {reason}") from None
        self._met = True
        return sock

    def has_ended(self, *, provoked: bool) -> bool:  # noqa: ARG002 - nothing is known of its process
        """See `Target`."""
        return False

    def ready(self) -> None:
        """See `Target`."""
        if self._lost:
            raise RunFailed(
                "the device is gone, and started elsewhere; --spawn starts one as often as needed"
            )

    def death(self, *, provoked: bool) -> str | None:  # noqa: ARG002 - nothing is known of its process
        """See `Target`: a process that is not ours dies unseen, but takes no more connections."""
        return None

    def discard(self) -> None:
        """See `Target`: it stays what it is."""

    def close(self) -> None:
        """See `Target`."""


class SpawnedTarget:
    """A program that is a device; it may serve one connection and end, or many.

    Args:
        command: Its command line, with `{socket}` where the path of its socket belongs.

    Raises:
        BadInput: The command line cannot be understood, or names no socket or no program.
    """

    def __init__(self, command: str) -> None:
        try:
            self._words = shlex.split(command)
        except ValueError as error:
            raise BadInput(f"--spawn {command!r}: {error}") from None
        if not any(PLACE in word for word in self._words):
            raise BadInput(f"--spawn {command!r}: write {PLACE} where the path of the socket belongs")
        if shutil.which(self._words[0]) is None:
            raise BadInput(f"--spawn: there is no program {self._words[0]!r}")
        self._directory = Path(tempfile.mkdtemp(prefix="scanout-conform-"))
        self._path = self._directory / "socket"
        self._log: IO[bytes] = (self._directory / "output").open("w+b")
        self._process: subprocess.Popen[bytes] | None = None
        self._serves_one: bool | None = None  # ends with its first connection; None: not known yet
        self._hopeless: str | None = None  # why it never started

    def connect(self, waiting: Waiting) -> socket.socket:
        """See `Target`."""
        end = time.monotonic() + waiting.left()
        while True:
            try:
                return _connect(self._path, waiting.left())
            except OSError as error:
                reason = error.strerror or str(error)
            if self._process is None or self._process.poll() is not None or time.monotonic() > end:
                raise Gone(f"the device takes no connection: {reason}; {self._last_words()}")
            time.sleep(_LOOK_S)

    def has_ended(self, *, provoked: bool) -> bool:
        """See `Target`."""
        code = None if self._process is None else self._process.poll()
        return code is not None and (code == 0 or (code > 0 and provoked))

    def ready(self) -> None:
        """See `Target`. A connection made to find out would be the only one that some devices take."""
        if self._process is not None and self._process.poll() is None and self._path.is_socket():
            return
        if self._hopeless is not None:
            raise RunFailed(self._hopeless)
        self._end()
        self._log.truncate(0)
        words = [word.replace(PLACE, str(self._path)) for word in self._words]
        # setpriv: the kernel ends the device when this process is killed, and could not end it itself.
        guard = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
        self._process = subprocess.Popen(
            [*guard, *words],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            start_new_session=True,
        )
        self._wait_for_socket(self._process)

    def _wait_for_socket(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + _START_S
        while not self._path.is_socket():
            if process.poll() is not None or time.monotonic() > end:
                self._hopeless = f"the device was started, and never listened: {self._last_words()}"
                raise RunFailed(self._hopeless)
            time.sleep(_LOOK_S)

    def death(self, *, provoked: bool) -> str | None:
        """See `Target`. Some devices end with their connection, and have a moment to do so."""
        process = self._process
        if process is None:
            return None
        try:
            code = process.wait(_GRACE_S if self._serves_one else 0 if self._serves_one is False else _END_S)
        except subprocess.TimeoutExpired:
            self._serves_one = self._serves_one or False
            return None
        if code == 0 and self._serves_one is None:
            self._serves_one = True
        if code == 0 or (code > 0 and provoked):
            return None
        how = f"died by {signal.Signals(-code).name}" if code < 0 else f"ended with exit status {code}"
        return f"the device {how}: {self._last_words()}"

    def discard(self) -> None:
        """See `Target`."""
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            _signal(process, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE_S)
            _signal(process, signal.SIGKILL)
            process.wait()
        self._path.unlink(missing_ok=True)

    def _last_words(self) -> str:
        self._log.flush()
        text = (self._directory / "output").read_bytes()[-_LAST_BYTES:].decode(errors="replace")
        lines = text.strip().splitlines()
        return lines[-1] if lines else "it printed nothing"

    def close(self) -> None:
        """See `Target`."""
        self._end()
        self._log.close()
        shutil.rmtree(self._directory, ignore_errors=True)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """To the whole session of the device: what it started ends, too."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, number)
