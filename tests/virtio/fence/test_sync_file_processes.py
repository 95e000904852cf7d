"""Sync files between processes: passed, forked, and outliving a producer that is killed."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from virtio.fence.fence import Fence
from virtio.fence.sync_file import SyncFile

# Far more than anything here takes; a test that runs into it has found a lost wake-up.
PATIENCE_S = 60

PRODUCER = """
import os, socket, sys
from virtio.fence.sync_file import SyncFile
from virtio.fence.timeline import Timeline

sock = socket.socket(fileno=int(sys.argv[1]))
timeline = Timeline("gpu", "producer", context=12)

def make(count):
    for seqno in range(1, count + 1):
        with SyncFile.from_fence(timeline.fence(seqno)) as file:
            socket.send_fds(sock, [b"f"], [file.fileno()])
"""

SIGNAL = """
for line in sock.makefile():
    timeline.signal(int(line), now_ns=int(line) * 1000)
    print(line.strip(), flush=True)
"""


class Producer(NamedTuple):
    process: subprocess.Popen[str]
    sock: socket.socket

    def receive(self) -> SyncFile:
        _, fds, _, _ = socket.recv_fds(self.sock, 1, 1)
        return SyncFile.adopt(fds[0])

    def signal(self, seqno: int) -> None:
        self.sock.sendall(b"%d\n" % seqno)

    def said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)


@contextmanager
def producing(count: int, then: str = SIGNAL) -> Iterator[tuple[Producer, list[SyncFile]]]:
    """A process that sends `count` sync files of one timeline, and does `then`."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with subprocess.Popen(
            [sys.executable, "-c", f"{PRODUCER}\nmake({count})\n{then}", str(theirs.fileno())],
            pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            try:
                theirs.close()
                producer = Producer(process, ours)
                files = [producer.receive() for _ in range(count)]
                yield producer, files
            finally:
                process.kill()
        for file in files:
            file.close()


def test_a_file_from_another_process_says_who_makes_it_and_what_became_of_it() -> None:
    with producing(2) as (producer, (first, second)):
        assert first.info() == ("gpu12-1", 12, 1, 0, None, producer.process.pid)
        producer.signal(1)
        assert first.wait(PATIENCE_S)
        assert first.info() == ("gpu12-1", 12, 1, 1, 1000, producer.process.pid)
        assert second.status == 0


def test_a_killed_producer_ends_what_is_outstanding_and_nothing_else() -> None:
    with producing(6) as (producer, files):
        producer.signal(2)
        producer.signal(4)
        assert [producer.said(), producer.said()] == ["2", "4"]
        producer.kill()
        assert all(file.wait(PATIENCE_S) for file in files)
        assert [file.status for file in files] == [1, 1, 1, 1, -errno.ESRCH, -errno.ESRCH]
        assert [file.info().timestamp_ns for file in files] == [2000, 2000, 4000, 4000, None, None]


def test_a_holder_that_sleeps_is_woken_by_the_death_of_the_producer() -> None:
    with producing(1) as (producer, (file,)):
        poll = select.epoll()
        with poll:
            poll.register(file, select.EPOLLIN)
            assert poll.poll(0) == []
            producer.process.send_signal(signal.SIGKILL)
            assert [fd for fd, _ in poll.poll(PATIENCE_S)] == [file.fileno()]
        assert file.status == -errno.ESRCH


def test_a_producer_that_ends_in_good_order_closes_its_timeline() -> None:
    with producing(1, then="timeline.close()") as (producer, (file,)):
        producer.process.wait(PATIENCE_S)
        assert file.status == -errno.ENOENT


def test_a_child_of_the_producer_does_not_keep_its_fences_alive() -> None:
    # One write each: where standard output is unbuffered, print writes the line's end by itself.
    sleep = 'os.write(1, b"%d\\n" % os.fork())\nsock.recv(1)'
    with producing(1, then=sleep) as (producer, (file,)):
        pids = {int(producer.said()), int(producer.said())} - {0}
        producer.kill()
        assert file.wait(PATIENCE_S)
        assert file.status == -errno.ESRCH
        for pid in pids:
            os.kill(pid, signal.SIGKILL)


HOLDER = """
import sys
from virtio.fence.sync_file import SyncFile

with SyncFile.adopt(int(sys.argv[1])) as file:
    print("ready", flush=True)
    assert file.wait(60)
    print(*file.info()[:5], flush=True)
"""


def test_every_process_that_holds_a_file_is_woken() -> None:
    fence = Fence(3, 4)
    with SyncFile.from_fence(fence, "frame") as file:
        holders = [
            subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(file.fileno())],
                pass_fds=[file.fileno()], stdout=subprocess.PIPE, text=True,
            )
            for _ in range(3)
        ]  # fmt: skip
        for holder in holders:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "ready\n"
        fence.signal(now_ns=70)
        for holder in holders:
            assert holder.communicate(timeout=PATIENCE_S)[0] == "frame 3 4 1 70\n"


def test_a_holder_that_is_killed_disturbs_no_other() -> None:
    fence = Fence()
    with SyncFile.from_fence(fence) as file:
        with subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(file.fileno())],
            pass_fds=[file.fileno()], stdout=subprocess.PIPE, text=True,
        ) as holder:  # fmt: skip
            assert holder.stdout is not None
            holder.stdout.readline()
            holder.kill()
        assert file.status == 0
        fence.signal()
        assert file.status == 1


def test_producers_that_are_killed_at_any_moment_lose_no_wake_up() -> None:
    """Each signals as fast as it can; wherever the kill falls, every file ends, done ones before undone."""
    count = 40
    race = f"for n in range(1, {count} + 1):\n    timeline.signal(n)\n    print(n, flush=True)\nsock.recv(1)"
    for moment in range(0, count, 8):
        with producing(count, then=race) as (producer, files):
            for _ in range(moment):
                producer.said()
            producer.kill()
            assert all(file.wait(PATIENCE_S) for file in files)
            statuses = [file.status for file in files]
            done = statuses.count(1)
            assert done >= moment
            assert statuses == [1] * done + [-errno.ESRCH] * (count - done)
