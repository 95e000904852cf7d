"""The pair of sockets behind a sync file.

One end stays with the producer, the other is the sync file's descriptor, and is handed around.

- When the fence signals, the producer sends one record (status, time) and closes. Holders peek at the
  record (MSG_PEEK) and do not take it: the descriptor stays readable for every holder, however it came there,
  by dup, fork or SCM_RIGHTS.
- A producer that dies, by SIGKILL too, has its end closed by the kernel. The descriptor becomes readable
  without a record. That means -ESRCH, with which the DRM scheduler ends the jobs of a process that was killed
  (`drm_sched_entity_kill`). A record that was sent before stays.
- Name, context and seqno are the address that the holders' end is bound to, in the abstract namespace. So
  they travel with the descriptor, and `ss -x` lists it. The kernel knows whose the producer's end is
  (SO_PEERCRED).

A forked child is a holder like any other. The producer remains the parent, and only its death
counts: the child closes its copies of the producers' ends (those of a C program that forks stay open until
it runs another program).

A holder cannot forge a success, since nothing it sends comes to the other holders. It can take the record
away or shut the socket; the others then see an error. No holder can make others wait for ever.
"""

from __future__ import annotations

import errno
import os
import re
import select
import socket
import struct
import weakref
from contextlib import suppress

from virtio.fence.fence import Fence

_KIND = (socket.AF_UNIX, socket.SOCK_SEQPACKET)
_RECORD = struct.Struct("<iq")  # status: 1 or a negative errno; time in ns, or _NO_TIME
_NO_TIME = -1
_NAME_SIZE = 32  # of struct sync_file_info, include/uapi/linux/sync_file.h
# An address holds 108 bytes: these 15, 16 that make it unique, two 64-bit numbers, the name, 3 in between.
_PREFIX = b"\0scanout.sync1/"
_ADDRESS = re.compile(re.escape(_PREFIX) + rb"[0-9a-f]{16}/(-?\d+):(-?\d+)/(.*)", re.DOTALL)
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class _Socket(socket.socket):
    """A socket that closes itself in silence when it is dropped, and never blocks."""

    __slots__ = ()

    def __del__(self) -> None:
        self.close()

    def poll(self, events: int, timeout_ms: float | None) -> bool:
        """Whether one of `events` came, or the other end has gone (POLLHUP)."""
        poll = select.poll()
        poll.register(self, events)
        return bool(poll.poll(timeout_ms))


class HolderEnd(_Socket):
    """The end that polls readable when the fence has signalled."""

    __slots__ = ()

    def identity(self) -> tuple[int, int, str] | None:
        """The context, the seqno and the name of the sync file; None for any other socket."""
        address = self.getsockname()
        if self.type != socket.SOCK_SEQPACKET or not isinstance(address, bytes):
            return None
        named = _ADDRESS.fullmatch(address)
        return named and (int(named[1]), int(named[2]), named[3].decode(errors="replace"))

    def producer_pid(self) -> int:
        """The process that made the pair; 0 for one outside this PID namespace."""
        peer = self.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, _, _ = _CREDENTIALS.unpack(peer)
        return int(pid)

    def peek(self) -> tuple[int, int | None]:
        """Status (0 active, 1 signalled, a negative errno) and time in ns.

        The maker of a socket that came from elsewhere may send anything. What polls readable is never active
        here, or a holder that polls would spin.
        """
        try:
            record = self.recv(_RECORD.size + 1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0, None
        except OSError:
            return -errno.EBADMSG, None
        if not record:
            return -errno.ESRCH, None
        if len(record) != _RECORD.size:
            return -errno.EBADMSG, None
        status, time = _RECORD.unpack(record)
        if status >= 0 and status != 1:
            return -errno.EBADMSG, None
        return status, None if time == _NO_TIME else time


class ProducerEnd(_Socket):
    """The end that says what became of the fence."""

    __slots__ = ()

    def tell(self, fence: Fence) -> None:
        """The callback of the fence, which holds this end by nothing else."""
        self.finish(fence.status, fence.timestamp_ns)

    def finish(self, status: int, timestamp_ns: int | None) -> None:
        """Send the record and close; on a closed end, nothing."""
        time = _NO_TIME if timestamp_ns is None else timestamp_ns
        with suppress(OSError):  # no holder is left, or this end was closed
            self.send(_RECORD.pack(status, time), socket.MSG_NOSIGNAL | socket.MSG_DONTWAIT)
        self.close()

    def is_heard(self) -> bool:
        """Whether it is open, and some process holds the other end."""
        return self.fileno() >= 0 and not self.poll(0, 0)

    def __del__(self) -> None:
        # The fence is gone and will never signal. The kernel ends such a fence so (`dma_fence_release`).
        self.finish(-errno.EDEADLK, None)


_producers: weakref.WeakSet[ProducerEnd] = weakref.WeakSet()


def shorten(name: str) -> str:
    """As much of a name as an address has room for, in whole characters."""
    return name.encode()[:_NAME_SIZE].decode(errors="ignore")


def make_pair(context: int, seqno: int, name: str) -> tuple[ProducerEnd, HolderEnd]:
    """The two ends of a new sync file; the name is a short one."""
    one, other = socket.socketpair(*_KIND)
    producer, holder = ProducerEnd(*_KIND, 0, one.detach()), HolderEnd(*_KIND, 0, other.detach())
    _producers.add(producer)
    producer.shutdown(socket.SHUT_RD)  # holders cannot send
    for end in (producer, holder):
        end.setblocking(False)
    holder.bind(_PREFIX + f"{os.urandom(8).hex()}/{context}:{seqno}/{name}".encode())
    return producer, holder


def _disown() -> None:
    """In a forked child: what the parent produces ends with the parent."""
    for end in list(_producers):
        end.close()


os.register_at_fork(after_in_child=_disown)
