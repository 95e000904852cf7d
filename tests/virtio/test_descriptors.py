"""No call on a descriptor that a peer shares waits, whatever the peer does to it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from virtio import eventfd
from virtio.aio import Doorbell, Stream
from virtio.descriptors import _close_elsewhere, close_fds, read_now, ring
from virtio.fence.sync_file import SyncFile
from virtio.fence.timeline import Timeline

FULL = 2**64 - 2
"""Of an eventfd's counter: one more has no room."""


def full_eventfd() -> list[int]:
    fd = os.eventfd(0)
    os.eventfd_write(fd, FULL)
    return [fd]


def full_pipe() -> list[int]:
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            os.write(write, bytes(4096))
    except BlockingIOError:
        os.set_blocking(write, True)
    return [write, read]


def full_socket() -> list[int]:
    ours, theirs = (end.detach() for end in socket.socketpair())
    os.set_blocking(ours, False)
    try:
        while True:
            os.write(ours, bytes(4096))
    except BlockingIOError:
        os.set_blocking(ours, True)
    return [ours, theirs]


@pytest.mark.parametrize("make", [full_eventfd, full_pipe, full_socket])
@pytest.mark.parametrize("asynchronous_io", [True, False], ids=["aio", "no-aio"])
def test_a_full_doorbell_that_its_owner_made_blocking_is_rung_without_waiting(
    make: Callable[[], list[int]], asynchronous_io: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not asynchronous_io:
        monkeypatch.setattr("virtio.eventfd._signaller", lambda: None)
    fds = make()
    assert ring(fds[0])
    close_fds(fds)


@pytest.mark.parametrize("make", [lambda: [os.eventfd(0)] * 2, os.pipe, socket.socketpair])
def test_a_doorbell_that_its_owner_made_blocking_is_read_without_waiting(
    make: Callable[[], list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = make()
    read, write = (fd if isinstance(fd, int) else fd.detach() for fd in pair)
    for _ in range(2):
        with pytest.raises(BlockingIOError):
            read_now(read, 8)
        assert ring(write)
        assert read_now(read, 8) == (1).to_bytes(8, "little")
        # And where the kernel knows no flag for a single call.
        monkeypatch.setattr("os.RWF_NOWAIT", 1 << 30)
    close_fds({read, write})


def test_many_signals_leave_nothing_in_the_kernel() -> None:
    fd = os.eventfd(0)
    assert all(eventfd.signal(fd) for _ in range(1000))
    assert os.eventfd_read(fd) == 1000
    os.close(fd)
    assert not eventfd.signal(fd)


def test_a_forked_child_signals_by_a_context_of_its_own() -> None:
    fd = os.eventfd(0)
    assert eventfd.signal(fd)
    child = os.fork()
    if child == 0:
        os._exit(0 if eventfd.signal(fd) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert os.eventfd_read(fd) == 2
    os.close(fd)


async def test_a_stream_that_its_peer_made_blocking_is_neither_waited_for_nor_on() -> None:
    """The peer has the very socket: SET_BACKEND_REQ_FD hands one over."""
    ours, theirs = socket.socketpair()
    shared = ours.dup()
    arrived = asyncio.Event()
    stream = Stream(
        asyncio.get_running_loop(),
        ours,
        received=lambda _data, _fds: arrived.set(),
        ended=lambda _error: None,
        wanted=lambda: 4,
    )
    os.set_blocking(shared.fileno(), True)
    theirs.send(b"abcd")  # as much as is wanted: the stream asks once more
    await asyncio.wait_for(arrived.wait(), 10)
    stream.send(bytes(1 << 20))
    assert stream.backlog > 0
    stream.close()
    shared.close()
    theirs.close()


async def test_a_doorbell_that_was_drained_and_made_blocking_is_not_waited_for() -> None:
    fd, rung = os.eventfd(0), list[int]()
    bell = Doorbell(asyncio.get_running_loop(), fd, lambda: rung.append(1))
    os.set_blocking(fd, True)
    bell._on_readable()
    assert rung == []
    bell.close()
    os.close(fd)


def test_a_sync_file_that_a_holder_made_blocking_is_asked_without_waiting() -> None:
    timeline = Timeline("ring")
    with SyncFile.from_fence(timeline.fence()) as file:
        os.set_blocking(file.fileno(), True)
        assert file.status == 0


def test_a_file_is_no_doorbell() -> None:
    """Its readiness is asked of its file system: of a process, where that is one in user space."""
    loop = asyncio.new_event_loop()
    with open(__file__) as file, pytest.raises(OSError, match="no eventfd, pipe or socket"):  # noqa: PTH123
        Doorbell(loop, file.fileno(), lambda: None)
    loop.close()


def kinds(tmp_path: Path) -> Iterator[tuple[int, bool]]:
    """A descriptor of each kind, and whether to close it may take time."""
    yield os.eventfd(0), False
    yield from ((fd, False) for fd in os.pipe())
    yield from ((end.detach(), False) for end in socket.socketpair())
    yield os.memfd_create("memory"), False
    yield os.open("/", os.O_PATH), False
    yield os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT), not _is_tmpfs(tmp_path)
    yield socket.socket(socket.AF_INET, socket.SOCK_STREAM).detach(), True  # SO_LINGER


def _is_tmpfs(path: Path) -> bool:
    mounts = [line.split() for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines()]
    over = [mount for mount in mounts if path.is_relative_to(mount[1])]
    return max(over, key=lambda mount: len(mount[1]))[2] == "tmpfs"


def test_a_descriptor_whose_close_may_wait_is_closed_by_another_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file system in user space is told that a file is closed, and need not answer."""
    elsewhere: list[int] = []
    monkeypatch.setattr("virtio.descriptors._close_elsewhere", elsewhere.append)
    for fd, slow in kinds(tmp_path):
        close_fds([fd])
        assert elsewhere == ([fd] if slow else [])
        while elsewhere:
            os.close(elsewhere.pop())


def test_the_other_thread_closes(tmp_path: Path) -> None:
    _close_elsewhere(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)).join()
    assert not [
        fd for fd in Path("/proc/self/fd").iterdir() if fd.exists() and fd.samefile(tmp_path / "file")
    ]
