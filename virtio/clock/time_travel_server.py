"""The asyncio shell of `time_travel`: a Unix socket on which one kernel is expected.

The kernel is the first that says START. Until then connections are strangers (`virtio.accept`).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from pathlib import Path

from virtio.accept import Acceptor, Strangers
from virtio.account import Account
from virtio.aio import Stream
from virtio.clock.time_travel import MESSAGE, MESSAGE_SIZE, Op, TimeTravel
from virtio.descriptors import close_fds
from virtio.errors import ProtocolFault
from virtio.listener import UnixListener

# Messages read at once; a kernel has one or two on the way.
_READ_SIZE = 64 * MESSAGE_SIZE
_BACKLOG = 16


class TimeTravelServer:
    """Connects a kernel that comes to `path` with its `TimeTravel`. `close` it at the end."""

    def __init__(
        self,
        path: Path,
        kernel: TimeTravel,
        *,
        on_fault: Callable[[ProtocolFault], None],
        on_end: Callable[[], None],
        report: Callable[[str], None],
        users: Collection[int] = (),
    ) -> None:
        """Open the socket, on the running loop.

        Args:
            path: Where to listen.
            kernel: What to connect.
            on_fault: Called when the kernel breaks the protocol; its connection is closed then.
            on_end: Called when the kernel has closed its end.
            report: Gets one line, once, when connections cannot be accepted.
            users: Numbers of users who may connect, beside this process's own and root.

        Raises:
            Misuse: The socket cannot be opened; the message says why.
        """
        self._kernel = kernel
        self._on_fault = on_fault
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = None
        self._strangers = Strangers(self._loop, Account())
        listener = UnixListener(path, _BACKLOG, users)
        self._acceptor: Acceptor | None = Acceptor(self._loop, listener, self._accept, report)

    def close(self) -> None:
        """End the connection and remove the socket; once more does nothing."""
        self._stop_listening()
        self._disconnect()

    def _accept(self, sock: socket.socket) -> None:
        said = bytearray()
        stream = Stream(
            self._loop,
            sock,
            received=lambda data, fds: self._receive(stream, said, data, fds),
            ended=lambda _error: self._end(stream),
            wanted=lambda: _READ_SIZE,
        )
        self._strangers.add(stream)

    def _receive(self, stream: Stream, said: bytearray, data: bytes, fds: list[int]) -> None:
        close_fds(fds)
        if stream is self._stream:
            self._hear(data)
            return
        said += data
        if len(said) < MESSAGE_SIZE:
            return
        self._strangers.forget(stream)
        if MESSAGE.unpack_from(said)[0] != Op.START:
            stream.close()
            return
        self._stop_listening()  # one kernel is expected, and a second gets a refusal
        self._stream = stream
        self._kernel.connect(stream.send)
        self._hear(bytes(said))

    def _hear(self, data: bytes) -> None:
        try:
            self._kernel.receive(data)
        except ProtocolFault as fault:
            self._disconnect()
            self._on_fault(fault)

    def _end(self, stream: Stream) -> None:
        self._strangers.forget(stream)
        if stream is self._stream:
            self._disconnect()
            self._on_end()

    def _stop_listening(self) -> None:
        self._strangers.close()
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is not None:
            acceptor.close()

    def _disconnect(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            self._kernel.end()
