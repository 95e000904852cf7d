"""vhost-user messages: numbers, framing, and a decoder that is fed what a socket yields.

A message is a 12-byte header (request, flags, payload size) and a payload, in the machine's byte order; file
descriptors travel beside its first byte (vhost-user protocol, "Message Specification"). Nothing here does
I/O except closing descriptors that were not taken: the reader of a socket gives the bytes and descriptors to
`Decoder.feed`, and the handler of a `Message` takes what it wants out of it and closes the rest.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from enum import IntEnum

from virtio.descriptors import close_fds
from virtio.errors import ProtocolFault

HEADER = struct.Struct("=III")
VERSION = 0x1
VERSION_MASK = 0x3
FLAG_REPLY = 0x4
FLAG_NEED_REPLY = 0x8

# A virtio feature bit that no device uses: the front end may ask for protocol features.
F_PROTOCOL_FEATURES = 1 << 30

# The longest in use are a memory table of 8 regions (264 bytes) and a config space of 256 (268 bytes).
PAYLOAD_LIMIT = 4096
# SET_MEM_TABLE carries one for each of at most 8 regions.
FD_LIMIT = 8


class Request(IntEnum):
    """Front end to back end ("Front-end message types"); those that this back end knows."""

    GET_FEATURES = 1
    SET_FEATURES = 2
    SET_OWNER = 3
    RESET_OWNER = 4
    SET_MEM_TABLE = 5
    SET_VRING_NUM = 8
    SET_VRING_ADDR = 9
    SET_VRING_BASE = 10
    GET_VRING_BASE = 11
    SET_VRING_KICK = 12
    SET_VRING_CALL = 13
    SET_VRING_ERR = 14
    GET_PROTOCOL_FEATURES = 15
    SET_PROTOCOL_FEATURES = 16
    GET_QUEUE_NUM = 17
    SET_VRING_ENABLE = 18
    SET_BACKEND_REQ_FD = 21
    GET_CONFIG = 24
    SET_CONFIG = 25
    GPU_SET_SOCKET = 33
    RESET_DEVICE = 34
    VRING_KICK = 35
    GET_MAX_MEM_SLOTS = 36
    ADD_MEM_REG = 37
    REM_MEM_REG = 38
    SET_STATUS = 39
    GET_STATUS = 40


# Requests of unsupported extensions whose sender waits for an answer: SET_LOG_BASE, IOTLB_MSG,
# CREATE_CRYPTO_SESSION, POSTCOPY_ADVISE, POSTCOPY_END, GET_INFLIGHT_FD, GET_SHARED_OBJECT,
# SET_DEVICE_STATE_FD, CHECK_DEVICE_STATE, GET_SHMEM_CONFIG. To ignore one would hang the front end.
UNANSWERABLE = frozenset({6, 22, 26, 28, 30, 31, 41, 42, 43, 44})


class BackendRequest(IntEnum):
    """Back end to front end, on the channel that SET_BACKEND_REQ_FD opened ("Back-end message types")."""

    CONFIG_CHANGE = 2
    VRING_CALL = 4
    VRING_ERR = 5


class ProtocolFeature(IntEnum):
    """Bit numbers of GET_PROTOCOL_FEATURES ("Protocol features")."""

    MQ = 0
    REPLY_ACK = 3
    BACKEND_REQ = 5
    CONFIG = 9
    RESET_DEVICE = 13
    INBAND_NOTIFICATIONS = 14
    CONFIGURE_MEM_SLOTS = 15
    STATUS = 16

    @property
    def mask(self) -> int:
        """The feature's bit."""
        return 1 << self


class Message:
    """One whole message and the descriptors that came with it.

    The message owns `fds` until `take_fd` or `take_fds` hands them over; `close` closes what is left.

    Attributes:
        request: A `Request`, `BackendRequest` or other number.
        payload: What follows the header.
        flags: Version in bits 0-1, reply in bit 2, need_reply in bit 3.
        fds: Open file descriptors.
    """

    __slots__ = ("fds", "flags", "payload", "request")

    def __init__(
        self, request: int, payload: bytes = b"", *, flags: int = VERSION, fds: Iterable[int] = ()
    ) -> None:
        self.request = request
        self.payload = payload
        self.flags = flags
        self.fds = list(fds)

    @property
    def needs_reply(self) -> bool:
        """Whether the sender waits for an acknowledgement (REPLY_ACK)."""
        return bool(self.flags & FLAG_NEED_REPLY)

    def encode(self) -> bytes:
        """Header and payload; the descriptors are sent beside them."""
        return HEADER.pack(self.request, self.flags, len(self.payload)) + self.payload

    def reply(self, payload: bytes) -> Message:
        """The answer to this request: same number, reply flag, no need_reply (UML demands exactly that)."""
        return Message(self.request, payload, flags=VERSION | FLAG_REPLY)

    def take_fds(self) -> list[int]:
        """All descriptors; the caller owns them now."""
        fds, self.fds = self.fds, []
        return fds

    def take_fd(self) -> int:
        """The one descriptor; the caller owns it now."""
        (fd,) = self.take_fds()
        return fd

    def close(self) -> None:
        """Close the descriptors that were not taken."""
        close_fds(self.take_fds())

    def __repr__(self) -> str:
        return f"<Message {request_name(self.request)} {len(self.payload)} bytes, {len(self.fds)} fds>"


def request_name(request: int, names: type[IntEnum] = Request) -> str:
    """For error messages: SET_MEM_TABLE, or `request 77` when unknown."""
    try:
        return names(request).name
    except ValueError:
        return f"request {request}"


class Decoder:
    """Bytes and descriptors in, whole messages out.

    A kernel may join a message without descriptors and the next one with some in a single read, and then the
    read does not tell whose they are. So where descriptors are welcome, read at most `wanted` bytes at a
    time: then no read crosses a message.

    Attributes:
        wanted: How many bytes the message in progress still lacks, the header first.
    """

    def __init__(
        self,
        *,
        version: int = VERSION,
        names: type[IntEnum] = Request,
        limit: int = PAYLOAD_LIMIT,
    ) -> None:
        self._version = version
        self._names = names
        self._limit = limit
        self._data = bytearray()
        self._fds: list[int] = []
        self._size = 0
        self.wanted = HEADER.size

    def feed(self, data: bytes, fds: Sequence[int] = ()) -> list[Message]:
        """Take in what was read; the descriptors belong to the message of the first byte.

        Returns:
            The messages that are whole now.

        Raises:
            ProtocolFault: The stream is out of step: wrong version, a payload or descriptors beyond the
                limit. The descriptors are closed, and the connection is of no further use.
        """
        self._fds.extend(fds)
        if len(self._fds) > FD_LIMIT:  # which may ride on each byte of a message that never ends
            self.close()
            raise ProtocolFault(f"a message with more than {FD_LIMIT} file descriptors")
        messages: list[Message] = []
        try:
            self._cut(memoryview(data), messages)
        except ProtocolFault:
            for message in messages:  # the caller never gets them
                message.close()
            raise
        return messages

    def _cut(self, view: memoryview, messages: list[Message]) -> None:
        while view:
            piece, view = view[: self.wanted], view[self.wanted :]
            self._data += piece
            self.wanted -= len(piece)
            if self.wanted == 0 and len(self._data) == HEADER.size:
                self._begin_payload()
            if self.wanted == 0:
                messages.append(self._finish())

    def _begin_payload(self) -> None:
        request, flags, self._size = HEADER.unpack(self._data)
        name = request_name(request, self._names)
        if flags & VERSION_MASK != self._version:
            self.close()
            raise ProtocolFault(f"{name}: message version {flags & VERSION_MASK}, expected {self._version}")
        if self._size > self._limit:
            self.close()
            raise ProtocolFault(f"{name}: payload of {self._size} bytes, at most {self._limit} are allowed")
        self.wanted = self._size

    def _finish(self) -> Message:
        request, flags, _ = HEADER.unpack_from(self._data)
        message = Message(request, bytes(self._data[HEADER.size :]), flags=flags, fds=self._fds)
        self._data.clear()
        self._fds = []
        self.wanted = HEADER.size
        return message

    def end(self) -> None:
        """The peer closed the connection.

        Raises:
            ProtocolFault: In the middle of a message.
        """
        received = len(self._data)
        if received == 0:
            return
        self.close()
        if received < HEADER.size:
            raise ProtocolFault(
                f"connection ended in a message header, after {received} of {HEADER.size} bytes"
            )
        name = request_name(HEADER.unpack_from(self._data)[0], self._names)
        raise ProtocolFault(
            f"connection ended in {name}, after {received} of {HEADER.size + self._size} bytes"
        )

    def close(self) -> None:
        """Close the descriptors of a message that never became whole."""
        fds, self._fds = self._fds, []
        close_fds(fds)
