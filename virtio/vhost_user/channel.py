"""The back end's own channel to the front end (SET_BACKEND_REQ_FD): one request at a time, sans-IO.

Waiting for each answer before the next request is sent costs a round trip and buys three things. Nothing can
fill the socket of a front end that does not read, since equal requests that still wait are one. In-band calls
block no caller, yet keep their order. And a configuration change goes out alone: UML, which looks at queue
interrupts first, would otherwise not deliver it before the next interrupt (arch/um/drivers/virtio_uml.c).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from virtio.errors import ProtocolFault
from virtio.vhost_user.messages import (
    FLAG_NEED_REPLY,
    FLAG_REPLY,
    VERSION,
    BackendRequest,
    Message,
    request_name,
)


class BackendChannel:
    """Requests of the back end, queued until the front end takes them.

    Attributes:
        replies: REPLY_ACK was negotiated: every request asks for an answer. Without it, requests go out
            at once.
        owes: Told when the front end begins, and ends, to owe an answer.
    """

    def __init__(self) -> None:
        self.replies = False
        self.owes: Callable[[bool], None] = _unheard
        self._send: Callable[[Message], None] | None = None
        self._waiting: deque[tuple[BackendRequest, bytes]] = deque()
        self._unanswered: BackendRequest | None = None

    def open(self, send: Callable[[Message], None]) -> None:
        """A new socket: an answer that the old one still owed will not come any more."""
        self._forget()
        self._send = send
        self._pump()

    def close(self) -> None:
        """The socket is gone; so is everything that waited for it."""
        self._send = None
        self._waiting.clear()
        self._forget()

    def request(self, request: BackendRequest, payload: bytes = b"") -> None:
        """Send as soon as all earlier requests are answered; dropped without a front end that listens."""
        if self._send is not None and (request, payload) not in self._waiting:
            self._waiting.append((request, payload))
            self._pump()

    def receive(self, message: Message) -> None:
        """The front end's answer; the next request goes out.

        A refusal is no fault: QEMU refuses a configuration change while the device is not started, and
        reads the configuration when it starts it.

        Raises:
            ProtocolFault: It answers nothing that was asked.
        """
        name = request_name(message.request, BackendRequest)
        if not message.flags & FLAG_REPLY or message.request != self._unanswered:
            raise ProtocolFault(f"backend channel: {name} answers no request")
        self._unanswered = None
        self._pump()
        if self._unanswered is None:
            self.owes(False)

    def _forget(self) -> None:
        """The answer that is owed will not come."""
        if self._unanswered is not None:
            self._unanswered = None
            self.owes(False)

    def _pump(self) -> None:
        while self._waiting and self._unanswered is None and self._send is not None:
            request, payload = self._waiting.popleft()
            flags = VERSION
            if self.replies:
                flags |= FLAG_NEED_REPLY
                self._unanswered = request
                self.owes(True)
            self._send(Message(request, payload, flags=flags))


def _unheard(_answer: bool) -> None:
    """Time does not wait for the front end."""
