"""A fence as a file descriptor: it polls readable when the fence signals, in any process that holds it.

Linux's sync_file (drivers/dma-buf/sync_file.c) in user space; `virtio.fence.sync_socket` says how. It works
after dup, fork and passing to another process, and signals with an error when its producer dies.
"""

from __future__ import annotations

import os
import select
import stat
from typing import NamedTuple, Self

from virtio.closing import Closing
from virtio.errors import Misuse
from virtio.fence.fence import Fence
from virtio.fence.sync_socket import HolderEnd, ProducerEnd, make_pair, shorten


class SyncFileInfo(NamedTuple):
    """What a sync file says of itself (SYNC_IOC_FILE_INFO).

    Attributes:
        name: Given to it, or made from the fence's timeline; at most 32 bytes.
        context: The fence's, a number of the producer's process.
        seqno: As `context`.
        status: 0 active, 1 signalled, negative: the errno of work that failed.
        timestamp_ns: When it signalled, on the producer's clock; None before, and where it is unknown.
        producer_pid: The process that made it; 0 for one outside this PID namespace.
    """

    name: str
    context: int
    seqno: int
    status: int
    timestamp_ns: int | None
    producer_pid: int


class SyncFile(Closing):
    """Owns one descriptor of a sync file.

    Closed explicitly, by `with`, or when the last reference goes.

    Attributes:
        context: The fence's context, a number of the producer's process.
        seqno: The fence's number there.
        name: For messages.
    """

    __slots__ = ("context", "seqno", "name", "_end", "_fence", "_producer")

    def __init__(self, end: HolderEnd, identity: tuple[int, int, str]) -> None:
        """Take over an end; `from_fence` and `adopt` make and check it."""
        self.context, self.seqno, self.name = identity
        self._end = end
        self._fence: Fence | None = None  # in the process that made it
        self._producer: ProducerEnd | None = None

    @classmethod
    def from_fence(cls, fence: Fence, name: str | None = None) -> Self:
        """A sync file that signals when `fence` does, in this process.

        Args:
            fence: Holds a second descriptor until then, or until this object is closed and no other holder
                is left.
            name: Cut after 32 bytes; by default the timeline's name and the fence's numbers.
        """
        if name is None:
            timeline = fence.producer.timeline if fence.producer else "fence"
            name = f"{timeline}{fence.context}-{fence.seqno}"
        identity = fence.context, fence.seqno, shorten(name)
        producer, end = make_pair(*identity)
        fence.add_callback(producer.tell)
        file = cls(end, identity)
        file._fence, file._producer = fence, producer
        return file

    @classmethod
    def adopt(cls, fd: int) -> Self:
        """Take ownership of a descriptor, for one that came over a socket.

        Raises:
            Misuse: It is no sync file. The descriptor then still belongs to the caller.
        """
        try:
            is_socket = stat.S_ISSOCK(os.fstat(fd).st_mode)
        except OSError as error:
            raise Misuse(f"file descriptor {fd} is no sync file: {error.strerror}") from error
        if not is_socket:
            raise Misuse(f"file descriptor {fd} is no sync file: it is no socket")
        end = HolderEnd(fileno=fd)
        identity = end.identity()
        if identity is None:
            end.detach()
            raise Misuse(f"file descriptor {fd} is no sync file: it is another kind of socket")
        end.setblocking(False)
        return cls(end, identity)

    @property
    def status(self) -> int:
        """0 active, 1 signalled, negative: the errno of work that failed. Raises `Misuse` when closed."""
        self.fileno()
        return self._end.peek()[0]

    def info(self) -> SyncFileInfo:
        """Everything that is known of it, now.

        Raises:
            Misuse: The file is closed.
        """
        self.fileno()
        pid = self._end.producer_pid()
        return SyncFileInfo(self.name, self.context, self.seqno, *self._end.peek(), pid)

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until it has signalled, or for `timeout_s` seconds.

        Returns:
            Whether it has.

        Raises:
            Misuse: The file is closed.
        """
        self.fileno()
        return self._end.poll(select.POLLIN, None if timeout_s is None else timeout_s * 1e3)

    def fileno(self) -> int:
        """The descriptor, still owned by this object: to poll, to pass on.

        Raises:
            Misuse: The file is closed.
        """
        fd = self._end.fileno()
        if fd < 0:
            raise Misuse(f"sync file {self.name} is closed")
        return fd

    def close(self) -> None:
        """Give the descriptor back; once more does nothing."""
        self._end.close()
        fence, producer, self._fence, self._producer = self._fence, self._producer, None, None
        if fence is not None and producer is not None and not producer.is_heard():
            # The last holder is gone: leave nothing at the fence.
            fence.remove_callback(producer.tell)
            producer.close()

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<SyncFile {self.name}, fd {self._end.fileno()}>"
