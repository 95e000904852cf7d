"""File descriptors that arrive from a peer: the receiver owns them, must not lose one, nor wait on one.

O_NONBLOCK belongs to the open file description, which the peer has too: it can clear the flag at any time.
So every call on such a descriptor says for itself that it must not wait.
"""

from __future__ import annotations

import errno
import fcntl
import os
import select
import socket
import threading
from collections.abc import Iterable
from pathlib import Path

from virtio import eventfd

_ONE = (1).to_bytes(8, "little")
# What `/proc/self/fd` calls descriptors whose readiness the kernel itself knows. For a file of a file system
# in user space (FUSE) it would ask there.
_BELLS = ("anon_inode:[eventfd]", "pipe:", "socket:")


def close_fds(fds: Iterable[int]) -> None:
    """Close descriptors that are not wanted, without waiting for a file's flush or a socket that lingers."""
    for fd in fds:
        if _closes_at_once(fd):
            os.close(fd)
        else:
            _close_elsewhere(fd)


def is_shared_memory(fd: int) -> bool:
    """Whether it is a file that is memory (memfd, tmpfs, hugetlbfs); no file system is asked."""
    try:
        fcntl.fcntl(fd, fcntl.F_GET_SEALS)
    except OSError:
        return False
    return True


def _closes_at_once(fd: int) -> bool:
    if is_shared_memory(fd) or fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_PATH:
        return True
    try:
        name = _name(fd)
    except OSError:  # the kernel has no memory to say it
        return False
    if not name.startswith("socket:"):
        return name.startswith(_BELLS)
    sock = socket.socket(fileno=fd)  # no duplicate, which cannot be had when descriptors are all used up
    try:
        return sock.family == socket.AF_UNIX
    finally:
        sock.detach()


def _close_elsewhere(fd: int) -> threading.Thread:
    """The descriptor's number is free at once; the rest may take as long as its peer likes."""
    thread = threading.Thread(target=os.close, args=(fd,), name="scanout-close", daemon=True)
    thread.start()
    return thread


def _name(fd: int) -> str:
    return str(Path(f"/proc/self/fd/{fd}").readlink())


def require_bell(fd: int) -> None:
    """Refuse what is no doorbell: no eventfd, pipe or socket.

    Raises:
        OSError: It is something else, which may make a caller wait, or be without readiness.
    """
    if not _name(fd).startswith(_BELLS):
        raise OSError(errno.EPERM, "it is no eventfd, pipe or socket")


def read_now(fd: int, size: int) -> bytes:
    """Up to `size` bytes that are there.

    Raises:
        BlockingIOError: There are none.
        OSError: It cannot be read from.
    """
    buffer = bytearray(size)
    try:
        return bytes(buffer[: os.preadv(fd, [buffer], -1, os.RWF_NOWAIT)])
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    # Linux before 6.4 has no such flag for pipes; only a peer that reads from its own bell gets between.
    _require(fd, select.POLLIN)
    return os.read(fd, size)


def ring(fd: int) -> bool:
    """Ring a doorbell: an eventfd, a pipe or a socket.

    Returns:
        False when its other end is gone. A full one counts as rung: its owner will wake up anyway.
    """
    try:
        return eventfd.signal(fd) or write_now(fd, _ONE) > 0
    except BlockingIOError:
        return True
    except OSError:
        return False


def write_now(fd: int, data: bytes) -> int:
    """Write as much of `data` as there is room for; returns how much that was.

    Raises:
        BlockingIOError: There is no room.
        OSError: It cannot be written to.
    """
    try:
        return os.pwritev(fd, [data], -1, os.RWF_NOWAIT)
    except OSError as error:
        if error.errno != errno.EOPNOTSUPP:
            raise
    # A terminal; a pipe before Linux 6.4; or an eventfd, where asynchronous I/O is forbidden.
    _require(fd, select.POLLOUT)
    return os.write(fd, data)


def _require(fd: int, event: int) -> None:
    poll = select.poll()
    poll.register(fd, event)
    if not poll.poll(0):
        raise BlockingIOError
