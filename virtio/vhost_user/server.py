"""A vhost-user back end on a Unix socket: one guest at a time, the next one when that has gone.

A connection counts from its first whole message; until then it gets no device and ends nothing
(`virtio.accept`). A front end that speaks while another one is served is turned away at once, with a line to
the user: left waiting, a QEMU would hang in its first request, deaf to signals.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from virtio.accept import Acceptor, Strangers
from virtio.account import Account, Notices
from virtio.device import Device
from virtio.listener import UnixListener
from virtio.vhost_user.connection import Connection
from virtio.vhost_user.pace import Pace, Turns

_BACKLOG = 16


class VhostUserServer:
    """Serves one device after the other on one socket path. Several servers share one loop.

        async with VhostUserServer(path, make_device, once=True, on_error=print) as server:
            await server.wait_closed()

    Attributes:
        path: Where the socket is.
    """

    def __init__(
        self,
        path: Path,
        make_device: Callable[[], Device],
        *,
        on_error: Callable[[str], None],
        on_lost: Callable[[str], None] | None = None,
        on_connect: Callable[[Device], None] | None = None,
        on_disconnect: Callable[[Device], None] | None = None,
        once: bool = False,
        inband: bool = False,
        any_file: bool = False,
        pace: Pace | None = None,
        account: Account | None = None,
        users: Collection[int] = (),
    ) -> None:
        """Configure a server; `start` or `async with` opens the socket.

        Args:
            path: Socket to listen on.
            make_device: Called for every front end, with its first message.
            on_error: Gets one line for everything that went wrong and was dealt with.
            on_lost: Gets the line when a front end broke the connection off, for owners who may know
                better why; None: `on_error` gets it.
            on_connect: Gets the new device, before the front end is answered.
            on_disconnect: Gets the device when its front end is gone; it has been reset.
            once: Close after the first front end has gone.
            inband: Offer in-band notifications, for guests in simulated time.
            any_file: Take plain files as guest memory, too; a front end whose file system does not answer
                then stops this process.
            pace: When the work of connections happens; None: on the real clock, with no other guest.
            account: What the guest uses, and may use; the devices' own.
            users: Numbers of users who may connect, beside this process's own and root.
        """
        self.path = Path(path)
        self._make_device = make_device
        self._on_error = on_error
        self._on_lost = on_lost
        self._on_connect = on_connect
        self._on_disconnect = on_disconnect
        self._once = once
        self._inband, self._any_file, self._pace = inband, any_file, pace
        self._acceptor: Acceptor | None = None
        self._connections: set[Connection] = set()
        self._account, self._users = account or Account(), users
        # Of a connection that never became a front end; the same line is told once only.
        self.strange = Notices(self.report, self._account.limits.lines)
        self._live: Connection | None = None
        self._closed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Open the socket, on the running loop.

        Raises:
            Misuse: It cannot be: another server is there, or something that is no socket, or there is no
                such directory. The line says which.
        """
        self._loop = asyncio.get_running_loop()
        limits = self._account.limits
        self._connect = partial(
            Connection,
            inband=self._inband,
            any_file=self._any_file,
            pace=self._pace or Turns.on(self._loop).pace(limits.turn / 1e6),
            lines=limits.lines,
        )
        self._strangers = Strangers(self._loop, self._account)
        listener = UnixListener(self.path, _BACKLOG, self._users)
        self._acceptor = Acceptor(self._loop, listener, self._accept, self.report)

    def close(self) -> None:
        """Stop listening, end the connections, and remove the socket, if it is still ours."""
        acceptor, self._acceptor = self._acceptor, None
        if acceptor is None:
            return
        for connection in list(self._connections):
            connection.close()
        acceptor.close()
        self._closed.set()

    def hang_up(self) -> None:
        """End the connection that is being served; the next front end may come."""
        if self._live is not None:
            self._live.close()

    async def wait_closed(self) -> None:
        """Until `close` was called; with `once` that is when the first front end has gone."""
        await self._closed.wait()

    @property
    def connection(self) -> Connection | None:
        """The front end that is being served."""
        return self._live

    def _accept(self, sock: socket.socket) -> None:
        connection = self._connect(self._loop, sock, self)
        self._connections.add(connection)
        self._strangers.add(connection)

    # What connections ask: `Owner`.

    def admit(self, connection: Connection) -> Device | None:
        """A device for the connection, unless another one is being served."""
        self._strangers.forget(connection)
        if self._live is not None and self._live.peer_is_gone():
            self._live.close()  # a VMM that was restarted may be heard before the old one's end is
        if self._acceptor is None:
            return None
        if self._live is not None:
            self.strange("a second front end was turned away: one guest is served at a time")
            return None
        device = self._make_device()
        if self._on_connect is not None:
            self._on_connect(device)
        self._live = connection
        return device

    def report(self, line: str) -> None:
        """One line to the user, with the socket's name before it."""
        self._on_error(f"{self.path}: {line}")

    def lost(self, line: str) -> None:
        """A front end broke the connection off."""
        if self._on_lost is None:
            self.report(line)
        else:
            self._on_lost(line)

    def ended(self, connection: Connection) -> None:
        """The connection is closed."""
        self._connections.discard(connection)
        self._strangers.forget(connection)
        if connection is not self._live:
            return
        self._live = None
        if self._on_disconnect is not None and connection.device is not None:
            self._on_disconnect(connection.device)
        if self._once:
            self.close()
