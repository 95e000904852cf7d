"""Accepting connections from strangers: programs that may connect to a socket, and may then say nothing.

A connection counts from its first whole message. Before it may be another server, which looks whether this
socket is stale, or a program that means no device at all.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Protocol

from virtio.account import Account, Notices
from virtio.aio import Loop, TimerHandle
from virtio.errors import Misuse
from virtio.listener import UnixListener

# Seconds until the next try when a connection cannot be accepted: no descriptors are left, mostly.
_RETRY_S = 1.0
_REPORTS = 8


class Stranger(Protocol):
    """A connection that has said nothing yet."""

    def close(self) -> None:
        """End it; once more does nothing."""


class Strangers:
    """The connections that have said nothing yet. When there are too many, the oldest has to go.

    How many and how long is in the account's limits. The seconds are those of the real world: so long a VMM
    is not silent, even on a host that is busy with other things.
    """

    def __init__(self, loop: Loop, account: Account) -> None:
        self._loop, self._account = loop, account
        self._timers: dict[Stranger, TimerHandle] = {}

    def add(self, stranger: Stranger) -> None:
        """One more; it is closed unless `forget` comes in time."""
        room, patience_s = self._account.connections, self._account.limits.first_message
        if not room.has(1):
            self._account.reached("connections", "one that said nothing is closed", room)
            if not self._timers:  # the other guests' sockets have them all
                stranger.close()
                return
            self._drop(next(iter(self._timers)))
        room.take(1)
        self._timers[stranger] = self._loop.call_later(patience_s, self._drop, stranger)

    def forget(self, stranger: Stranger) -> None:
        """It has said something, or has gone; harmless for one that is not among these."""
        timer = self._timers.pop(stranger, None)
        if timer is not None:
            timer.cancel()
            self._account.connections.give(1)

    def close(self) -> None:
        """Close them all."""
        for stranger in list(self._timers):
            self._drop(stranger)

    def _drop(self, stranger: Stranger) -> None:
        self.forget(stranger)
        stranger.close()


class Acceptor:
    """Accepts what comes to a listener. `close` it; that closes the listener, too."""

    def __init__(
        self,
        loop: Loop,
        listener: UnixListener,
        accepted: Callable[[socket.socket], None],
        report: Callable[[str], None],
    ) -> None:
        """Start accepting.

        Args:
            loop: The running loop.
            listener: Owned from now on.
            accepted: Called with each connection, and owns it.
            report: Gets one line, once, when connections cannot be accepted, and for each user who may not
                connect.

        Raises:
            Misuse: The loop cannot wait for one more descriptor; the listener is closed.
        """
        self._loop = loop
        self._listener = listener
        self._accepted = accepted
        self._tell_once = Notices(report, _REPORTS)
        self._retry: TimerHandle | None = None
        try:
            self._loop.add_reader(listener.socket, self._accept)
        except OSError as error:
            listener.close()
            raise Misuse(f"cannot wait for connections: {error.strerror}") from None

    def close(self) -> None:
        """Stop listening, and remove the socket; once more does nothing."""
        if self._retry is not None:
            self._retry.cancel()
        self._loop.remove_reader(self._listener.socket)
        self._listener.close()

    def _listen(self) -> None:
        self._retry = None
        try:
            self._loop.add_reader(self._listener.socket, self._accept)
        except OSError as error:
            self._back_off(error)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.socket.accept()
        except BlockingIOError:
            return
        except OSError as error:
            self._back_off(error)
            return
        try:
            self._admit(sock)
        except OSError as error:
            sock.close()
            self._tell_once(f"a connection was lost at once: {error.strerror}")

    def _admit(self, sock: socket.socket) -> None:
        user = self._listener.stranger(sock)
        if user is None:
            self._accepted(sock)
            return
        sock.close()
        self._tell_once(f"a connection of user {user} was refused; --allow-user {user} allows it")

    def _back_off(self, error: OSError) -> None:
        """The connections that wait are still there: the loop would spin, and fill the user's screen."""
        self._loop.remove_reader(self._listener.socket)
        self._retry = self._loop.call_later(_RETRY_S, self._listen)
        line = f"cannot accept a connection: {error.strerror}; trying again every second"
        self._tell_once(line, "cannot accept")
