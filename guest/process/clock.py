"""The time of a guest in a process of its own: the real one, or that of the host's calendar.

Either is a `virtio.clock.Clock`. Appointments are kept here; `run_due` makes what is due happen.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from guest.process.reactor import Reactor
from virtio.aio import Stream
from virtio.clock import Calendar, Event
from virtio.clock.calendar import NANOSECONDS
from virtio.clock.traveler import Traveler
from virtio.errors import Misuse, ProtocolFault

_READ_SIZE = 1024  # bytes; a calendar sends one message of 16 at a time

VBLANK = 1
"""What a machine's calendar broadcasts to a guest at every vblank of its display."""


class GuestClock:
    """What both kinds have in common. Time passes inside `pass_time` alone, and `close` ends it.

    Attributes:
        on_vblank: Called when the display says that it is at a vblank; only some say so.
    """

    def __init__(self, reactor: Reactor) -> None:
        self.on_vblank: Callable[[], None] = lambda: None
        self._reactor = reactor
        self._now_ns = 0
        self._appointments = Calendar()

    def now_ns(self) -> int:
        """The time now, nanoseconds since the guest began."""
        return self._now_ns

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> Event:
        """Run `callback` at `when_ns`."""
        return self._appointments.call_at(when_ns, callback)

    def run_due(self) -> None:
        """Run every appointment up to now."""
        while (next_ns := self._appointments.next_ns()) is not None and next_ns <= self._now_ns:
            self._appointments.run_next()

    def interrupt(self) -> None:
        """The device has said something: let time pass no further before that was looked at."""

    def pass_time(self) -> None:
        """Wait for the next appointment, or for whatever else happens."""
        raise NotImplementedError

    def close(self) -> None:
        """Give everything back."""


class RealTime(GuestClock):
    """The event loop's time."""

    def __init__(self, reactor: Reactor) -> None:
        super().__init__(reactor)
        self._start = reactor.loop.time()

    def pass_time(self) -> None:
        """See `GuestClock.pass_time`."""
        next_ns = self._appointments.next_ns()
        seconds = None if next_ns is None else max(next_ns - self._read(), 0) / NANOSECONDS
        self._reactor.sleep(seconds)
        self._now_ns = self._read()

    def _read(self) -> int:
        return round((self._reactor.loop.time() - self._start) * NANOSECONDS)


class CalendarTime(GuestClock):
    """The time of a calendar at the other end of a socket, and the vblanks that it announces."""

    def __init__(self, reactor: Reactor, path: Path) -> None:
        """Take part, and wait for the first turn.

        Raises:
            Misuse: No calendar listens there.
        """
        super().__init__(reactor)
        self._vblanks = 0
        self._ended = False
        self._stream = self._connect(path)
        self._traveler = Traveler(self._stream.send)
        self._traveler.on_turn = reactor.notice
        self._traveler.on_broadcast = self._hear
        self._traveler.start()
        self._await_turn()

    def _connect(self, path: Path) -> Stream:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.connect(str(path))
        except OSError as error:
            sock.close()
            raise Misuse(f"cannot connect to {path}: {error.strerror}; start the calendar first") from None
        return Stream(
            self._reactor.loop, sock, received=self._receive, ended=self._end, wanted=lambda: _READ_SIZE
        )

    def run_due(self) -> None:
        """Run every appointment up to now; what a vblank brings is one that follows after them."""
        super().run_due()
        while self._vblanks:
            self._vblanks -= 1
            self.on_vblank()

    def interrupt(self) -> None:
        """See `GuestClock.interrupt`."""
        self._traveler.interrupt()

    def pass_time(self) -> None:
        """End this turn, and wait for the next."""
        next_ns = self._appointments.next_ns()
        if next_ns is not None:
            self._traveler.request(next_ns)
        self._traveler.wait()
        self._await_turn()
        self._now_ns = self._traveler.now_ns()

    def _await_turn(self) -> None:
        while not (self._traveler.running or self._reactor.stopped or self._ended):
            self._reactor.sleep()

    def _receive(self, data: bytes, fds: list[int]) -> None:
        try:
            self._traveler.receive(data, fds)
        except ProtocolFault:
            self._stream.close()
            self._end(None)

    def _hear(self, what: int) -> None:
        if what == VBLANK:
            self._vblanks += 1
            self._traveler.interrupt()

    def _end(self, _error: OSError | None) -> None:
        self._ended = True
        self._reactor.stopped = True  # no calendar gives it a turn any more
        self._reactor.notice()

    def close(self) -> None:
        """See `GuestClock.close`."""
        self._stream.close()
        self._traveler.close()
