"""What a recording says: a stream of records, cut into chunks at record boundaries.

    record  kind (u8), subject (u16), time in ns on the run's clock (u64), payload bytes (u32), payload

The subject is the number of a guest, in the order of their `GUEST` records, or of an output. Payloads:

| kind | subject | payload |
|---|---|---|
| MACHINE | 0 | JSON: `clock`, `outputs` (as `compositor.record.recording.describe_output`); first, once |
| GUEST | guest | JSON: `name`, `kind`, `places` (each a `Placement`), perhaps `exact_damage` |
| PLACE | guest | JSON: `scanout`, `place`: one of its scanouts appears elsewhere |
| DEVICE | guest | nothing: the guest gets a new device, as after a reconnection |
| SYNC | guest | UTF-8: from now on its flushes wait by this policy (see `compositor.adapter.sync_policy`) |
| ACTIVATE | guest | u64: the features that its driver accepted |
| RESET | guest | nothing: its driver reset the device |
| CONTENT | guest | what changed in a resource's memory: see `ContentRecord`; before its command |
| COMMAND | guest | see `CommandRecord` |
| GONE | guest | nothing: the guest was taken off the machine |
| MODE | output | UTF-8: the output switched to this mode |
| PLUG | output | JSON, as one of MACHINE's `outputs`: it is plugged in, or comes new |
| UNPLUG | output | nothing |
| COMMIT | output | nothing: a frame is composed now, and presented by a FRAME that follows it |
| FRAME | output | see `FrameRecord` |
| END | 0 | nothing: the run ended at that time |

Records are in the order of their effects, and times never decrease.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

import numpy as np

from compositor.errors import BadInput

_RECORD = struct.Struct("<BHQI")
_COMMAND = struct.Struct("<BIII")
_CONTENT = struct.Struct("<II")
_EXTENT = np.dtype([("first", "<u8"), ("bytes", "<u4")])
_PRESENTED = struct.Struct("<IIIQ")
# Every second block of the largest picture (see `compositor.record.changes`) makes half as many.
_MOST_EXTENTS = 1 << 22

Extent = tuple[int, int]
"""(first byte, bytes) within a resource's memory."""


class Kind(IntEnum):
    """What a record is about."""

    MACHINE = 1
    GUEST = 2
    DEVICE = 3
    ACTIVATE = 4
    RESET = 5
    CONTENT = 6
    COMMAND = 7
    GONE = 8
    MODE = 9
    FRAME = 10
    END = 11
    SYNC = 12
    PLUG = 13
    UNPLUG = 14
    PLACE = 15
    COMMIT = 16


class Record(NamedTuple):
    """One record; its payload is read by the type that its kind stands for.

    Attributes:
        kind: What it is about.
        subject: Which guest or output.
        time_ns: On the run's clock.
        payload: What it says.
        bulk: The rest of the payload, of a record that is to be written: large, and not copied.
    """

    kind: Kind
    subject: int
    time_ns: int
    payload: bytes = b""
    bulk: bytes | memoryview = b""

    def encode(self) -> tuple[bytes, bytes, bytes | memoryview]:
        """The record's bytes, in three parts."""
        length = len(self.payload) + len(self.bulk)
        return _RECORD.pack(self.kind, self.subject, self.time_ns, length), self.payload, self.bulk


class CommandRecord(NamedTuple):
    """One command and its answer.

    Attributes:
        queue: 0 control, 1 cursor.
        size: Bytes that the driver sent; `request` has as many as a command can have.
        room: Bytes that it left for the answer.
        request: The command.
        response: The answer, whole even where there was no room for it.
    """

    queue: int
    size: int
    room: int
    request: bytes
    response: bytes

    def encode(self) -> bytes:
        """As a payload: queue u8, size u32, room u32, length of the request u32, request, response."""
        head = _COMMAND.pack(self.queue, self.size, self.room, len(self.request))
        return head + self.request + self.response

    @classmethod
    def decode(cls, payload: bytes) -> CommandRecord:
        """The command in a payload.

        Raises:
            BadInput: It is too short, or the command has no bytes at all, neither its own nor room.
        """
        queue, size, room, length = _unpack(_COMMAND, payload)
        at = _COMMAND.size
        if len(payload) < at + length:
            raise _too_short()
        if not size + room:
            raise BadInput("a recording with a command of no bytes, which no driver can send")
        return cls(queue, size, room, payload[at : at + length], payload[at + length :])


class ContentRecord(NamedTuple):
    """Bytes of a resource's memory that differ from what a replay has there; at first it has zeros.

    Attributes:
        resource_id: The guest's number of the resource.
        extents: Where they lie.
        data: Their bytes, one extent after the other.
    """

    resource_id: int
    extents: Sequence[Extent]
    data: bytes | memoryview

    def record(self, guest: int, time_ns: int) -> Record:
        """As a record: resource u32, number of extents u32, extents (first u64, bytes u32), data."""
        table = np.array(self.extents, _EXTENT).tobytes()
        head = _CONTENT.pack(self.resource_id, len(self.extents)) + table
        return Record(Kind.CONTENT, guest, time_ns, head, self.data)

    @classmethod
    def decode(cls, payload: bytes) -> ContentRecord:
        """The content in a payload.

        Raises:
            BadInput: Its data is not as long as its extents, or those are more than any picture has.
        """
        resource_id, count = _unpack(_CONTENT, payload)
        if count > _MOST_EXTENTS:
            raise BadInput(f"a recording with {count} extents in one record: it was not written by --record")
        end = _CONTENT.size + count * _EXTENT.itemsize
        if len(payload) < end:
            raise _too_short()
        extents = np.frombuffer(payload, _EXTENT, count, _CONTENT.size).tolist()
        if len(payload) - end != sum(length for _, length in extents):
            raise _too_short()
        return cls(resource_id, extents, memoryview(payload)[end:])


class FrameRecord(NamedTuple):
    """A frame that was presented.

    Attributes:
        commit_seq: Its number on its output, from 1.
        width: Pixels.
        height: Pixels.
        checksum: XXH3 of the picture, as `compositor.observe.digest` has it.
    """

    commit_seq: int
    width: int
    height: int
    checksum: int

    def encode(self) -> bytes:
        """As a payload: u32, u32, u32, u64."""
        return _PRESENTED.pack(*self)

    @classmethod
    def decode(cls, payload: bytes) -> FrameRecord:
        """The frame in a payload.

        Raises:
            BadInput: It is too short.
        """
        return cls(*_unpack(_PRESENTED, payload))


def decode(content: bytes) -> Iterator[Record]:
    """The records of a chunk.

    Raises:
        BadInput: They are not whole, or of a kind that does not exist.
    """
    at = 0
    while at < len(content):
        if len(content) < at + _RECORD.size:
            raise _too_short()
        kind, subject, time_ns, length = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        if len(content) < at + length:
            raise _too_short()
        try:
            known = Kind(kind)
        except ValueError:
            raise BadInput(f"a recording with a record of kind {kind}, which does not exist") from None
        yield Record(known, subject, time_ns, content[at : at + length])
        at += length


def _unpack(layout: struct.Struct, payload: bytes) -> tuple[int, ...]:
    if len(payload) < layout.size:
        raise _too_short()
    return layout.unpack_from(payload)


def _too_short() -> BadInput:
    return BadInput("a recording whose records do not fit their chunk: it was not written by --record")
