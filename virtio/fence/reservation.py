"""Who uses a buffer, and who has to wait for that: implicit synchronisation.

Modelled on `struct dma_resv` (linux/dma-resv.h, drivers/dma-buf/dma-resv.c).
"""

from __future__ import annotations

from enum import IntEnum

from virtio.fence.array import merge, unwrap
from virtio.fence.fence import Fence


class Usage(IntEnum):
    """What a fence's work does with the buffer. A query at one usage returns all lower ones too."""

    KERNEL = 0
    """Moves or clears the memory itself; every access waits for it."""
    WRITE = 1
    READ = 2
    BOOKKEEP = 3
    """No implicit synchronisation; only those who free the memory wait for it."""

    @classmethod
    def to_wait_for(cls, *, write: bool) -> Usage:
        """What a new access has to wait for: a writer for readers and writers, a reader for writers.

        It looks the wrong way round, and is right (`dma_resv_usage_rw`).
        """
        return cls.READ if write else cls.WRITE


class Reservation:
    """The fences of one buffer, each with its usage."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[tuple[Fence, Usage]] = []

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, fence: Fence, usage: Usage) -> None:
        """The buffer is in use until `fence` signals.

        It takes the place of fences of its context that are not later and whose usage is not stronger: they
        signal before it does, and a query that returned them returns it. Signalled ones are forgotten. The
        members of an array are added one by one.
        """
        for leaf in unwrap(fence):
            self._entries = [entry for entry in self._entries if not _is_replaced(*entry, leaf, usage)]
            if not leaf.signaled:
                self._entries.append((leaf, usage))

    def fences(self, usage: Usage) -> list[Fence]:
        """The fences of `usage` and of all lower ones that have not signalled, oldest entry first."""
        return [fence for fence, its in self._entries if its <= usage and not fence.signaled]

    def fences_for(self, *, write: bool) -> list[Fence]:
        """What an access to the buffer has to wait for."""
        return self.fences(Usage.to_wait_for(write=write))

    def singleton(self, usage: Usage) -> Fence:
        """One fence for all that `fences` returns; signalled when there is none."""
        return merge(*self.fences(usage))


def _is_replaced(old: Fence, old_usage: Usage, new: Fence, usage: Usage) -> bool:
    if old.signaled:
        return True
    return old.context == new.context and old_usage >= usage and not old.is_later_than(new)
