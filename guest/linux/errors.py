"""What goes wrong around real guests, each one clear line."""

from __future__ import annotations

from virtio.errors import ScanoutError


class ToolMissing(ScanoutError):
    """A program or a header that this machine lacks; the message names the package that has it."""


class ToolFailed(ScanoutError):
    """A program that we ran (a compiler, apt-get, make) failed."""


class KernelUnusable(ScanoutError):
    """No kernel was found, or the file given as one is not."""


class CommandFailed(ScanoutError):
    """A command in a guest could not be run, was not done in time, or failed where that was not expected.

    Attributes:
        stdout: What it had printed by then.
        stderr: What it had complained of.
    """

    def __init__(self, message: str, *, stdout: bytes = b"", stderr: bytes = b"") -> None:
        super().__init__(message)
        self.stdout = stdout
        self.stderr = stderr


class GuestDied(ScanoutError):
    """A guest ended otherwise than by switching itself off.

    Attributes:
        status: Exit status of its process; negative: the signal that killed it.
        console: The last lines of its console.
    """

    def __init__(self, message: str, *, status: int, console: str) -> None:
        super().__init__(message)
        self.status = status
        self.console = console
