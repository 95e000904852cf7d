from __future__ import annotations

import asyncio
import errno
import gc
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from virtio.aio import Doorbell, Loop, Stream
from virtio.descriptors import close_fds, ring


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Every test here gives back all descriptors."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    yield
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


async def turns() -> None:
    """Let the loop run: for what must *not* happen, since what must can be waited for."""
    for _ in range(10):
        await asyncio.sleep(0)


class End:
    """One end of a connection: a stream, and all that came out of it."""

    def __init__(self, sock: socket.socket, wanted: int = 1 << 16) -> None:
        self.data = b""
        self.reads: list[bytes] = []
        self.on_read: Callable[[], None] = lambda: None
        self.fds: list[int] = []
        self.ends: list[OSError | None] = []
        self.changed = asyncio.Event()
        self.stream = Stream(
            asyncio.get_running_loop(),
            sock,
            received=self._receive,
            ended=self._end,
            wanted=lambda: wanted,
        )

    def _receive(self, data: bytes, fds: list[int]) -> None:
        self.data += data
        self.reads.append(data)
        self.fds += fds
        self.on_read()
        self.changed.set()

    def _end(self, error: OSError | None) -> None:
        self.ends.append(error)
        self.changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await asyncio.wait_for(self.changed.wait(), 10)
            self.changed.clear()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[End, End]]:
    left, right = (End(sock) for sock in socket.socketpair())
    yield left, right
    for end in (left, right):
        end.stream.close()
        close_fds(end.fds)


async def test_bytes_and_descriptors_arrive(ends: tuple[End, End]) -> None:
    left, right = ends
    eventfd = os.eventfd(5)
    left.stream.send(b"hello", [eventfd])
    os.close(eventfd)
    await right.until(lambda: right.data == b"hello")
    (fd,) = right.fds
    assert os.eventfd_read(fd) == 5
    assert not os.get_inheritable(fd)


async def test_no_more_is_read_than_wanted() -> None:
    ours, theirs = socket.socketpair()
    end = End(ours, wanted=3)
    theirs.send(b"abcdefgh")
    await end.until(lambda: len(end.data) == 8)
    assert end.reads == [b"abc", b"def", b"gh"]
    end.stream.close()
    theirs.close()


async def test_what_a_full_socket_does_not_take_follows_in_order(ends: tuple[End, End]) -> None:
    left, right = ends
    big = bytes(range(256)) * 4096
    eventfd = os.eventfd(7)
    left.stream.send(big)
    left.stream.send(b"tail", [eventfd])
    os.close(eventfd)
    assert left.stream.backlog > 0
    await right.until(lambda: len(right.data) == len(big) + 4)
    assert right.data == big + b"tail"
    assert os.eventfd_read(right.fds[0]) == 7
    assert left.stream.backlog == 0


async def test_a_peer_that_does_not_read_is_not_read_from() -> None:
    ours, theirs = socket.socketpair()
    slow = End(ours)
    slow.stream.send(bytes(1 << 20))
    theirs.send(b"question")
    await turns()
    assert slow.data == b""
    theirs.setblocking(False)
    while slow.stream.backlog:
        await asyncio.get_running_loop().sock_recv(theirs, 1 << 16)
    await slow.until(lambda: slow.data == b"question")
    slow.stream.close()
    theirs.close()


async def test_reading_stops_within_a_burst_when_the_backlog_grows() -> None:
    ours, theirs = socket.socketpair()
    end = End(ours, wanted=1)
    end.on_read = lambda: end.stream.send(bytes(1 << 20))
    theirs.send(b"xyz")
    await turns()
    assert end.reads == [b"x"]
    end.stream.close()
    theirs.close()


async def test_the_end_comes_once_and_after_all_bytes(ends: tuple[End, End]) -> None:
    left, right = ends
    left.stream.send(b"last words")
    left.stream.close()
    left.stream.close()
    left.stream.send(b"unheard")
    await right.until(lambda: bool(right.ends))
    assert (right.data, right.ends) == (b"last words", [None])
    assert right.stream.closed


async def test_a_broken_connection_ends_with_its_error() -> None:
    ours, theirs = socket.socketpair()
    end = End(ours)
    theirs.send(b"unread by us")
    end.stream._sock.send(b"unread by them")
    theirs.close()  # with unread data: a reset
    await end.until(lambda: bool(end.ends))
    assert end.ends[0] is not None
    assert end.ends[0].errno == errno.ECONNRESET


async def test_sending_to_a_peer_that_has_gone_ends_the_stream() -> None:
    ours, theirs = socket.socketpair()
    end = End(ours)
    theirs.close()
    end.stream.send(b"hello")
    assert [error and error.errno for error in end.ends] == [errno.EPIPE]


async def test_a_peer_that_goes_while_bytes_wait_ends_the_stream() -> None:
    ours, theirs = socket.socketpair()
    end = End(ours)
    fd = os.eventfd(0)
    end.stream.send(bytes(1 << 20))
    end.stream.send(b"more", [fd])
    os.close(fd)
    theirs.close()
    await end.until(lambda: bool(end.ends))
    assert end.stream.backlog == 0


async def test_lost_descriptors_end_the_stream(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the limit of open files is reached: the kernel drops what has no room, and says so."""
    left, right = ends
    monkeypatch.setattr("virtio.aio._ANCILLARY", socket.CMSG_SPACE(4))
    fds = [os.eventfd(0) for _ in range(8)]
    left.stream.send(b"hello", fds)
    close_fds(fds)
    await right.until(lambda: bool(right.ends))
    assert right.ends[0] is not None
    assert right.ends[0].errno == errno.EMFILE


async def test_a_peer_is_seen_to_be_gone_before_its_bytes_are_read() -> None:
    ours, theirs = socket.socketpair()
    end = End(ours)
    assert not end.stream.peer_is_gone()
    theirs.send(b"unread")
    theirs.close()
    assert end.stream.peer_is_gone()
    end.stream.close()


async def test_a_doorbell_rings_once_for_many() -> None:
    fd, rung = os.eventfd(0), asyncio.Queue[int]()
    bell = Doorbell(asyncio.get_running_loop(), fd, lambda: rung.put_nowait(1))
    assert all(ring(fd) for _ in range(3))
    await asyncio.wait_for(rung.get(), 10)
    await asyncio.sleep(0)
    assert rung.empty()
    ring(fd)
    await asyncio.wait_for(rung.get(), 10)
    bell.close()
    bell.close()
    ring(fd)
    await asyncio.sleep(0)
    assert rung.empty()
    os.close(fd)


async def test_a_doorbell_whose_other_end_is_gone_is_silent() -> None:
    read, write = os.pipe()
    rung: list[int] = []
    bell = Doorbell(asyncio.get_running_loop(), read, lambda: rung.append(1))
    os.close(write)
    await turns()
    assert rung == []
    bell.close()
    os.close(read)


async def test_a_doorbell_that_cannot_be_read_is_given_up_and_says_so() -> None:
    ours, theirs = socket.socketpair()
    rung: list[int] = []
    said: list[OSError] = []
    loop = asyncio.get_running_loop()
    bell = Doorbell(loop, ours.fileno(), lambda: rung.append(1), broken=said.append)
    ours.send(b"unread by them")
    theirs.close()  # with unread data: reading fails
    await turns()
    assert rung == []
    assert [error.errno for error in said] == [errno.ECONNRESET]
    bell.close()
    ours.close()


async def test_what_cannot_be_waited_on_is_no_doorbell() -> None:
    with open(os.devnull) as null, pytest.raises(OSError, match="no eventfd, pipe or socket"):  # noqa: ASYNC230, PTH123
        Doorbell(asyncio.get_running_loop(), null.fileno(), lambda: None)


async def test_another_reader_may_have_answered_the_doorbell() -> None:
    fd, rung = os.eventfd(0), list[int]()
    bell = Doorbell(asyncio.get_running_loop(), fd, lambda: rung.append(1))
    bell._on_readable()
    assert rung == []
    bell.close()
    os.close(fd)


def test_a_full_doorbell_is_rung_and_a_dead_one_is_not() -> None:
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    os.eventfd_write(fd, 2**64 - 2)
    assert ring(fd)
    os.close(fd)
    read, write = os.pipe()
    os.close(read)
    assert not ring(write)
    os.close(write)


class _FullLoop:
    """A loop that cannot wait for one more descriptor, nor write."""

    def __init__(self, loop: Loop, refuses: str) -> None:
        self._loop, self._refuses = loop, refuses

    def __getattr__(self, name: str) -> Any:
        if name == self._refuses:
            raise OSError(errno.ENOSPC, "No space left on device")
        return getattr(self._loop, name)


async def test_a_stream_that_cannot_be_waited_for_closes_its_socket() -> None:
    ours, theirs = socket.socketpair()
    loop: Any = _FullLoop(asyncio.get_running_loop(), "add_reader")
    with theirs, pytest.raises(OSError, match="No space"):
        Stream(loop, ours, received=lambda *_: None, ended=lambda _: None, wanted=lambda: 1)
    assert ours.fileno() == -1


@pytest.mark.parametrize("descriptors", [False, True])
async def test_a_stream_that_cannot_keep_what_it_has_to_send_ends(
    monkeypatch: pytest.MonkeyPatch, *, descriptors: bool
) -> None:
    ours, theirs = socket.socketpair()
    ended: list[OSError | None] = []
    running = asyncio.get_running_loop()
    loop: Any = running if descriptors else _FullLoop(running, "add_writer")

    def refused(_fd: int) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(os, "dup", refused)
    with theirs:
        stream = Stream(loop, ours, received=lambda *_: None, ended=ended.append, wanted=lambda: 1)
        while not ended and stream.backlog == 0:
            stream.send(bytes(1 << 16), [theirs.fileno()] if descriptors else [])
        if not ended:
            stream.send(b"more", [theirs.fileno()])
    assert [type(error) for error in ended] == [OSError]
    assert stream.closed
    assert ours.fileno() == -1
