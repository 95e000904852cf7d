"""The asyncio shell of `time_travel`: a Unix socket on which one kernel is expected."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from virtio.aio import Stream
from virtio.clock.time_travel import MESSAGE_SIZE, TimeTravel
from virtio.descriptors import close_fds
from virtio.errors import Misuse, ProtocolFault

# Messages read at once; a kernel has one or two on the way.
_READ_SIZE = 64 * MESSAGE_SIZE


class TimeTravelServer:
    """Connects a kernel that comes to `path` with its `TimeTravel`. `close` it at the end."""

    def __init__(
        self,
        path: Path,
        kernel: TimeTravel,
        *,
        on_fault: Callable[[ProtocolFault], None],
        on_end: Callable[[], None],
    ) -> None:
        """Open the socket, on the running loop.

        Args:
            path: Where to listen; nothing is there yet.
            kernel: Whom to connect.
            on_fault: Called when the kernel breaks the protocol; its connection is closed then.
            on_end: Called when the kernel has closed its end.

        Raises:
            Misuse: The socket cannot be opened; the message says why.
        """
        self._path = path
        self._kernel = kernel
        self._on_fault = on_fault
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = None
        self._listener: socket.socket | None = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK
        )
        try:
            self._listener.bind(str(path))
            self._listener.listen(1)
        except OSError as error:
            self._listener.close()
            raise Misuse(f"cannot listen on {path}: {error.strerror or error}; choose another path") from None
        self._loop.add_reader(self._listener, self._accept)

    def close(self) -> None:
        """End the connection and remove the socket; once more does nothing."""
        self._stop_listening()
        self._disconnect()

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return  # gone again; or no descriptor is left, and then the kernel still waits
        self._stop_listening()  # one kernel is expected, and a second gets a refusal
        stream = self._stream = Stream(
            self._loop, sock, received=self._receive, ended=self._end, wanted=lambda: _READ_SIZE
        )
        self._kernel.connect(stream.send)

    def _receive(self, data: bytes, fds: list[int]) -> None:
        close_fds(fds)
        try:
            self._kernel.receive(data)
        except ProtocolFault as fault:
            self._disconnect()
            self._on_fault(fault)

    def _end(self, _error: OSError | None) -> None:
        self._disconnect()
        self._on_end()

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.remove_reader(listener)
            listener.close()
            self._path.unlink(missing_ok=True)

    def _disconnect(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            self._kernel.end()
