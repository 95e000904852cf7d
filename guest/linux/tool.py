"""Running the machine's own programs: compilers, make, apt-get, dpkg-deb."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from guest.linux.errors import ToolFailed, ToolMissing

# Debian's package of each program that is not named as its package.
_PACKAGES = {
    "apt-cache": "apt",
    "apt-get": "apt",
    "aarch64-linux-gnu-gcc": "gcc-aarch64-linux-gnu",
    "cc": "gcc",
    "dpkg-deb": "dpkg",
    "ld": "binutils",
    "ldd": "libc-bin",
    "newuidmap": "uidmap",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-system-x86_64": "qemu-system-x86",
    "setpriv": "util-linux",
    "strip": "binutils",
    "unshare": "util-linux",
    "xz": "xz-utils",
}

# How compilers, linkers and apt begin to say what is wrong; what follows is mostly consequence.
_ERROR = re.compile(r"\berror: |\bcannot find |^E: ")


class Progress(Protocol):
    """Called with how far a long job is."""

    def __call__(self, stage: str, fraction: float | None = None) -> None:
        """The job is in this stage (a few words), of which this fraction is done (None: not known)."""


def no_progress(stage: str, fraction: float | None = None) -> None:
    """A `Progress` that does nothing."""


def require(*programs: str) -> None:
    """Check that programs are installed, all at once.

    Raises:
        ToolMissing: Some are not; the message names their Debian packages.
    """
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = sorted({_PACKAGES.get(program, program) for program in missing})
        raise missing_packages(f"{', '.join(missing)}: not installed", *packages)


def missing_packages(problem: str, *packages: str) -> ToolMissing:
    """The error that names what to install."""
    return ToolMissing(f"{problem}; on Debian: sudo apt-get install {' '.join(packages)}")


def run_tool(
    command: Sequence[str | Path],
    *,
    what: str,
    directory: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] | None = None,
    pass_fds: Sequence[int] = (),
) -> str:
    """Run a program to its end and return what it printed (both streams, in the C locale).

    The program gets a session of its own, and nothing of it survives this call: an interrupt or an
    exception in `on_line` kills it with all its children.

    Args:
        command: Program and arguments.
        what: The job, for the error message.
        directory: Where to run it.
        environment: Added to our own environment.
        on_line: Called with each line of output as it arrives; the return value is then empty.
        pass_fds: Descriptors that it inherits.

    Raises:
        ToolFailed: It could not be started, or its exit status is not 0.
    """
    env = {**os.environ, "LC_ALL": "C", **(environment or {})}
    try:
        process = subprocess.Popen(
            command,
            cwd=directory,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            pass_fds=pass_fds,
            start_new_session=True,
        )
    except OSError as error:
        raise ToolFailed(f"{what}: cannot run {command[0]}: {error.strerror}") from None
    tail: deque[str] = deque(maxlen=200)
    output: list[str] = []
    assert process.stdout is not None
    with process.stdout:
        try:
            for line in process.stdout:
                tail.append(line)
                if on_line is None:
                    output.append(line)
                else:
                    on_line(line.rstrip("\n"))
            status = process.wait()
        except BaseException:
            _kill_session(process)
            process.stdout.read()  # ends with the last of its children: none writes into what is cleaned up
            raise
    if status != 0:
        raise ToolFailed(f"{what} failed: {_reason(tail) or f'{command[0]} ended with status {status}'}")
    return "".join(output)


def _kill_session(process: subprocess.Popen[str]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _reason(lines: Iterable[str]) -> str:
    """The line that says why: the first that looks like an error, else the last."""
    said = [line.strip() for line in lines if line.strip()]
    return next((line for line in said if _ERROR.search(line)), said[-1] if said else "")
