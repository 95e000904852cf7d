"""UML's time-travel protocol: a kernel that says anything, on a calendar that goes on."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence

from tests.fuzz.reader import Reader, block
from tests.fuzz.target import Target
from virtio.clock import Calendar
from virtio.clock.time_travel import MESSAGE, Op, TimeTravel
from virtio.errors import ProtocolFault

_NEVER = (1 << 64) - 1
_STEPS = 64
_SAY, _RAW, _GO_ON, _ANNOUNCE, _SETTLE, _ACKNOWLEDGE, _WRITE, _LISTEN, _STAND = range(9)


class Kernel:
    """A kernel's end of the line: what it was told, and what of that it owes an answer to."""

    def __init__(self) -> None:
        self.calendar = Calendar()
        self.link = TimeTravel(self.calendar, "guest")
        self.link.connect(self._receive)
        self.page: mmap.mmap | None = None
        self.asked: list[int] = []
        self.owed: list[int] = []
        self.runs = [0]
        self.settling = self.settled = 0

    def _receive(self, data: bytes, fds: Sequence[int]) -> None:
        for op, sequence, time in MESSAGE.iter_unpack(data):
            if op == Op.ACK:
                self.asked.remove(sequence)  # nothing is answered that was not asked, nor twice
            else:
                self.owed.append(sequence)
            if op == Op.RUN:
                assert time >= self.runs[-1], "time goes backwards"
                self.runs.append(time)
        if fds and self.page is None:
            self.page = mmap.mmap(fds[0], 4096 + 2 * 128)

    def say(self, op: int, sequence: int, time: int) -> None:
        if op != Op.ACK:
            self.asked.append(sequence)
        self.link.receive(MESSAGE.pack(op, sequence, time))

    def settle(self) -> None:
        self.settling += 1
        self.link.settle(self._proceed)

    def _proceed(self) -> None:
        self.settled += 1

    def raw(self, data: bytes) -> None:
        """Bytes that need not be whole messages; what they ask is not known here."""
        self.asked += [sequence for sequence in range(256) for _ in range(2)]
        self.asked += [int.from_bytes(data[at : at + 4], "little") for at in range(len(data))]
        self.link.receive(data)

    def go_on(self) -> None:
        if not self.calendar.held:
            self.calendar.run_next()

    def acknowledge(self) -> None:
        if self.owed:
            self.say(Op.ACK, self.owed.pop(0), 0)

    def write(self, at: int, data: bytes) -> None:
        """Into the shared page: the kernel may write all of it."""
        if self.page is not None:
            start = at % (len(self.page) - 16)
            self.page[start : start + min(len(data), 16)] = data[:16]

    def close(self) -> None:
        self.link.close()
        if self.page is not None:
            self.page.close()


def run(data: bytes) -> None:
    """Steps until something is wrong; then all that waits goes on, and the calendar is free."""
    reader, kernel = Reader(data), Kernel()
    steps: dict[int, Callable[[], None]] = {
        _SAY: lambda: kernel.say(reader.number(), reader.number(), reader.number(8)),
        _RAW: lambda: kernel.raw(reader.block()),
        _GO_ON: kernel.go_on,
        _ANNOUNCE: lambda: kernel.link.announce(reader.number()),
        _SETTLE: kernel.settle,
        _ACKNOWLEDGE: kernel.acknowledge,
        _WRITE: lambda: kernel.write(reader.number(2), reader.take(16)),
        _LISTEN: kernel.link.listen,
        _STAND: kernel.link.stand,
    }
    try:
        for _ in range(_STEPS):
            if not reader:
                break
            steps[reader.number() % len(steps)]()
    except ProtocolFault:
        pass
    finally:
        kernel.close()
    assert kernel.settled == kernel.settling
    assert not kernel.calendar.held
    assert not kernel.calendar.has_plans


def said(op: Op, sequence: int, time: int = _NEVER) -> bytes:
    """A message as a step."""
    return bytes([_SAY, op, sequence]) + time.to_bytes(8, "little")


def seeds() -> Iterator[bytes]:
    """A kernel's life by messages, by shared memory, and each message at each time."""
    go, acknowledge = bytes([_GO_ON]), bytes([_ACKNOWLEDGE] * 2)
    start = said(Op.START, 1) + go
    wait = said(Op.REQUEST, 2, 10**6) + said(Op.WAIT, 3) + go + acknowledge
    yield start + wait + said(Op.UPDATE, 4, 10**6 + 5) + said(Op.GET, 5) + said(Op.GET_TOD, 6) + wait
    flags = bytes([_WRITE]) + (4096 + 128).to_bytes(2, "little")
    wants = flags + (1).to_bytes(4, "little") + (1).to_bytes(4, "little") + (10**6).to_bytes(8, "little")
    yield start + wants + said(Op.WAIT, 2) + go + bytes([_LISTEN, _SETTLE, _STAND]) + wants + said(Op.WAIT, 3)
    for op in Op:
        yield said(op, 1, 5)
        yield start + said(op, 2, 5) + bytes([_ANNOUNCE, 3, _SETTLE]) + acknowledge + said(Op.WAIT, 3) + go
    yield bytes([_RAW]) + block(MESSAGE.pack(Op.START, 1, _NEVER)[:9])


TARGET = Target(run, seeds, longest=512)
