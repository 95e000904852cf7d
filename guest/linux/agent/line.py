"""The line to a guest's agent: a socket that is the machine's standard input, and a serial port in the guest.

On the real clock it is read as data come. On the virtual one the owner reads it whenever the guest waits, and
then what the guest has said belongs to that moment, in every run: the agent never says more between two waits
than the socket holds.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path

from guest.linux.agent.conversation import GONE, Conversation
from guest.linux.agent.frames import Frame
from virtio.errors import ProtocolFault

_READ_SIZE = 65536


class AgentLine:
    """One guest's line. `close` it.

    Args:
        shared: A directory that the guest sees, too: the one in which UML runs; None: there is none.

    Attributes:
        shared: As given.
        conversation: What is said on it.
        guest_end: For the machine to inherit; close it then.
        on_outbox: Called when there is something to say; `flush` does, at once or later.
    """

    def __init__(self, shared: Path | None = None) -> None:
        self.shared = shared
        self._socket, self.guest_end = socket.socketpair()
        self._socket.setblocking(False)
        self.conversation = Conversation(self._send)
        self.on_outbox: Callable[[], None] = self.flush
        self._outbox = self._inbox = b""
        self._loop: asyncio.AbstractEventLoop | None = None

    def listen(self) -> None:
        """Hear whatever comes, from now on, on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read_and_hear)

    def _read_and_hear(self) -> None:
        if not self.read():
            self.close()
        self.hear()

    def read(self) -> bool:
        """Take what the agent has said up to now, to be heard later; whether there was anything."""
        before = len(self._inbox)
        try:
            while data := self._socket.recv(_READ_SIZE):
                self._inbox += data
        except OSError:
            pass  # that was all; or the machine has ended without reading what it was told
        return len(self._inbox) > before

    def hear(self) -> None:
        """Act on what was read."""
        data, self._inbox = self._inbox, b""
        try:
            self.conversation.receive(data)
        except ProtocolFault as fault:
            self.close(str(fault))

    def _send(self, frame: Frame) -> None:
        self._outbox += frame.pack()
        self.on_outbox()

    def flush(self) -> None:
        """Hand what is to be said to the guest."""
        data, self._outbox = self._outbox, b""
        try:
            if self._socket.fileno() < 0 or self._socket.send(data) == len(data):
                return
        except OSError:
            pass
        self.close()  # a guest that has gone, or does not read

    def close(self, why: str = GONE) -> None:
        """End it, and all that was to be done over it; once more does nothing."""
        if self._socket.fileno() < 0:
            return
        if self._loop is not None:
            self._loop.remove_reader(self._socket)
        self._socket.close()
        self.guest_end.close()
        self.conversation.end(why)
