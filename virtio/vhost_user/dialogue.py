"""What a front end asks of its back end, and the answers, which come in the order of the requests."""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Sequence

from virtio.aio import Loop, Stream
from virtio.descriptors import close_fds
from virtio.errors import ProtocolFault
from virtio.vhost_user.messages import (
    FLAG_NEED_REPLY,
    FLAG_REPLY,
    PAYLOAD_LIMIT,
    VERSION,
    Decoder,
    Message,
    Request,
)
from virtio.vhost_user.payloads import unpack_u64


class Dialogue:
    """The front end's side of the connection that it opened.

    Args:
        loop: The running loop.
        sock: Connected; owned from now on.
        ended: Called when the back end has gone, or has answered nonsense.

    Attributes:
        replies: REPLY_ACK was negotiated: every request is acknowledged.
    """

    def __init__(self, loop: Loop, sock: socket.socket, ended: Callable[[], None]) -> None:
        self.replies = False
        self._loop = loop
        self._ended = ended
        self._decoder = Decoder()
        self._waiting: deque[tuple[Request, asyncio.Future[Message]]] = deque()
        self._stream = Stream(
            loop, sock, received=self._receive, ended=lambda _error: ended(), wanted=lambda: PAYLOAD_LIMIT
        )

    async def request(self, request: Request, payload: bytes = b"", fds: Sequence[int] = ()) -> None:
        """Send a message, and wait until it has been dealt with, if REPLY_ACK was negotiated.

        Raises:
            ProtocolFault: The back end refused, or has gone.
        """
        acknowledged = self.replies
        self._transmit(request, payload, fds, need_reply=acknowledged)
        if acknowledged and unpack_u64(await self._answer(request)):
            raise ProtocolFault(f"the back end refused {request.name}")

    async def query(self, request: Request, payload: bytes = b"") -> Message:
        """Send a message that has an answer of its own, and wait for that.

        Raises:
            ProtocolFault: The back end has gone.
        """
        self._transmit(request, payload)
        return await self._answer(request)

    def notify(self, request: Request, payload: bytes) -> None:
        """Send a message that is acknowledged, and go on.

        Raises:
            ProtocolFault: The back end has gone.
        """
        self._transmit(request, payload, need_reply=True)
        self._answer(request).add_done_callback(_ignore)

    async def settled(self) -> None:
        """Wait until everything that was sent has been answered.

        Raises:
            ProtocolFault: The back end has gone.
        """
        if self._waiting:
            await self._waiting[-1][1]

    def close(self) -> None:
        """Disconnect; once more does nothing. Requests that still wait fail."""
        self._stream.close()
        while self._waiting:
            request, future = self._waiting.popleft()
            if not future.done():
                future.set_exception(_gone(request))

    def _transmit(
        self, request: Request, payload: bytes = b"", fds: Sequence[int] = (), *, need_reply: bool = False
    ) -> None:
        if self._stream.closed:
            raise _gone(request)
        flags = VERSION | (FLAG_NEED_REPLY if need_reply else 0)
        self._stream.send(Message(request, payload, flags=flags).encode(), fds)

    def _answer(self, request: Request) -> asyncio.Future[Message]:
        if self._stream.closed:  # while sending
            raise _gone(request)
        future: asyncio.Future[Message] = self._loop.create_future()
        self._waiting.append((request, future))
        return future

    def _receive(self, data: bytes, fds: list[int]) -> None:
        close_fds(fds)  # no answer carries any
        try:
            for message in self._decoder.feed(data):
                self._accept(message)
        except ProtocolFault:
            self._ended()

    def _accept(self, message: Message) -> None:
        if (
            not self._waiting
            or message.request != self._waiting[0][0]
            or message.flags != VERSION | FLAG_REPLY
        ):
            raise ProtocolFault(f"{message} answers nothing that was asked")
        _, future = self._waiting.popleft()
        if not future.done():  # the task that waited may have been cancelled
            future.set_result(message)


def _gone(request: Request) -> ProtocolFault:
    return ProtocolFault(f"{request.name}: the back end has gone")


def _ignore(answer: asyncio.Future[Message]) -> None:
    """The answer is not waited for; if the back end has gone, everything else says so."""
    answer.exception()
