"""A scripted UML kernel: the other side of the time-travel protocol, as strict as the kernel."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator, Sequence

import pytest

from virtio.clock import Calendar
from virtio.clock.time_travel import Op, TimeTravel

MESSAGE = struct.Struct("=IIQ")
# struct um_timetravel_schedshm: free_until, current_time, running_id; then 128 bytes a client from 4096 on.
HEADER = struct.Struct("=8xQQHH")
CLIENT = struct.Struct("=IIQ")
NOTHING = 0xFFFF_FFFF_FFFF_FFFF


class FakeKernel:
    """Speaks to a `TimeTravel` as arch/um/kernel/time.c does: panics become assertions.

    Attributes:
        time: Its own.
        bound: FREE_UNTIL, as last heard.
        runs: Times of the RUNs that it got.
        sharing: Whether it takes up the shared memory.
        sent: How many messages it sent, acknowledgements aside.
        dumb: Acknowledge nothing for now.
    """

    def __init__(self, calendar: Calendar, name: str = "uml", *, sharing: bool = False) -> None:
        self.time = 0
        self.bound: int | None = None
        self.runs: list[int] = []
        self.heard: list[int] = []
        self.sharing = sharing
        self.sent = 0
        self.started = False
        self.dumb = False
        self.owed: list[bytes] = []
        self.map: mmap.mmap | None = None
        self._answers: list[tuple[int, int]] = []
        self.link = TimeTravel(calendar, name)
        self.link.connect(self._receive)

    def _receive(self, data: bytes, fds: Sequence[int]) -> None:
        assert len(data) % MESSAGE.size == 0
        for op, sequence, time in MESSAGE.iter_unpack(data):
            if op == Op.ACK:
                if fds:
                    self._share(fds[0], time)
                else:
                    self._answers.append((sequence, time))
                continue
            if op == Op.RUN:
                assert time >= self.time, "time goes backwards"
                self.time = time
                self.runs.append(time)
                if self.map is not None:
                    self._flags(0)
                    assert HEADER.unpack_from(self.map)[1:3] == (time, 1)
                    continue  # no answer
            elif op == Op.FREE_UNTIL:
                assert self.map is None
                self.bound = time
            else:
                assert op == Op.BROADCAST
                self.heard.append(time)
            self.owed.append(MESSAGE.pack(Op.ACK, sequence, 0))
        self.pay()

    def pay(self) -> None:
        """Acknowledge what is owed."""
        if not self.dumb:
            owed, self.owed = self.owed, []
            if owed:
                self.link.receive(b"".join(owed))

    def _share(self, fd: int, client: int) -> None:
        self.started = True
        if self.sharing:
            self.map = mmap.mmap(fd, 4096 + 2 * 128)
            version, length = struct.unpack_from("=II", self.map)
            assert (version, length, client) == (2, len(self.map), 1)
            struct.pack_into("=I", self.map, 4096 + 128, 1)

    def _flags(self, flags: int, time: int = 0) -> None:
        assert self.map is not None
        struct.pack_into("=IQ", self.map, 4096 + 128 + 4, flags, time)

    def say(self, op: int, time: int = NOTHING) -> int | None:
        """Send a message; the time of its answer, None when it has none yet."""
        self.sent += 1
        sequence = self.sent
        self.link.receive(MESSAGE.pack(op, sequence, time))
        if not self._answers:
            return None
        ((answered, value),) = self._answers
        self._answers.clear()
        assert answered == sequence, "ACK message has different seqno"
        return value

    @property
    def free_until(self) -> int:
        """Its bound."""
        if self.map is not None:
            bound: int = HEADER.unpack_from(self.map)[0]
            return bound
        assert self.bound is not None
        return self.bound

    def start(self) -> None:
        assert self.say(Op.START) is None, "it is not its turn yet"

    def spend(self, until: int) -> None:
        """Let its own time pass."""
        assert until < self.free_until
        self.time = until

    def propagate(self) -> None:
        """Tell all participants what time it is, as before a kick."""
        if self.map is not None:
            assert HEADER.unpack_from(self.map)[2] == 1, "setting time while not running"
            struct.pack_into("=Q", self.map, 16, self.time)
            self.link.listen()
        else:
            assert self.say(Op.UPDATE, self.time) == 0

    def request(self, time: int) -> None:
        if self.map is not None:
            self._flags(1, time)
        else:
            assert self.say(Op.REQUEST, time) == 0

    def wait(self, until: int | None = None) -> None:
        if until is not None:
            self.request(until)
        answer = self.say(Op.WAIT)
        assert answer == (None if self.map is not None else 0)

    def look(self) -> int:
        """What it takes for the time while it waits, as in an interrupt."""
        if self.map is not None:
            time: int = HEADER.unpack_from(self.map)[1]
            return time
        now = self.say(Op.GET)
        assert now is not None
        return now

    def close(self) -> None:
        self.link.close()
        if self.map is not None:
            self.map.close()


@pytest.fixture(scope="session")
def make() -> type[FakeKernel]:
    """Kernels to start, and to close."""
    return FakeKernel


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture(params=[False, True], ids=["messages", "shared"])
def kernel(calendar: Calendar, request: pytest.FixtureRequest) -> Iterator[FakeKernel]:
    """A kernel that runs, at 0."""
    made = FakeKernel(calendar, sharing=request.param)
    made.start()
    calendar.run_next()
    made.wait(0)  # the first bound comes with the first RUN
    calendar.run_next()
    yield made
    made.close()
