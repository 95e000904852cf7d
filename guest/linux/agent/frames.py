"""Frames between the host and the agent in a guest (`guest/linux/programs/agent.c`), sans-IO.

A frame is three little-endian words of 32 bits (length of the payload, kind, number of the command) and the
payload:

    host    RUN     whether its input stays open, how many variables; those, arguments, all zero-terminated
            KILL    -
            WRITE   mode, place in the file, path with its zero byte, data
            COPY    mode, name in the directory in which UML runs, path, both with a zero byte
            RESET   -
    agent   READY   -
            TAKEN   - (for each frame of the host's: the next one may come)
            OUTPUT, ERRORS  what the command printed
            EXITED  status; negative: the signal
            FAILED  errno, and what the guest's C library calls it
            DONE    -

A frame of the host's is short, and one is on its way at a time: what a terminal in UML has no room for can be
lost to it.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple

from virtio.errors import Misuse, ProtocolFault

LIMIT = 3072  # bytes of a payload to the guest
_ANSWER_LIMIT = 65536
_HEADER = struct.Struct("<III")
_PLACE = struct.Struct("<II")
_WORD = struct.Struct("<I")
_STATUS = struct.Struct("<i")


class Kind(IntEnum):
    """What a frame says."""

    RUN = 1
    KILL = 2
    WRITE = 3
    RESET = 4
    COPY = 5
    READY = 16
    OUTPUT = 17
    ERRORS = 18
    EXITED = 19
    FAILED = 20
    DONE = 21
    TAKEN = 22


class Frame(NamedTuple):
    """One frame.

    Attributes:
        kind: What it says.
        number: Of the command that it is about.
        payload: To the guest up to `LIMIT` bytes.
    """

    kind: Kind
    number: int
    payload: bytes = b""

    def pack(self) -> bytes:
        """Its bytes."""
        return _HEADER.pack(len(self.payload), self.kind, self.number) + self.payload

    @property
    def status(self) -> int:
        """Of EXITED: the exit status, negative for a signal.

        Raises:
            ProtocolFault: The payload has another size.
        """
        if len(self.payload) != _STATUS.size:
            raise ProtocolFault(f"the guest's agent sent a status of {len(self.payload)} bytes")
        status: int = _STATUS.unpack(self.payload)[0]
        return status

    @property
    def reason(self) -> str:
        """Of FAILED: what the guest calls the error."""
        return self.payload[_WORD.size :].decode(errors="replace")


def run_frame(
    number: int, arguments: Sequence[str], environment: Mapping[str, str], *, held: bool = False
) -> Frame:
    """RUN.

    Raises:
        Misuse: There is no program, a string cannot be carried, or all of them are too long.
    """
    if not arguments or not arguments[0]:
        raise Misuse("nothing to run: the command is empty")
    variables = [f"{name}={value}" for name, value in environment.items()]
    payload = _PLACE.pack(held, len(variables)) + b"".join(_string(text) for text in (*variables, *arguments))
    return _checked(Frame(Kind.RUN, number, payload), "the command")


def write_frame(number: int, path: str, data: bytes, *, mode: int, place: int) -> Frame:
    """WRITE.

    Raises:
        Misuse: The path is not absolute, or cannot be carried.
    """
    payload = _PLACE.pack(mode, place) + _string(_absolute(path)) + data
    return _checked(Frame(Kind.WRITE, number, payload), "the path")


def copy_frame(number: int, name: str, path: str, *, mode: int) -> Frame:
    """COPY.

    Raises:
        Misuse: The path is not absolute, or cannot be carried.
    """
    payload = _WORD.pack(mode) + _string(name) + _string(_absolute(path))
    return _checked(Frame(Kind.COPY, number, payload), "the path")


def _absolute(path: str) -> str:
    if not path.startswith("/"):
        raise Misuse(f"{path}: a path in a guest is absolute")
    return path


def _checked(frame: Frame, what: str) -> Frame:
    if len(frame.payload) > LIMIT:
        raise Misuse(f"{what} is too long for a guest by {len(frame.payload) - LIMIT} bytes of {LIMIT}")
    return frame


def _string(text: str) -> bytes:
    if "\0" in text:
        raise Misuse(f"{text!r}: a zero byte cannot be part of an argument")
    return text.encode(errors="surrogateescape") + b"\0"


class FrameReader:
    """Takes bytes in pieces of any size, and gives whole frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that are whole now.

        Raises:
            ProtocolFault: Nonsense; nothing more can be read from this line.
        """
        self._rest += data
        while len(self._rest) >= _HEADER.size:
            length, kind, number = _HEADER.unpack_from(self._rest)
            if length > _ANSWER_LIMIT or kind not in Kind.__members__.values():
                raise ProtocolFault(f"the guest's agent sent a frame of kind {kind} with {length} bytes")
            end = _HEADER.size + length
            if len(self._rest) < end:
                return
            payload, self._rest = self._rest[_HEADER.size : end], self._rest[end:]
            yield Frame(Kind(kind), number, payload)
