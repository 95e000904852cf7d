"""The decoder of vhost-user messages, against a plain reading of the same bytes."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from tests.fuzz.reader import Reader
from tests.fuzz.target import Target
from virtio.errors import ProtocolFault
from virtio.memory import PAGE, SharedHandle
from virtio.vhost_user.messages import FD_LIMIT, PAYLOAD_LIMIT, Decoder, Message, Request
from virtio.vhost_user.payloads import RegionDescription, VringState, pack_memory_table, pack_u64

_SHARED = SharedHandle.create(PAGE)
_PIECES = (4096, 1, 7, 0)  # 0: as the decoder wants them


def run(data: bytes) -> None:
    """The first byte: bits 0-1 how the stream is cut, 2-5 descriptors with its first piece, 6 with each."""
    reader = Reader(data)
    mode = reader.number()
    stream = reader.rest()
    decoder, heard, at, ridden = Decoder(), [], 0, 0
    expected, goes_wrong = plainly(stream)
    try:
        while at < len(stream):
            piece = stream[at : at + (_PIECES[mode & 3] or decoder.wanted)]
            count = mode >> 2 & 15 if at == 0 else mode >> 6 & 1
            ridden += count
            at += len(piece)
            heard += decoder.feed(piece, [os.dup(_SHARED.fd) for _ in range(count)])
    except ProtocolFault:
        assert goes_wrong or ridden > FD_LIMIT
    else:
        assert [(m.request, m.flags, m.payload) for m in heard] == expected
        assert not goes_wrong
        assert sum(len(m.fds) for m in heard) <= ridden
        check_end(decoder, stream, expected)
    finally:
        decoder.close()
        for message in heard:
            message.close()


def check_end(decoder: Decoder, stream: bytes, expected: list[tuple[int, int, bytes]]) -> None:
    """A stream may end between messages, and nowhere else."""
    whole = sum(12 + len(payload) for _, _, payload in expected)
    try:
        decoder.end()
    except ProtocolFault:
        assert whole < len(stream)
    else:
        assert whole == len(stream)


def plainly(stream: bytes) -> tuple[list[tuple[int, int, bytes]], bool]:
    """The messages of a stream, and whether it is out of step: written from the protocol."""
    found: list[tuple[int, int, bytes]] = []
    while len(stream) >= 12:
        request, flags, size = struct.unpack_from("=III", stream)
        if flags & 3 != 1 or size > PAYLOAD_LIMIT:
            return found, True
        if len(stream) < 12 + size:
            break
        found.append((request, flags, stream[12 : 12 + size]))
        stream = stream[12 + size :]
    return found, False


def seeds() -> Iterator[bytes]:
    """What a front end says when it begins, cut in each way."""
    region = RegionDescription(0, 8 * PAGE, 8 * PAGE, 0)
    said = [
        Message(Request.GET_FEATURES),
        Message(Request.SET_FEATURES, pack_u64(1 << 32), flags=9),
        Message(Request.SET_MEM_TABLE, pack_memory_table([region] * 8)),
        Message(Request.SET_VRING_NUM, VringState(1, 256).pack()),
        Message(Request.SET_CONFIG, bytes(PAYLOAD_LIMIT + 1)),
        Message(Request.SET_OWNER, flags=2),
    ]
    stream = b"".join(message.encode() for message in said[:4])
    for mode in range(4):
        yield bytes([mode]) + stream
        yield bytes([mode | 8 << 2]) + stream[:-1]
        yield bytes([mode | 9 << 2 | 64]) + stream
    for message in said:
        yield b"\0" + message.encode()


TARGET = Target(run, seeds, longest=512)
