"""Which side is to blame: the driver, the caller, or this program.

Handlers raise; exactly one dispatcher per device (`virtio.gpu.device`) and one per connection
(`virtio.vhost_user.backend`) turns a `DriverFault` into an answer, so that no guest can raise
through the loop that serves it.
"""

from __future__ import annotations

import traceback
from pathlib import Path


class ScanoutError(Exception):
    """Base of every error that this program raises on purpose.

    The message is one line: what is wrong, where, and what to do. What it quotes of a file or of a peer may
    hold line breaks and a terminal's control codes; they are shown escaped.
    """

    def __str__(self) -> str:
        text = super().__str__()
        if text.isprintable():
            return text
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


class DriverFault(ScanoutError):
    """The guest broke the specification. Never the host's problem, and never fatal to it."""


class QueueFault(DriverFault):
    """A ring or a descriptor chain is malformed: the queue is broken until the device is reset.

    virtio 1.3, 2.1.2: the device sets NEEDS_RESET; over vhost-user the queue's error eventfd is signalled.
    """


class MemoryFault(DriverFault):
    """A guest address range that no memory region covers, or memory that vanished meanwhile."""


class Unmappable(MemoryFault):
    """Runs of guest memory that cannot become one contiguous view; they can still be gathered (copied).

    They meet inside a page, or the kernel refused a mapping.
    """


class TooManyPieces(Unmappable):
    """They would take more kernel mappings than the caller allows.

    Attributes:
        pieces: How many.
    """

    def __init__(self, message: str, pieces: int) -> None:
        super().__init__(message)
        self.pieces = pieces


class ProtocolFault(DriverFault):
    """The peer of a connection (a VMM) sent a message that the protocol does not allow."""


class Misuse(ScanoutError):
    """The caller broke an interface: a wrong argument, a wrong order, a closed object."""


class InternalError(ScanoutError):
    """This program broke an invariant of its own. Please report it."""


def one_line(error: BaseException) -> str:
    """What was raised, for a message; where, too, if this program does not raise it on purpose."""
    if isinstance(error, ScanoutError):
        return str(error)
    text = " ".join(f"{type(error).__name__}: {error}".split())
    frames = traceback.extract_tb(error.__traceback__)
    return f"{text} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else text
