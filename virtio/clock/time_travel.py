"""UML's time-travel protocol, the calendar's side of one connection, sans-IO.

A User Mode Linux kernel started with `time-travel=ext:SOCKET` takes its time from a calendar at the other end
of a Unix stream socket (include/uapi/linux/um_timetravel.h). Messages of 16 bytes go both ways, each answered
by an ACK with its number:

    kernel    START, REQUEST t, WAIT, UPDATE t, GET, GET_TOD, BROADCAST
    calendar  FREE_UNTIL t, RUN t, BROADCAST

Linux 6.11 and later take up shared memory that comes with the answer to START (`shared_time`). Then the times
are there, and only WAIT and RUN are sent, unanswered. For others everything is a message, and this holds:

The kernel reads its end only while it waits: for an ACK, for RUN, or for the answer to a kick. So a bound
(FREE_UNTIL) goes out in one piece with the RUN that it belongs to; and one that a kick made nearer goes out
before the kick is answered, which happens when the bound is acknowledged (`TimeTravel.settle`). Then
no moment exists at which it depends on real time what the kernel knows.

START is answered when it is the kernel's turn to run for the first time. So kernels boot one after the other.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable, Sequence
from enum import IntEnum

from virtio.clock.calendar import NANOSECONDS, Calendar
from virtio.clock.participant import Participant, Turn
from virtio.clock.shared_time import KERNEL, SharedTime
from virtio.errors import ProtocolFault

Send = Callable[[bytes, Sequence[int]], None]

# Where every virtual run begins, for a guest that asks for the date: 2026-01-01 00:00:00 UTC.
EPOCH_NS = 1_767_225_600 * NANOSECONDS

# op, seq, time
MESSAGE = struct.Struct("=IIQ")
MESSAGE_SIZE = MESSAGE.size


class Op(IntEnum):
    """`enum um_timetravel_ops`."""

    ACK = 0
    START = 1
    REQUEST = 2
    WAIT = 3
    GET = 4
    UPDATE = 5
    RUN = 6
    FREE_UNTIL = 7
    GET_TOD = 8
    BROADCAST = 9


class TimeTravel:
    """One kernel on a calendar. `close` it.

    Attributes:
        participant: Its place there, which it has from the beginning: nothing happens before it has come.
        messages: How many messages came, acknowledgements included.
        on_started: Called when the kernel was let run for the first time.
        on_wait: Called when the kernel waits, before time passes: what it did elsewhere is done by now.
    """

    def __init__(
        self,
        calendar: Calendar,
        name: str,
        *,
        broadcast: Callable[[TimeTravel, int], None] | None = None,
    ) -> None:
        """Expect a kernel.

        Args:
            calendar: Whose time it shares.
            name: For messages.
            broadcast: Passes what the kernel has to say to all others on to them, by their `announce`.
        """
        self.participant = Participant(calendar, name, resume=self._resume, confine=self._confine)
        self.messages = 0
        self.on_started: Callable[[], None] = _unheard
        self.on_wait: Callable[[], None] = _unheard
        self._calendar = calendar
        self._broadcast = broadcast
        self._send: Send | None = None
        self._shared = SharedTime()
        self._shared_request: int | None = None  # that the participant knows of
        self._rest = b""
        self._start: int | None = None  # the number of START, until that is answered
        self._sequence = 0
        # What was sent and is not acknowledged: its number, and what waits for that.
        self._unconfirmed: deque[tuple[int, list[Callable[[], None]]]] = deque()

    def connect(self, send: Send) -> None:
        """The kernel has come; `send` reaches it, with bytes and descriptors."""
        self._send = send
        self.participant.be_patient(patient=False)
        self._calendar.progress += 1

    def receive(self, data: bytes) -> None:
        """Bytes from the kernel, in pieces of any size.

        Raises:
            ProtocolFault: Nonsense; nothing more can be done with this connection.
        """
        self.listen()
        data = self._rest + data
        whole = len(data) - len(data) % MESSAGE_SIZE
        self._rest = data[whole:]
        for op, sequence, time in MESSAGE.iter_unpack(data[:whole]):
            self.messages += 1
            self._handle(op, sequence, time)

    def listen(self) -> None:
        """Something came from the kernel, here or at its device: see what it wrote before.

        Raises:
            ProtocolFault: It went back in time, or farther than it may.
        """
        self._calendar.progress += 1
        if not self._shared.in_use:
            return
        if self.participant.turn is Turn.RUNNING:
            self.participant.update(self._shared.now_ns())
        elif self.participant.turn is Turn.WAITING:
            self._take_request()

    def stand(self) -> None:
        """The waiting kernel will be spoken to by its device: let it see the time."""
        if self.participant.turn is Turn.WAITING:
            self._shared.stand(self.participant.now_ns())

    def settle(self, proceed: Callable[[], None]) -> None:
        """Call `proceed` when the kernel knows every bound there is: at once, or when it has confirmed."""
        self.participant.tighten()
        if self._unconfirmed:
            self._unconfirmed[-1][1].append(proceed)
        else:
            proceed()

    def announce(self, what: int) -> None:
        """Say to the kernel what is said to all; it means nothing to the calendar.

        `settle` waits until it was heard. A kernel that is not there, or not yet, is not told.
        """
        present = self._send is not None and self._start is None
        if present and self.participant.turn in (Turn.WAITING, Turn.RUNNING):
            self._write(self._message(Op.BROADCAST, what))

    def close(self) -> None:
        """Give everything back; once more does nothing."""
        self.end()
        self.participant.leave()
        self._shared.close()

    def end(self) -> None:
        """The connection is over; what waited for an acknowledgement proceeds.

        The participant stays: the owner of the guest's process knows why it ended, and makes it leave.
        """
        self._send = None
        unconfirmed, self._unconfirmed = self._unconfirmed, deque()
        for _, waiting in unconfirmed:
            for proceed in waiting:
                proceed()

    # What the kernel says.

    def _handle(self, op: int, sequence: int, time: int) -> None:
        if op == Op.ACK:
            self._confirm(sequence)
            return
        handler = _HANDLERS.get(op)
        if handler is None:
            raise ProtocolFault(f"{self.participant.name}: sent time-travel message {op}, which there is not")
        if (self.participant.turn is Turn.JOINING) != (op == Op.START):
            late = "sent START again" if op == Op.START else f"sent {Op(op).name} before START"
            raise ProtocolFault(f"{self.participant.name}: {late}")
        answer = handler(self, sequence, time)
        if answer is not None:
            self._write(MESSAGE.pack(Op.ACK, sequence, answer))

    def _confirm(self, sequence: int) -> None:
        if not self._unconfirmed or self._unconfirmed[0][0] != sequence:
            raise ProtocolFault(f"{self.participant.name}: acknowledged {sequence}, which was not its turn")
        for proceed in self._unconfirmed.popleft()[1]:
            proceed()

    def _on_start(self, sequence: int, _time: int) -> None:
        self._start = sequence
        self.participant.wait()

    def _on_request(self, _sequence: int, time: int) -> int:
        self.participant.request(time)
        return 0

    def _on_wait(self, sequence: int, _time: int) -> None:
        if self._shared.in_use:
            self._take_request()
        else:
            # Waiting can bring the next event about, so the answer goes first.
            self._write(MESSAGE.pack(Op.ACK, sequence, 0))
        self.on_wait()
        self.participant.wait()

    def _take_request(self) -> None:
        """Know what the kernel wrote that it wants; the same once more keeps its place in the order."""
        wanted = self._shared.request_ns()
        if wanted is not None and wanted != self._shared_request:
            self._shared_request = wanted
            self.participant.request(wanted)

    def _on_get(self, _sequence: int, _time: int) -> int:
        return self.participant.now_ns()

    def _on_update(self, _sequence: int, time: int) -> int:
        self.participant.update(time)
        return 0

    def _on_get_tod(self, _sequence: int, _time: int) -> int:
        return EPOCH_NS + self.participant.base_ns

    def _on_broadcast(self, _sequence: int, time: int) -> int:
        if self._broadcast is not None:
            self._broadcast(self, time)
        return 0

    # What the calendar says.

    def _resume(self, now_ns: int, bound_ns: int) -> None:
        self._shared.run(now_ns, bound_ns)
        self._shared_request = None
        start, self._start = self._start, None
        if start is not None:
            # A bound comes with the first RUN: in one piece with this a kernel might take it for the answer.
            self._write(MESSAGE.pack(Op.ACK, start, KERNEL), self._shared.fds)
            self.on_started()
        elif self._shared.in_use:
            self._sequence += 1
            self._write(MESSAGE.pack(Op.RUN, self._sequence & 0xFFFF_FFFF, now_ns))
        else:
            self._write(self._message(Op.FREE_UNTIL, bound_ns) + self._message(Op.RUN, now_ns))

    def _confine(self, bound_ns: int) -> None:
        if self._shared.in_use:
            self._shared.confine(bound_ns)
        else:
            self._write(self._message(Op.FREE_UNTIL, bound_ns))

    def _message(self, op: Op, time: int) -> bytes:
        self._sequence = self._sequence % 0xFFFF_FFFF + 1
        self._unconfirmed.append((self._sequence, []))
        return MESSAGE.pack(op, self._sequence, time)

    def _write(self, data: bytes, fds: Sequence[int] = ()) -> None:
        if self._send is not None:
            self._send(data, fds)


def _unheard() -> None:
    """Not every owner asks."""


_HANDLERS: dict[int, Callable[[TimeTravel, int, int], int | None]] = {
    Op.START: TimeTravel._on_start,
    Op.REQUEST: TimeTravel._on_request,
    Op.WAIT: TimeTravel._on_wait,
    Op.GET: TimeTravel._on_get,
    Op.UPDATE: TimeTravel._on_update,
    Op.GET_TOD: TimeTravel._on_get_tod,
    Op.BROADCAST: TimeTravel._on_broadcast,
}
