"""One connection on an event loop: sockets and descriptors around the sans-IO `Backend`.

Everything that can go wrong while serving a front end ends here, as one line to the user and the end of
this connection. The loop, and the guests on other connections, never see it.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from functools import partial
from typing import Protocol

from virtio.account import Notices
from virtio.aio import Doorbell, Loop, Stream, TimerHandle
from virtio.descriptors import close_fds, ring
from virtio.device import Device
from virtio.errors import DriverFault, ProtocolFault, one_line
from virtio.vhost_user.backend import Backend
from virtio.vhost_user.channel import BackendChannel
from virtio.vhost_user.gpu_socket import GpuSocket
from virtio.vhost_user.messages import PAYLOAD_LIMIT, BackendRequest, Decoder, Message
from virtio.vhost_user.pace import Pace

# Seconds of real time from a kick until the queue must hold something.
_SILENCE_S = 2.0


class Owner(Protocol):
    """What a connection asks of its server."""

    def admit(self, connection: Connection) -> Device | None:
        """The first message came: a device to serve, or None when this one has to go."""

    def report(self, line: str) -> None:
        """Tell the user."""

    def strange(self, line: str) -> None:
        """Tell the user of a connection that ended before its first message."""

    def lost(self, line: str) -> None:
        """Tell the user that the front end broke the connection off, unless a better reason is known."""

    def ended(self, connection: Connection) -> None:
        """The connection is closed, and everything that belonged to it given back."""


class Connection:
    """A front end that is connected. Implements `Host` for its back end.

    Attributes:
        device: The device that it got with its first message, None before.
        backend: Serves that device while the connection is open.
        gpu: QEMU's display, while there is one.
    """

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        owner: Owner,
        *,
        pace: Pace,
        lines: int,
        inband: bool = False,
        any_file: bool = False,
    ) -> None:
        """Take ownership of `sock` and start listening; tell of `lines` different things at most."""
        self.device: Device | None = None
        self.backend: Backend | None = None
        self.gpu: GpuSocket | None = None
        self._loop = loop
        self._owner = owner
        self._inband = inband
        self._any_file = any_file
        self._pace = pace
        self._closed = False
        self._decoder = Decoder()
        self._kicks: dict[int, Doorbell] = {}
        self._scheduled: set[int] = set()
        self.report = Notices(owner.report, lines)  # to the user, the same line once only
        self._silence: TimerHandle | None = None
        self._channel: Stream | None = None
        self._gpu_stream: Stream | None = None
        self._stream = Stream(
            loop, sock, received=self._receive, ended=self._end, wanted=lambda: self._decoder.wanted
        )

    # What comes from the front end.

    def _receive(self, data: bytes, fds: list[int]) -> None:
        if self.backend is not None:
            self._pace.listen()
        try:
            messages = self._decoder.feed(data, fds)
        except ProtocolFault as fault:
            tell = self._owner.strange if self.backend is None else self.report
            tell(f"{fault}; the connection is closed")
            self.close()
            return
        for message in messages:  # one at most: no read crosses a message
            self._take(message)

    def _take(self, message: Message) -> None:
        if self.backend is None:
            try:
                self._begin()
            except Exception as error:
                self._fail(error)
            if self.backend is None:
                message.close()
                self.close()
                return
        self._guard(lambda backend: backend.handle(message))

    def _begin(self) -> None:
        self.device = self._owner.admit(self)
        if self.device is not None:
            self.backend = Backend(self.device, self, inband=self._inband, any_file=self._any_file)
            self.backend.channel.owes = lambda answer: self._pace.owes(answer=answer)
            self._pace.listen()

    def _end(self, error: OSError | None) -> None:
        if self.backend is None:
            if error is not None:
                self._owner.strange(f"connection lost: {error.strerror}")
            self.close()
            return
        try:
            self._decoder.end()
        except ProtocolFault as fault:
            self._owner.lost(str(fault))
        else:
            if error is not None:
                self._owner.lost(f"connection lost: {error.strerror}")
        self.close()

    def _process(self, index: int) -> None:
        self._guard(lambda backend: self._pace.work(partial(backend.rings.process, index)))

    def _kicked(self, index: int) -> None:
        if not self._pace.ready():
            self.schedule(index)
            return
        self._process(index)
        if self._silence is None and self._is_silent(index):
            self._silence = self._loop.call_later(_SILENCE_S, self._tell_of_silence, index)

    def _is_silent(self, index: int) -> bool:
        return self.backend is not None and self.backend.rings.is_silent(index)

    def _tell_of_silence(self, index: int) -> None:
        """A private mapping is not seen from here: what the driver writes, the VMM alone has."""
        if self._is_silent(index):
            self.report(
                f"queue {index} was kicked, but nothing was ever available in it: if the guest's memory is "
                "not shared, share it (QEMU: share=on)"
            )

    def _tell_of_broken_kick(self, index: int, error: OSError) -> None:
        self.report(f"queue {index}: its kick descriptor cannot be read: {error.strerror}; kicks are lost")

    def _process_scheduled(self) -> None:
        scheduled, self._scheduled = self._scheduled, set()
        for index in sorted(scheduled):
            self._process(index)

    def _guard(self, step: Callable[[Backend], None]) -> None:
        """Do one step for the front end; whatever goes wrong and no reply could carry ends the connection."""
        if self.backend is None:
            return
        try:
            step(self.backend)
        except DriverFault as fault:
            self.report(f"{fault}; the connection is closed")
            self.close()
        except Exception as error:  # ours, and other guests must not suffer from it either
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        self.report(f"{one_line(error)}; the connection is closed")
        self.close()

    # What the back end wants done: `Host`.

    def send(self, message: Message) -> None:
        """To the front end."""
        data = message.encode()
        self._pace.settle(lambda: self._stream.send(data))

    def schedule(self, index: int) -> None:
        """Serve the queue when the pace says, after what else is ready now."""
        if not self._scheduled:
            self._pace.defer(self._process_scheduled)
        self._scheduled.add(index)

    def watch_kick(self, index: int, fd: int) -> None:
        """Serve the queue whenever its kick descriptor is rung."""
        self._kicks[index] = Doorbell(
            self._loop, fd, lambda: self._kicked(index), broken=partial(self._tell_of_broken_kick, index)
        )

    def unwatch_kick(self, index: int) -> None:
        """Stop listening; harmless when nothing was listened to."""
        doorbell = self._kicks.pop(index, None)
        if doorbell is not None:
            doorbell.close()

    def ring(self, fd: int) -> bool:
        """Signal a call or error descriptor."""
        return ring(fd)

    def open_channel(self, fd: int, channel: BackendChannel) -> None:
        """Connect the backend channel."""
        stream = self._side_stream(fd, Decoder(names=BackendRequest), channel.receive, ended=channel.close)
        if self._channel is not None:
            self._channel.close()
        self._channel = stream
        channel.open(lambda message: stream.send(message.encode()))

    def open_gpu_socket(self, fd: int) -> None:
        """Introduce ourselves to QEMU's display. That socket ends first when QEMU stops, and nothing else."""
        gpu = GpuSocket()
        stream = self._side_stream(fd, gpu.decoder, gpu.receive, ended=self._close_gpu)
        self._close_gpu()
        self._gpu_stream, self.gpu = stream, gpu
        self._pump_gpu()

    def _side_stream(
        self, fd: int, decoder: Decoder, receive: Callable[[Message], None], *, ended: Callable[[], None]
    ) -> Stream:
        """A socket beside the main one, where only answers come in. Nonsense ends it, not the connection."""

        def received(data: bytes, fds: list[int]) -> None:
            close_fds(fds)  # no answer carries any
            try:
                self._pace.listen()
                for message in decoder.feed(data):
                    receive(message)
            except ProtocolFault as fault:
                self.report(str(fault))
                stream.close()
                ended()
            except Exception as error:
                self._fail(error)
                return
            self._pump_gpu()

        stream = Stream(
            self._loop,
            _adopt_socket(fd),
            received=received,
            ended=lambda _error: ended(),
            wanted=lambda: PAYLOAD_LIMIT,
        )
        return stream

    # QEMU's display.

    def _pump_gpu(self) -> None:
        """Send what QEMU's display shall hear."""
        if self._gpu_stream is not None and self.gpu is not None and (data := self.gpu.next_output()):
            self._gpu_stream.send(data)

    def _close_gpu(self) -> None:
        if self._gpu_stream is not None:
            self._gpu_stream.close()
        self._gpu_stream = self.gpu = None

    # The end.

    def peer_is_gone(self) -> bool:
        """Whether the front end has closed its side, though the loop has not come to it yet."""
        return self._stream.peer_is_gone()

    def close(self) -> None:
        """End the connection and give everything back; once more does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._silence is not None:
            self._silence.cancel()
        self._stream.close()
        self._decoder.close()
        if self._channel is not None:
            self._channel.close()
        self._close_gpu()
        backend, self.backend = self.backend, None
        if backend is not None:
            try:
                backend.close()
            except Exception as error:
                self.report(f"{one_line(error)}; while its device was reset")
        self._owner.ended(self)


def _adopt_socket(fd: int) -> socket.socket:
    """Take ownership of a descriptor, which is closed when it is no Unix stream socket.

    Raises:
        OSError: It is none. What others do without being asked to wait (linger, compute) is not known.
    """
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        close_fds([fd])
        raise
    if (sock.family, sock.type) != (socket.AF_UNIX, socket.SOCK_STREAM):
        sock.close()
        raise OSError(errno.EPROTOTYPE, "it is no Unix stream socket")
    return sock
