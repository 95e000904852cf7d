"""The asyncio shell's two fds: a Unix stream that carries descriptors, and a doorbell.

Both are driven by the loop's readiness callbacks and never block, not even when a peer that has the
descriptor too clears its O_NONBLOCK. Bytes in, descriptors in and the end of the stream are handed to plain
functions, so that everything behind them stays free of I/O.
"""

from __future__ import annotations

import array
import asyncio
import errno
import os
import select
import socket
from collections import deque
from collections.abc import Callable, Iterable, Sequence

from virtio.descriptors import close_fds, read_now, require_bell

Loop = asyncio.AbstractEventLoop
TimerHandle = asyncio.TimerHandle

# Linux's SCM_MAX_FD: no message carries more descriptors.
_MAX_FDS = 253
_ANCILLARY = socket.CMSG_SPACE(_MAX_FDS * array.array("i").itemsize)
# A peer that holds this very socket can make it a blocking one, but not a single call on it.
_RECEIVE = socket.MSG_CMSG_CLOEXEC | socket.MSG_DONTWAIT
_SEND = socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT
# Reads per callback: one busy peer must leave the loop to the others.
_BURST = 16
# While this much waits to be sent, a peer that does not read is not read from either.
_BACKLOG_LIMIT = 1 << 16


class Stream:
    """A connected Unix stream socket on an event loop.

    Attributes:
        closed: No hook is called any more.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        received: Callable[[bytes, list[int]], None],
        ended: Callable[[OSError | None], None],
        wanted: Callable[[], int],
    ) -> None:
        """Take ownership of `sock` and start reading.

        Args:
            loop: Event loop that calls the hooks.
            sock: Connected.
            received: Called with bytes, and with descriptors that it owns from then on.
            ended: Called once, when the peer has closed (None) or the stream is broken.
            wanted: How many bytes to read at most, asked before every read.

        Raises:
            OSError: The loop cannot wait for one more descriptor; the socket is closed.
        """
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._received = received
        self._ended = ended
        self._wanted = wanted
        self._queue: deque[tuple[memoryview, list[int]]] = deque()
        self.backlog = 0
        self.closed = False
        try:
            loop.add_reader(sock, self._on_readable)
        except OSError:
            sock.close()
            raise

    def send(self, data: bytes, fds: Sequence[int] = ()) -> None:
        """Send now, or as soon as the peer reads. `fds` go with the first byte and stay the caller's."""
        if self.closed:
            return
        rest = memoryview(data)
        if not self._queue:
            sent = self._try_send(rest, fds)
            if sent:
                rest, fds = rest[sent:], ()
            if not rest or self.closed:
                return
        try:
            self._send_later(rest, fds)
        except OSError as error:
            self._end(error)

    def _send_later(self, rest: memoryview, fds: Sequence[int]) -> None:
        if not self._queue:
            self._loop.add_writer(self._sock, self._on_writable)
        kept: list[int] = []
        self._queue.append((rest, kept))
        for fd in fds:  # by the time they leave, the caller may have closed them
            kept.append(os.dup(fd))
        self.backlog += len(rest)
        if self.backlog > _BACKLOG_LIMIT:
            self._loop.remove_reader(self._sock)

    def close(self) -> None:
        """Close the socket; once more does nothing. `ended` is not called."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._sock)
        self._loop.remove_writer(self._sock)
        self._sock.close()
        for _, fds in self._queue:
            close_fds(fds)
        self._queue.clear()
        self.backlog = 0

    def peer_is_gone(self) -> bool:
        """Whether the peer has closed, though what it sent may not have been read yet."""
        poll = select.poll()
        poll.register(self._sock, 0)
        return any(events & select.POLLHUP for _, events in poll.poll(0))

    def _on_readable(self) -> None:
        for _ in range(_BURST):
            wanted = self._wanted()
            try:
                data, ancillary, flags, _ = self._sock.recvmsg(wanted, _ANCILLARY, _RECEIVE)
            except BlockingIOError:
                return
            except OSError as error:
                self._end(error)
                return
            fds = _descriptors(ancillary)
            if not data or flags & socket.MSG_CTRUNC:
                close_fds(fds)
                lost = OSError(errno.EMFILE, "file descriptors were lost on the way: too many are open")
                self._end(lost if data else None)
                return
            self._received(data, fds)
            if self.closed or self.backlog > _BACKLOG_LIMIT or len(data) < wanted:
                return  # a short read took all that there was

    def _try_send(self, data: memoryview, fds: Sequence[int]) -> int:
        ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            return self._sock.sendmsg([data], ancillary, _SEND)
        except BlockingIOError:
            return 0
        except OSError as error:
            self._end(error)
            return 0

    def _on_writable(self) -> None:
        while self._queue:
            data, fds = self._queue[0]
            sent = self._try_send(data, fds)
            if not sent:
                return
            self.backlog -= sent
            close_fds(fds)
            self._queue[0] = (data[sent:], [])
            if sent == len(data):
                self._queue.popleft()
        self._loop.remove_writer(self._sock)
        try:
            self._loop.add_reader(self._sock, self._on_readable)
        except OSError as error:
            self._end(error)

    def _end(self, error: OSError | None) -> None:
        self.close()
        self._ended(error)


def _descriptors(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    fds = array.array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


class Doorbell:
    """An eventfd (or a pipe, or a socket) that another process rings, on an event loop.

    It does not own the descriptor: `close` before closing that.
    """

    def __init__(
        self,
        loop: Loop,
        fd: int,
        rung: Callable[[], None],
        *,
        broken: Callable[[OSError], None] | None = None,
    ) -> None:
        """Call `rung` whenever the doorbell has been rung, however often.

        Args:
            loop: Event loop that calls the hooks.
            fd: An eventfd, a pipe or a socket.
            rung: Called for one ring or several.
            broken: Called when the doorbell cannot be read; it is not listened to any more then.

        Raises:
            OSError: The descriptor cannot be waited on.
        """
        require_bell(fd)
        self._loop = loop
        self._fd = fd
        self._rung = rung
        self._broken = broken
        loop.add_reader(fd, self._on_readable)

    def _on_readable(self) -> None:
        try:
            data = read_now(self._fd, 8)
        except BlockingIOError:
            return
        except OSError as error:
            self.close()
            if self._broken is not None:
                self._broken(error)
            return
        if data:
            self._rung()
        else:
            self.close()  # the other end of a pipe is gone, and would be "readable" for ever

    def close(self) -> None:
        """Stop listening; once more does nothing."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            self._fd = -1
