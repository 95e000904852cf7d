"""The asyncio shell of `time_travel`: a Unix socket on which one kernel is expected."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from virtio.aio import Stream
from virtio.clock.time_travel import MESSAGE_SIZE, TimeTravel
from virtio.descriptors import close_fds
from virtio.errors import ProtocolFault
from virtio.listener import UnixListener

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
            path: Where to listen.
            kernel: What to connect.
            on_fault: Called when the kernel breaks the protocol; its connection is closed then.
            on_end: Called when the kernel has closed its end.

        Raises:
            Misuse: The socket cannot be opened; the message says why.
        """
        self._kernel = kernel
        self._on_fault = on_fault
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._stream: Stream | None = None
        self._listener: UnixListener | None = UnixListener(path, 1)
        self._loop.add_reader(self._listener.socket, self._accept)

    def close(self) -> None:
        """End the connection and remove the socket; once more does nothing."""
        self._stop_listening()
        self._disconnect()

    def _accept(self) -> None:
        """One at a time: a client that says nothing may be a server, which looks whether this one lives."""
        assert self._listener is not None
        try:
            sock, _ = self._listener.socket.accept()
        except OSError:
            return  # gone again; or no descriptor is left, and then the kernel still waits
        self._loop.remove_reader(self._listener.socket)
        self._stream = Stream(
            self._loop, sock, received=self._receive, ended=self._end, wanted=lambda: _READ_SIZE
        )

    def _receive(self, data: bytes, fds: list[int]) -> None:
        close_fds(fds)
        assert self._stream is not None
        if self._listener is not None:
            self._stop_listening()  # one kernel is expected, and a second gets a refusal
            self._kernel.connect(self._stream.send)
        try:
            self._kernel.receive(data)
        except ProtocolFault as fault:
            self._disconnect()
            self._on_fault(fault)

    def _end(self, _error: OSError | None) -> None:
        self._disconnect()
        if self._listener is None:
            self._on_end()
        else:
            self._loop.add_reader(self._listener.socket, self._accept)

    def _stop_listening(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self._loop.remove_reader(listener.socket)
            listener.close()

    def _disconnect(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
            self._kernel.end()
