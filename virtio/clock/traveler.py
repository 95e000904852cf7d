"""UML's time-travel protocol, the guest's side, sans-IO: for guests that are Python programs.

See `virtio.clock.time_travel` for the calendar's side. Only the newer form is spoken, in which the times lie
in a page that both sides share: so a guest's wish is known with the next thing that it says, and
needs no answer. This guest's computing costs no time at all, so a bound means nothing to it.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from virtio.clock.shared_time import KernelTime
from virtio.clock.time_travel import MESSAGE, MESSAGE_SIZE, Op
from virtio.errors import ProtocolFault


class Traveler:
    """A guest on the calendar of another process. `close` it.

    Attributes:
        running: Whether it is its turn. No time passes until it waits.
        on_turn: Called when its turn comes.
        on_broadcast: Called with what is said to all, before it is acknowledged.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        """Speak to the calendar through `send`."""
        self.running = False
        self.on_turn: Callable[[], None] = lambda: None
        self.on_broadcast: Callable[[int], None] = lambda _what: None
        self._send = send
        self._page: KernelTime | None = None
        self._wish_ns: int | None = None
        self._rest = b""

    def start(self) -> None:
        """Ask to take part; `on_turn` follows, when it is its turn for the first time."""
        self._send(MESSAGE.pack(Op.START, 1, 0))

    def now_ns(self) -> int:
        """The time since its first turn began; while it waits, only inside of what it is told."""
        return 0 if self._page is None else self._page.now_ns()

    def request(self, when_ns: int) -> None:
        """Ask for a turn at `when_ns`; the earliest wish counts, until the next turn."""
        if self._page is not None and (self._wish_ns is None or when_ns < self._wish_ns):
            self._wish_ns = when_ns
            self._page.request(when_ns)

    def interrupt(self) -> None:
        """Ask for a turn at this very moment, unless it has it."""
        if not self.running:
            self.request(self.now_ns())

    def wait(self) -> None:
        """Its turn is over."""
        self.running = False
        self._send(MESSAGE.pack(Op.WAIT, 0, 0))

    def receive(self, data: bytes, fds: list[int]) -> None:
        """Bytes from the calendar, in pieces of any size, and descriptors, owned from now on.

        Raises:
            ProtocolFault: Nonsense, or a calendar that shares no page.
        """
        data = self._rest + data
        whole = len(data) - len(data) % MESSAGE_SIZE
        self._rest = data[whole:]
        try:
            for op, sequence, time in MESSAGE.iter_unpack(data[:whole]):
                self._handle(op, sequence, time, fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _handle(self, op: int, sequence: int, time: int, fds: list[int]) -> None:
        if op == Op.ACK and self._page is None:
            if not fds:
                raise ProtocolFault("the calendar shares no page of time")
            self._page = KernelTime(fds[0], time)
            self._begin_turn()
        elif op == Op.RUN and self._page is not None:
            self._wish_ns = None
            self._page.request(None)
            self._begin_turn()
        elif op == Op.BROADCAST:
            self.on_broadcast(time)
            self._send(MESSAGE.pack(Op.ACK, sequence, 0))
        else:
            raise ProtocolFault(f"the calendar sent time-travel message {op}, which was not its turn")

    def _begin_turn(self) -> None:
        self.running = True
        self.on_turn()

    def close(self) -> None:
        """Give the page back; once more does nothing."""
        page, self._page = self._page, None
        if page is not None:
            page.close()
