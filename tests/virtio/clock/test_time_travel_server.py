import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from virtio.clock import Calendar
from virtio.clock.time_travel import Op, TimeTravel
from virtio.clock.time_travel_server import TimeTravelServer
from virtio.errors import Misuse, ProtocolFault

MESSAGE = struct.Struct("=IIQ")


class Served:
    """A server with a calendar behind it, and what it reported."""

    def __init__(self, path: Path) -> None:
        self.calendar = Calendar()
        self.link = TimeTravel(self.calendar, "uml")
        self.faults: list[ProtocolFault] = []
        self.over = asyncio.Event()
        self.reports: list[str] = []
        self.server = TimeTravelServer(
            path, self.link, on_fault=self._fault, on_end=self.over.set, report=self.reports.append
        )

    def _fault(self, fault: ProtocolFault) -> None:
        self.faults.append(fault)
        self.over.set()

    async def started(self) -> None:
        """Until START has come."""
        freed = asyncio.Event()
        self.calendar.on_free = freed.set
        await asyncio.wait_for(freed.wait(), 10)

    async def ended(self) -> None:
        await asyncio.wait_for(self.over.wait(), 10)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    made = Served(tmp_path / "time")
    yield made
    made.server.close()
    made.link.close()


async def connect(path: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_unix_connection(str(path))


async def test_a_kernel_is_served_and_its_end_is_heard_of(served: Served, tmp_path: Path) -> None:
    reader, writer = await connect(tmp_path / "time")
    writer.write(MESSAGE.pack(Op.START, 1, 0))
    await served.started()
    assert not (tmp_path / "time").exists(), "one kernel is expected"
    served.calendar.run_next()
    assert MESSAGE.unpack(await reader.readexactly(16)) == (Op.ACK, 1, 1)
    writer.write(MESSAGE.pack(Op.GET_TOD, 2, 0))
    assert MESSAGE.unpack(await reader.readexactly(16))[:2] == (Op.ACK, 2)
    writer.close()
    await served.ended()
    assert served.faults == []
    assert served.calendar.held, "why it has gone is for others to say"


async def test_a_kernel_that_talks_nonsense_is_disconnected(served: Served, tmp_path: Path) -> None:
    reader, writer = await connect(tmp_path / "time")
    writer.write(MESSAGE.pack(Op.START, 1, 0) + MESSAGE.pack(99, 1, 0))
    await served.ended()
    assert [str(fault) for fault in served.faults] == ["uml: sent time-travel message 99, which there is not"]
    assert await reader.read() == b""
    writer.close()


async def test_strangers_do_not_take_the_kernels_place(served: Served, tmp_path: Path) -> None:
    silent, writer = await connect(tmp_path / "time")
    writer.write(MESSAGE.pack(Op.START, 1, 0)[:15])
    babbling, other = await connect(tmp_path / "time")
    other.write(MESSAGE.pack(99, 1, 0))
    assert await babbling.read() == b""
    kernel, own = await connect(tmp_path / "time")
    own.write(MESSAGE.pack(Op.START, 7, 0))
    await served.started()
    assert await silent.read() == b"", "one kernel is expected"
    served.calendar.run_next()
    assert MESSAGE.unpack(await kernel.readexactly(16)) == (Op.ACK, 7, 1)
    assert served.faults == []
    for each in (writer, other, own):
        each.close()


async def test_descriptors_that_come_along_are_closed(served: Served, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as kernel:
        kernel.setblocking(False)
        kernel.connect(str(tmp_path / "time"))
        left, right = socket.socketpair()
        socket.send_fds(kernel, [MESSAGE.pack(Op.START, 1, 0)], [right.fileno()])
        right.close()
        await served.started()
        assert left.recv(1) == b""
        left.close()


async def test_a_socket_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Misuse, match=r"cannot listen on .*/time: there is no directory .*nowhere; create it"):
        Served(tmp_path / "nowhere" / "time")


async def test_a_stale_socket_is_replaced_and_a_live_one_left_alone(served: Served, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "stale"))
    other = Served(tmp_path / "stale")
    with pytest.raises(Misuse, match="another server listens there"):
        Served(tmp_path / "time")
    _, writer = await connect(tmp_path / "time")
    writer.write(MESSAGE.pack(Op.START, 1, 0))
    await served.started()
    assert served.faults == []
    other.server.close()
    assert not (tmp_path / "stale").exists()
    writer.close()
