"""One connection to a device: requests out, answers in, every one of them held to its frame."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence

from compositor.conform.verdict import Failed, Gone, Overdue, require
from compositor.conform.waiting import Waiting
from virtio.descriptors import close_fds, read_now
from virtio.errors import ProtocolFault
from virtio.vhost_user.messages import (
    FLAG_NEED_REPLY,
    FLAG_REPLY,
    VERSION,
    VERSION_MASK,
    Decoder,
    Message,
    ProtocolFeature,
    Request,
    request_name,
)
from virtio.vhost_user.payloads import pack_u64, unpack_u64

_READ = 1 << 16
_FDS = 16
_UNASKED = 64


class Wire:
    """A connection. Owns its socket.

    Attributes:
        inbox: Messages of the device that nothing has asked for yet, in order.
        ended: The device has closed its side.
        replies: REPLY_ACK was agreed on.
    """

    def __init__(self, sock: socket.socket, waiting: Waiting) -> None:
        self.inbox: list[Message] = []
        self.ended = False
        self.replies = False
        self._sock = sock
        self._waiting = waiting
        self._decoder = Decoder()
        waiting.serve(sock.fileno(), self._receive)

    def _receive(self) -> None:
        try:
            data, fds, _, _ = socket.recv_fds(self._sock, _READ, _FDS, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        except OSError:
            data, fds = b"", []
        if not data:
            self.ended = True
            self._waiting.leave(self._sock.fileno())
            return
        try:
            self.inbox += self._decoder.feed(data, fds)
        except ProtocolFault as fault:
            raise Failed(f"what the device sends is no message: {fault}") from None
        require(
            len(self.inbox) <= _UNASKED, f"the device sent {len(self.inbox)} messages without being asked"
        )

    def send(
        self, request: int, payload: bytes = b"", fds: Sequence[int] = (), *, flags: int = VERSION
    ) -> None:
        """Send a request.

        Raises:
            Gone: The device has closed the connection.
            Overdue: It does not read.
        """
        self.send_bytes(Message(request, payload, flags=flags).encode(), fds)

    def send_bytes(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send bytes as they are; raises as `send`."""
        self._sock.settimeout(max(self._waiting.left(), 0.001))
        try:
            sent = socket.send_fds(self._sock, [data], list(fds))
            if sent < len(data):
                self._sock.sendall(data[sent:])
        except TimeoutError:
            raise Overdue("the device does not read what it is sent") from None
        except OSError:
            self.ended = True
            raise Gone("the device has closed the connection") from None

    def receive(self, what: str) -> Message:
        """The next message.

        Raises:
            Gone: The device closed the connection instead.
            Overdue: Nothing came.
        """
        self._waiting.until(lambda: bool(self.inbox) or self.ended, what)
        if not self.inbox:
            raise Gone(f"{what}: the device closed the connection instead")
        return self.inbox.pop(0)

    def query(self, request: int, payload: bytes = b"", *, flags: int = VERSION) -> Message:
        """Send a request that has an answer of its own, and return that.

        Raises:
            Failed: It is no answer to this request.
        """
        name = request_name(request)
        self.send(request, payload, flags=flags)
        reply = self.receive(f"the answer to {name}")
        close_fds(reply.take_fds())
        require(reply.request == request, f"{name} is answered with {request_name(reply.request)}")
        require(
            bool(reply.flags & FLAG_REPLY), f"the answer to {name} lacks the reply flag: {reply.flags:#x}"
        )
        version = reply.flags & VERSION_MASK
        require(version == VERSION, f"the answer to {name} has version {version}")
        return reply

    def query_u64(self, request: int, payload: bytes = b"") -> int:
        """As `query`, for an answer of one number."""
        reply = self.query(request, payload)
        try:
            return unpack_u64(reply)
        except ProtocolFault as fault:
            raise Failed(str(fault)) from None

    def acknowledgement(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> int:
        """Send a request that asks for an acknowledgement; 0 says that it succeeded."""
        name = request_name(request)
        self.send(request, payload, fds, flags=VERSION | FLAG_NEED_REPLY)
        reply = self.receive(f"the acknowledgement of {name}")
        require(reply.request == request, f"{name} is acknowledged with {request_name(reply.request)}")
        require(bool(reply.flags & FLAG_REPLY), f"the acknowledgement of {name} lacks the reply flag")
        try:
            return unpack_u64(reply)
        except ProtocolFault as fault:
            raise Failed(f"acknowledgement: {fault}") from None

    def tell(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Send a request that has no answer, acknowledged where that was agreed on.

        Raises:
            Failed: The device refuses.
        """
        if not self.replies:
            self.send(request, payload, fds)
            return
        status = self.acknowledgement(request, payload, fds)
        require(status == 0, f"{request_name(request)} is refused with {status}")

    def refuses(self, request: int, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Send what cannot be done: an acknowledgement that is not zero, or the connection's end.

        Raises:
            Failed: The device says that it has succeeded.
        """
        try:
            status = self.acknowledgement(request, payload, fds)
        except Gone:
            return
        require(status != 0, f"{request_name(request)} cannot be done, and is acknowledged with 0")

    def round_trip(self) -> None:
        """When this returns, the device has read everything that was sent before."""
        self.query_u64(Request.GET_PROTOCOL_FEATURES)

    def hello(self) -> tuple[int, int]:
        """Begin a session; features and protocol features that the device offers."""
        features = self.query_u64(Request.GET_FEATURES)
        protocol = self.query_u64(Request.GET_PROTOCOL_FEATURES)
        return features, protocol

    def agree(self, protocol: int) -> None:
        """Agree on protocol features."""
        self.send(Request.SET_PROTOCOL_FEATURES, pack_u64(protocol))
        self.replies = bool(protocol & ProtocolFeature.REPLY_ACK.mask)

    def close(self) -> None:
        """Hang up; once more does nothing."""
        if self._sock.fileno() >= 0:
            self._waiting.leave(self._sock.fileno())
            self._sock.close()
        self._decoder.close()
        for message in self.inbox:
            message.close()


def eventfd() -> int:
    """A doorbell that does not wait."""
    return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)


def rung(fd: int) -> int:
    """How often an eventfd was rung since the last call."""
    try:
        return int.from_bytes(read_now(fd, 8), "little")
    except BlockingIOError:
        return 0
