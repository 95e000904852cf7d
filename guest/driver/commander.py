"""Single virtio-gpu requests, as their sender writes them, and what the device answers to each.

For tests of devices, and for faults: nothing is checked on the way out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from guest.driver.requests import Answer
from guest.driver.session import GpuSession
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.gpu import wire
from virtio.gpu.wire import Command, Header, Response

T = TypeVar("T", bound=tuple[Any, ...])

_CURSOR_COMMANDS = (Command.UPDATE_CURSOR, Command.MOVE_CURSOR)
_LONGEST_ANSWER = wire.HEADER_SIZE + wire.sizeof(wire.RespEdid)


class Reply:
    """What becomes of one request.

    Attributes:
        request: Its header, as far as it has one, in words.
        fence: Signals with the answer; None: none was asked for.
        message: The whole answer; empty until the device has given it.
    """

    def __init__(self, request: str, fence: Fence | None = None) -> None:
        self.request, self.fence = request, fence
        self.message = b""

    @property
    def done(self) -> bool:
        """Whether the device has answered."""
        return bool(self.message)

    @property
    def header(self) -> Header:
        """The header of the answer.

        Raises:
            Misuse: There is none yet.
        """
        if not self.done:
            raise Misuse(f"{self.request} was not answered yet; let the machine run, or poll the transport")
        return wire.unpack(Header, self.message)

    @property
    def response(self) -> Response:
        """The type of the answer.

        Raises:
            Misuse: There is none yet.
            ValueError: The device answered with a type that does not exist.
        """
        return Response(self.header.type)

    def body(self, kind: type[T]) -> T:
        """The body of the answer, as one of `virtio.gpu.wire.RESPONSES`.

        Raises:
            Misuse: There is no answer yet, or it has another body.
        """
        response = self.response
        if wire.RESPONSES.get(response) is not kind:
            raise Misuse(f"{self.request} was answered with {response.name}, which has no {kind.__name__}")
        return wire.unpack(kind, self.message, wire.HEADER_SIZE)

    def __repr__(self) -> str:
        return f"<Reply to {self.request}: {self.response.name if self.done else 'none yet'}>"


class Commander:
    """Sends requests on a running driver's queues; the caller has the driver notify the device.

    Args:
        driver: Its queues are used; it has probed its device.
        answered: Called with each reply when its answer comes.

    Attributes:
        driver: As given.
    """

    def __init__(self, driver: GpuSession, answered: Callable[[Reply], None] = lambda _reply: None) -> None:
        self.driver = driver
        self._answered = answered

    def send(
        self,
        command: int,
        body: tuple[Any, ...] = wire.NoBody(),
        extra: bytes = b"",
        *,
        fence: Fence | None = None,
    ) -> Reply:
        """Send a header and any body, to the queue where the command belongs.

        Args:
            command: A `Command`, or a number that is none.
            body: Any structure of `virtio.gpu.wire`.
            extra: What follows the structure (`wire.pack_entries`).
            fence: From the driver's `new_fence`; asks for the answer only when the device is done.

        Raises:
            Misuse: The device is lost, or not open.
        """
        name = Command(command).name if command in list(Command) else f"{command:#06x}"
        queue = wire.CURSOR_QUEUE if command in _CURSOR_COMMANDS else wire.CONTROL_QUEUE
        message = wire.pack(self.driver.header(command, fence)) + wire.pack(body)
        return self._submit(queue, message, extra, Reply(name, fence))

    def message(self, message: bytes, extra: bytes = b"", *, queue: int = wire.CONTROL_QUEUE) -> Reply:
        """Send any bytes.

        Raises:
            Misuse: The device is lost, or not open.
        """
        return self._submit(queue, message, extra, Reply(f"a request of {len(message)} bytes"))

    def _submit(self, queue: int, message: bytes, extra: bytes, reply: Reply) -> Reply:
        def done(answer: Answer) -> None:
            reply.message = answer.message
            self._answered(reply)

        self.driver.queue(queue).submit(message, extra=extra, answer_size=_LONGEST_ANSWER, done=done)
        return reply
