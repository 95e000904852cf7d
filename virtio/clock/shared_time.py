"""The page of time that a kernel shares with the calendar, so that few messages are needed.

`struct um_timetravel_schedshm` (include/uapi/linux/um_timetravel.h, Linux 6.11): a kernel that gets this
memory with the answer to START reads the time and its bound there, writes there how far it has let its
time pass and when it wants to run next, and sends nothing but WAIT. Neither side writes while the other may
read: each side reads after a message of the other, on this socket or on one of its device's.

Every kernel gets a page of its own, with times of its own.
"""

from __future__ import annotations

import mmap
import os
import struct

from virtio.memory import SharedHandle

_VERSION = 2
_HEADER = struct.Struct("=IIQQHH")  # version, length, free_until, current_time, running_id, max_clients
_FREE_UNTIL, _CURRENT_TIME, _RUNNING = 8, 16, 24
_HEADER_SIZE = 4096
_CLIENT_SIZE = 128
_CAPABILITIES, _FLAGS, _REQUEST = 0, 4, 8  # in a client's place
_TIME_SHARE = 1  # a capability: all of this
_REQUESTED = 1  # a flag

# The clients: the calendar and the kernel. A kernel writes its wishes here if the client that runs can read
# them, else it sends them; so the calendar has the capability, too.
CALENDAR, KERNEL = 0, 1
_SIZE = _HEADER_SIZE + 2 * _CLIENT_SIZE
_OURS, _ITS = _HEADER_SIZE + CALENDAR * _CLIENT_SIZE, _HEADER_SIZE + KERNEL * _CLIENT_SIZE

_U16, _U32, _U64 = struct.Struct("=H"), struct.Struct("=I"), struct.Struct("=Q")


class SharedTime:
    """One kernel's page. `close` it.

    Attributes:
        fds: To send with the answer to START: the memory, and where to log to.
    """

    def __init__(self) -> None:
        self._memory = SharedHandle.create(_SIZE, name="scanout-time")  # which no kernel can cut short
        self._map = mmap.mmap(self._memory.fd, _SIZE)
        self._log = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self.fds = [self._memory.fd, self._log]
        _HEADER.pack_into(self._map, 0, _VERSION, _SIZE, 0, 0, CALENDAR, 2)
        _U32.pack_into(self._map, _OURS + _CAPABILITIES, _TIME_SHARE)

    @property
    def in_use(self) -> bool:
        """Whether the kernel has taken it up; one that does not know of it never does."""
        return bool(self._map[_ITS + _CAPABILITIES] & _TIME_SHARE)

    def run(self, now_ns: int, bound_ns: int) -> None:
        """The kernel is about to be told that it runs."""
        _U64.pack_into(self._map, _FREE_UNTIL, bound_ns)
        _U64.pack_into(self._map, _CURRENT_TIME, now_ns)
        _U16.pack_into(self._map, _RUNNING, KERNEL)

    def confine(self, bound_ns: int) -> None:
        """The running kernel gets a nearer bound."""
        _U64.pack_into(self._map, _FREE_UNTIL, bound_ns)

    def stand(self, now_ns: int) -> None:
        """The kernel waits, and may look at the time."""
        _U64.pack_into(self._map, _CURRENT_TIME, now_ns)
        _U16.pack_into(self._map, _RUNNING, CALENDAR)

    def now_ns(self) -> int:
        """How far the running kernel has let time pass."""
        time: int = _U64.unpack_from(self._map, _CURRENT_TIME)[0]
        return time

    def request_ns(self) -> int | None:
        """When the waiting kernel wants to run; None: when its device interrupts it."""
        if not self._map[_ITS + _FLAGS] & _REQUESTED:
            return None
        time: int = _U64.unpack_from(self._map, _ITS + _REQUEST)[0]
        return time

    def close(self) -> None:
        """Give the memory back; once more does nothing."""
        if self.fds:
            self.fds = []
            self._memory.close()
            os.close(self._log)
            self._map.close()


class KernelTime:
    """The same page as the kernel has it. `close` it."""

    def __init__(self, fd: int, client: int) -> None:
        """Map the page, and take it up.

        Args:
            fd: Its memory, which stays the caller's.
            client: Whose place is the kernel's.

        Raises:
            OSError: This is no such memory.
            ValueError: It is too short.
        """
        self._map = mmap.mmap(fd, _HEADER_SIZE + (client + 1) * _CLIENT_SIZE)
        self._place = _HEADER_SIZE + client * _CLIENT_SIZE
        _U32.pack_into(self._map, self._place + _CAPABILITIES, _TIME_SHARE)

    def now_ns(self) -> int:
        """The time, which is right while the kernel runs, and when its device speaks to it."""
        time: int = _U64.unpack_from(self._map, _CURRENT_TIME)[0]
        return time

    def request(self, when_ns: int | None) -> None:
        """Say when the kernel wants to run; None: when its device interrupts it."""
        if when_ns is not None:
            _U64.pack_into(self._map, self._place + _REQUEST, when_ns)
        _U32.pack_into(self._map, self._place + _FLAGS, 0 if when_ns is None else _REQUESTED)

    def close(self) -> None:
        """Unmap it; once more does nothing."""
        self._map.close()
