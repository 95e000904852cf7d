"""System calls that fail on demand: the n-th of a run, with an error that the kernel may give.

As SQLite's tests do it: count the calls of a run in which all goes well, then run once for each of them and
each of its errors. Only calls that the device makes fail: those whose caller is a module of `virtio`.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import fcntl
import os
import select
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from virtio.memory import mapping

# What takes a descriptor, memory, or a place in a table of the kernel's; and what reads and writes.
_DESCRIPTOR = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
_LOOKS = (errno.ENOMEM, errno.EIO)
CALLS: tuple[tuple[Any, str, tuple[int, ...]], ...] = (
    (os, "memfd_create", _DESCRIPTOR),
    (os, "ftruncate", (errno.ENOMEM, errno.EFBIG)),
    (os, "dup", (errno.EMFILE,)),
    (os, "eventfd", _DESCRIPTOR),
    (os, "pipe", _DESCRIPTOR),
    (os, "open", _DESCRIPTOR),
    (os, "fstat", _LOOKS),
    (os, "fstatvfs", _LOOKS),
    (os, "preadv", (errno.EIO, errno.ENOMEM)),
    (os, "pwritev", (errno.EIO, errno.EPIPE)),
    (Path, "readlink", _LOOKS),
    (socket, "socketpair", _DESCRIPTOR),
    (socket.socket, "accept", (*_DESCRIPTOR, errno.ECONNABORTED)),
    (socket.socket, "bind", (errno.ENOMEM, errno.EROFS)),
    (socket.socket, "listen", (errno.EADDRINUSE,)),
    (socket.socket, "getsockopt", (errno.ENOBUFS,)),
    (socket.socket, "recvmsg", (errno.ENOMEM, errno.ECONNRESET)),
    (socket.socket, "sendmsg", (errno.ENOBUFS, errno.EPIPE)),
    (asyncio.SelectorEventLoop, "add_reader", (errno.ENOMEM, errno.ENOSPC)),
    (asyncio.SelectorEventLoop, "add_writer", (errno.ENOMEM, errno.ENOSPC)),
    (select, "poll", (errno.ENOMEM,)),
)
_ADDS = {fcntl.F_DUPFD_CLOEXEC: (errno.EMFILE,), fcntl.F_ADD_SEALS: (errno.ENOMEM,)}


class Failing:
    """Counts the device's system calls while it is armed, and makes one of them fail.

    Attributes:
        seen: What was called while armed, in order, with the errors that it may end with.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, tuple[int, ...]]] = []
        self._fails_at: int | None = None
        self._error = 0
        self._armed = False
        for owner, name, errors in CALLS:
            monkeypatch.setattr(owner, name, self._wrapped(name, getattr(owner, name), errors), raising=False)
        monkeypatch.setattr(fcntl, "fcntl", self._fcntl(fcntl.fcntl))
        monkeypatch.setattr(mapping, "_kernel_mmap", self._mmap(mapping._kernel_mmap))

    def arm(self, fails_at: int | None = None, error: int = 0) -> None:
        """Count from 0 on; call number `fails_at` ends with `error`."""
        self.seen, self._armed = [], True
        self._fails_at, self._error = fails_at, error

    def disarm(self) -> bool:
        """Let all calls through, uncounted; whether the one that was to fail did."""
        self._armed = False
        return self._fails_at is not None and len(self.seen) > self._fails_at

    def _fails(self, name: str, errors: tuple[int, ...], depth: int = 2) -> bool:
        if not self._armed or not sys._getframe(depth).f_globals["__name__"].startswith("virtio."):
            return False
        self.seen.append((name, errors))
        return len(self.seen) - 1 == self._fails_at

    def _raise(self) -> None:
        raise OSError(self._error, os.strerror(self._error))

    def _wrapped(self, name: str, call: Callable[..., Any], errors: tuple[int, ...]) -> Callable[..., Any]:
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            if self._fails(name, errors):
                self._raise()
            return call(*args, **kwargs)

        return wrapper

    def _fcntl(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapper(fd: Any, command: int, *args: Any) -> Any:
            if command in _ADDS and self._fails("fcntl", _ADDS[command]):
                self._raise()
            return call(fd, command, *args)

        return wrapper

    def _mmap(self, call: Callable[..., int]) -> Callable[..., int]:
        def wrapper(*args: Any) -> int:
            if self._fails("mmap", (errno.ENOMEM, errno.EAGAIN)):
                ctypes.set_errno(self._error)
                return -1
            return call(*args)

        return wrapper
