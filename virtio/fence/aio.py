"""The asyncio shell: awaiting fences, and following sync files of other processes.

Deadlines are times of the running loop (`loop.time()`), so they are virtual where the loop's time is.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Iterable

from virtio.closing import Closing
from virtio.errors import Misuse
from virtio.fence.fence import Fence, Producer
from virtio.fence.sync_file import SyncFile


async def wait(fence: Fence, *, deadline: float | None = None) -> int:
    """Wait until a fence has signalled.

    Args:
        fence: It must signal in this loop's thread.
        deadline: Loop time, seconds; None: however long it takes.

    Returns:
        Its status: 1, or the negative errno of work that failed.

    Raises:
        TimeoutError: The deadline passed first. Nothing of the wait is left at the fence.
    """
    if not fence.signaled:
        loop = asyncio.get_running_loop()
        woken = loop.create_future()

        def wake(_fence: Fence) -> None:
            if not woken.done():
                woken.set_result(None)

        fence.add_callback(wake)
        timer = None if deadline is None else loop.call_at(deadline, wake, fence)
        try:
            await woken
        finally:
            if timer is not None:
                timer.cancel()
            if not fence.signaled:
                fence.remove_callback(wake)
        if not fence.signaled:  # else it is in time, though the timer may have come first
            raise TimeoutError(f"{fence.describe()} has not signalled by its deadline")
    return fence.status


async def wait_all(fences: Iterable[Fence], *, deadline: float | None = None) -> None:
    """Wait until all have signalled, with or without errors; otherwise as `wait`."""
    for fence in list(fences):
        await wait(fence, deadline=deadline)


class SyncFileReader(Closing):
    """Makes a fence of a sync file that another process made.

    Closed explicitly or by `with`, in its loop's thread.

    Attributes:
        file: The file; it belongs to the reader, and closes with it.
        fence: Signals when the file does, with its error and time. Of its own context: numbers of another
            process mean nothing here.
    """

    def __init__(self, file: SyncFile) -> None:
        """Follow `file` on the running loop, and be the producer of its `fence`.

        Raises:
            Misuse: The fence of `file` is in this process already, or `file` is closed.
        """
        if file.fence is not None:
            raise Misuse(f"sync file {file.name} need not be followed: its fence is in this process")
        self._loop = asyncio.get_running_loop()
        info = file.info()
        self.file = file
        self.fence = file.fence = Fence(
            seqno=info.seqno, producer=Producer(info.name, f"process {info.producer_pid}")
        )
        self._loop.add_reader(file.fileno(), self._signal)

    def _signal(self) -> None:
        self._loop.remove_reader(self.file.fileno())
        info = self.file.info()
        self.fence.signal(None if info.status == 1 else info.status, now_ns=info.timestamp_ns)

    def close(self) -> None:
        """Stop following; a fence that has not signalled ends with -ENOENT. Once more does nothing."""
        if not self.fence.signaled:
            self._loop.remove_reader(self.file.fileno())
            self.fence.signal(-errno.ENOENT)
        self.file.close()
