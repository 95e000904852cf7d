"""Signal an eventfd that a peer shares, without ever waiting.

A write to an eventfd waits while its counter is full, unless O_NONBLOCK is set; and that flag belongs to the
open file description, so a peer can fill the counter and clear the flag in any moment between a check and the
write. eventfds have no flag for a single write (RWF_NOWAIT) either. What never waits is the kernel's own
signal, `eventfd_signal`, which leaves a full counter full. A process can ask for it as the notice that a
request of asynchronous I/O is complete (io_submit(2), IOCB_FLAG_RESFD). The request made here asks whether
the eventfd can be read or written; one of these is always so, and the request complete at once.
"""

from __future__ import annotations

import ctypes
import os
import platform
import select
from functools import cache

# io_setup, io_submit, io_getevents
_NUMBERS = {"x86_64": (206, 209, 208), "aarch64": (0, 2, 4)}
_POLL = 5  # IOCB_CMD_POLL
_RESFD = 1  # IOCB_FLAG_RESFD
_EVENT_SIZE = 32  # struct io_event
_REAPED = 64
"""Completions that are taken out of a context at once, which has room for twice as many."""


class _Request(ctypes.Structure):
    """`struct iocb`, include/uapi/linux/aio_abi.h (little-endian)."""

    _fields_ = (
        ("data", ctypes.c_uint64),
        ("key", ctypes.c_uint32),
        ("rw_flags", ctypes.c_int32),
        ("opcode", ctypes.c_uint16),
        ("priority", ctypes.c_int16),
        ("fd", ctypes.c_uint32),
        ("events", ctypes.c_uint64),
        ("length", ctypes.c_uint64),
        ("offset", ctypes.c_int64),
        ("reserved", ctypes.c_uint64),
        ("flags", ctypes.c_uint32),
        ("eventfd", ctypes.c_uint32),
    )


class _Signaller:
    """One context of asynchronous I/O. No request ever waits in it; completions do, until they are reaped."""

    def __init__(self, setup: int, submit: int, getevents: int) -> None:
        # PyDLL keeps the interpreter's lock: the calls are short, and giving it up costs more.
        self._call = ctypes.PyDLL(None).syscall
        self._call.restype = ctypes.c_long
        self._context = ctypes.c_ulong(0)
        if self._call(ctypes.c_long(setup), ctypes.c_long(2 * _REAPED), ctypes.byref(self._context)):
            raise OSError("io_setup(2) was refused")
        self._submit, self._getevents = ctypes.c_long(submit), ctypes.c_long(getevents)
        self._request = _Request(opcode=_POLL, events=select.POLLIN | select.POLLOUT, flags=_RESFD)
        self._requests = ctypes.byref(ctypes.c_void_p(ctypes.addressof(self._request)))
        self._one = ctypes.c_long(1)
        self._completions = ctypes.create_string_buffer(_REAPED * _EVENT_SIZE)
        self._unreaped = 0

    def signal(self, fd: int) -> bool:
        """Whether `fd` is an eventfd; it has been signalled then."""
        self._request.fd = self._request.eventfd = fd
        if self._call(self._submit, self._context, self._one, self._requests) != 1:
            return False
        self._unreaped += 1
        if self._unreaped == _REAPED:
            self._reap()
        return True

    def _reap(self) -> None:
        self._unreaped = 0
        least, most, no_limit = ctypes.c_long(0), ctypes.c_long(_REAPED), ctypes.c_void_p(None)
        self._call(self._getevents, self._context, least, most, self._completions, no_limit)


def signal(fd: int) -> bool:
    """Add one to an eventfd's counter, unless it is full, and never wait.

    Returns:
        False when `fd` is no eventfd, or this kernel has no asynchronous I/O.
    """
    signaller = _signaller()
    return signaller is not None and signaller.signal(fd)


@cache
def _signaller() -> _Signaller | None:
    numbers = _NUMBERS.get(platform.machine())
    try:
        return None if numbers is None else _Signaller(*numbers)
    except OSError:  # forbidden, or the system has too many contexts
        return None


os.register_at_fork(after_in_child=_signaller.cache_clear)  # a context belongs to one address space
