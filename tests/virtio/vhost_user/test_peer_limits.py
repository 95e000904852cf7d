"""Each limit of what a front end does: one below is taken, one beyond is refused.

Each test has the name of its limit; `tests/virtio/test_limits.py` sees that none is without.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.virtio.vhost_user.conftest import EchoDevice, RecordingHost
from virtio.account import Account, AtMost, Notices, Together
from virtio.limits import Limits, Totals
from virtio.memory import PAGE, SharedHandle
from virtio.vhost_user.messages import Request
from virtio.vhost_user.pace import Turns
from virtio.vhost_user.payloads import RegionDescription, pack_region, pack_u64

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import Serve


@pytest.fixture
def make_host() -> Iterator[Callable[[Account], RecordingHost]]:
    hosts: list[RecordingHost] = []

    def make(account: Account) -> RecordingHost:
        device = EchoDevice()
        device.account = account
        hosts.append(RecordingHost(device))
        return hosts[-1]

    yield make
    for host in hosts:
        host.backend.close()


def add_region(host: RecordingHost, number: int, size: int = PAGE) -> int:
    """The acknowledgement of one region more, of a file of its own; 0: taken."""
    with SharedHandle.create(size) as handle:
        region = RegionDescription(number << 40, size, (number << 40) + PAGE, 0)
        return host.ack(Request.ADD_MEM_REG, pack_region(region), fds=[os.dup(handle.fd)])


def test_limit_address_space(make_host: Callable[[Account], RecordingHost]) -> None:
    host = make_host(Account(Limits(address_space=3 * PAGE)))  # a new table is mapped beside the old one
    assert [add_region(host, number) for number in (1, 2)] == [0, 0]
    assert add_region(host, 3) == 1
    assert host.reports == [
        f"{PAGE} bytes of address space are too many: the guest has {3 * PAGE} of {3 * PAGE}"
    ]


def test_limit_total_address_space(make_host: Callable[[Account], RecordingHost]) -> None:
    together = Together(Totals(address_space=2 * PAGE))
    greedy, late = (make_host(Account(together=together)) for _ in range(2))
    assert (add_region(greedy, 1, 2 * PAGE), add_region(late, 1)) == (0, 1)
    assert late.reports == [
        f"{PAGE} bytes of address space are too many: all guests together have {2 * PAGE} of {2 * PAGE}"
    ]
    greedy.backend.close()
    assert add_region(late, 1) == 0, "what a guest leaves is there for the others"


def bell(host: RecordingHost, request: Request, queue: int = 0) -> int:
    return host.ack(request, pack_u64(queue), fds=[os.eventfd(0)])


def test_limit_descriptors(make_host: Callable[[Account], RecordingHost]) -> None:
    told: list[str] = []
    host = make_host(Account(Limits(descriptors=8), tell=told.append))
    assert [add_region(host, number) for number in range(1, 8)] == [0] * 7
    assert bell(host, Request.SET_VRING_CALL) == 0
    assert bell(host, Request.SET_VRING_ERR) == 1
    assert host.reports == [
        "SET_VRING_ERR: 1 file descriptors more are too many, and the guest has 8 of 8 already"
    ]
    assert "limit descriptors reached" in told[0]


def test_limit_total_descriptors(make_host: Callable[[Account], RecordingHost]) -> None:
    together = Together(Totals(descriptors=8))
    greedy, late = (make_host(Account(together=together)) for _ in range(2))
    assert [add_region(greedy, number) for number in range(1, 8)] == [0] * 7
    assert bell(late, Request.SET_VRING_CALL) == 0
    assert bell(late, Request.SET_VRING_ERR) == 1
    assert "all guests together have 8 of 8" in late.reports[0]
    greedy.backend.close()
    assert bell(late, Request.SET_VRING_ERR) == 0, "what a guest leaves is there for the others"


async def crowd(path: object, count: int, turns: Callable[[], Awaitable[None]]) -> list[socket.socket]:
    """Connections that say nothing."""
    socks = []
    for _ in range(count):
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        sock.connect(str(path))
        socks.append(sock)
        await turns()
    return socks


def is_open(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) != b""
    except BlockingIOError:
        return True


async def test_limit_connections(serve: Serve, turns: Callable[[], Awaitable[None]]) -> None:
    told: list[str] = []
    served = serve(account=Account(Limits(connections=2), tell=told.append))
    socks = await crowd(served.server.path, 2, turns)
    assert ([is_open(sock) for sock in socks], told) == ([True, True], [])
    socks += await crowd(served.server.path, 1, turns)
    assert [is_open(sock) for sock in socks] == [False, True, True], "the oldest has to go"
    assert "limit connections reached" in told[0]
    for sock in socks:
        sock.close()


async def test_limit_total_connections(serve: Serve, turns: Callable[[], Awaitable[None]]) -> None:
    together = Together(Totals(connections=2))
    one, other = (serve(name, account=Account(together=together)) for name in ("one", "other"))
    socks = await crowd(one.server.path, 2, turns)
    assert [is_open(sock) for sock in socks] == [True, True]
    late = await crowd(other.server.path, 1, turns)
    assert [is_open(sock) for sock in (*socks, *late)] == [True, True, False], "it has none of its own"
    for sock in (*socks, *late):
        sock.close()


async def test_limit_first_message(serve: Serve, turns: Callable[[], Awaitable[None]]) -> None:
    patient, hasty = serve("patient"), serve("hasty", account=Account(Limits(first_message=0)))
    (waits,) = await crowd(patient.server.path, 1, turns)
    assert is_open(waits)
    reader, writer = await asyncio.open_unix_connection(str(hasty.server.path))
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    waits.close()


def test_limit_lines() -> None:
    told: list[str] = []
    notices = Notices(told.append, Limits(lines=2).lines)
    for line in ("a", "a", "b", "c", "d"):
        notices(line)
    assert told == ["a", "b"]


def test_limit_total_lines() -> None:
    told: list[str] = []
    tell = AtMost(told.append, Totals(lines=2).lines)
    for line in ("a", "b", "c", "d"):
        tell(line)
    assert told == ["a", "b", "limit total-lines reached: no further line about guests is told in this run"]


def test_limit_turn() -> None:
    """A device that works for no longer has its next turn in the next round; a longer turn is paid for."""
    now = 0.0
    rounds: list[Callable[[], None]] = []
    pace = Turns(rounds.append, lambda: now).pace(Limits(turn=500).turn / 1e6)
    ends: list[bool] = []

    def work(seconds: float) -> None:
        nonlocal now

        def step(turn: object) -> None:
            nonlocal now
            now += seconds
            ends.append(turn.over())  # type: ignore[attr-defined]

        pace.work(step)

    work(0.0004)
    assert (ends, pace.ready()) == ([False], True)
    work(0.0002)
    assert (ends, pace.ready()) == ([False, True], False)
