"""The GPU's own memory, and the parts of it that guests are given.

The first part of VRAM is visible to processors through a window on the bus (the BAR); the rest only the GPU
reaches. A guest's partition has a piece of either, as in GVT-g: 128 MB of the visible GiB and 384 MB of the
other three make eight, of which one is the host's (XPDS 2016).
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from guest.gpu.address_space import BAR
from guest.gpu.faults import OutOfMemory
from guest.gpu.page_table import PAGE
from guest.memory import PageAllocator
from virtio.errors import Misuse
from virtio.memory import Region, Run, SharedHandle

MIB = 1 << 20
VRAM_SIZE, VISIBLE_SIZE = 4096 * MIB, 1024 * MIB
PARTITIONS = 8


class Partition(NamedTuple):
    """A guest's part of VRAM.

    Attributes:
        visible: (offset, bytes) of what processors reach.
        hidden: (offset, bytes) of what only the GPU reaches.
        relative: The guest counts from 0, and hardware translates (SR-IOV); otherwise it counts as the GPU
            does, and the parts of others are ballooned: taken, in its allocator's eyes.
    """

    visible: Run
    hidden: Run
    relative: bool = False

    @property
    def size(self) -> int:
        """Bytes in all."""
        return self.visible[1] + self.hidden[1]

    @property
    def seen(self) -> tuple[Run, Run]:
        """The two parts by the offsets that the guest uses."""
        if not self.relative:
            return self.visible, self.hidden
        return (0, self.visible[1]), (self.visible[1], self.hidden[1])

    def regions(self, handle: SharedHandle, *, hidden: bool) -> list[Region]:
        """The parts as memory regions at `BAR`; without `hidden`, what a processor reaches."""
        pairs = zip(self.seen, (self.visible, self.hidden), strict=True)
        regions = [Region(BAR + seen, size, handle, at) for (seen, size), (at, _) in pairs if size]
        return regions if hidden else regions[:1]


def partition(index: int, vram: int, visible: int, *, relative: bool) -> Partition:
    """Part `index` of `PARTITIONS` equal ones.

    Raises:
        Misuse: The sizes cannot be divided so.
    """
    if visible > vram or visible % (PARTITIONS * PAGE) or vram % (PARTITIONS * PAGE):
        raise Misuse(
            f"{vram} bytes of VRAM, {visible} of them visible, do not make {PARTITIONS} parts of pages"
        )
    near, far = visible // PARTITIONS, (vram - visible) // PARTITIONS
    return Partition((index * near, near), (visible + index * far, far), relative)


class VramAllocator:
    """Hands out pages of one partition, by the offsets that its guest uses.

    Args:
        part: The partition.
        pool: Another guest's allocator, to share its pages with (API remoting has no partitions).

    Attributes:
        owned: Runs that this guest has.
    """

    def __init__(self, part: Partition, pool: VramAllocator | None = None) -> None:
        self.owned: list[Run] = []
        self._visible = part.seen[0]
        self._parts: Sequence[PageAllocator] = (
            [PageAllocator(_extents(run), Random(0)) for run in part.seen] if pool is None else pool._parts
        )

    def allocate(self, size: int, *, visible: bool = False) -> Run:
        """One run of at least `size` bytes; hidden memory unless processors have to reach it.

        Raises:
            OutOfMemory: There is none.
        """
        near, far = self._parts
        for allocator in (near,) if visible else (far, near):
            try:
                first, count = allocator.contiguous(-(-size // PAGE))
            except Misuse:
                continue
            self.owned.append((first * PAGE, count * PAGE))
            return self.owned[-1]
        kind = "visible graphics memory" if visible else "graphics memory"
        raise OutOfMemory(f"{size} bytes of {kind} wanted, {self.free_bytes(visible=visible)} left")

    def free(self, run: Run) -> None:
        """Give a run back.

        Raises:
            Misuse: It is not one that this guest has.
        """
        if run not in self.owned:
            raise Misuse(f"VRAM at {run[0]:#x} is given back by a guest that does not have it")
        self.owned.remove(run)
        start, size = self._visible
        self._parts[not start <= run[0] < start + size].free(run[0] // PAGE, run[1] // PAGE)

    def free_bytes(self, *, visible: bool = False) -> int:
        """What is left."""
        return PAGE * sum(part.free_pages for part in self._parts[: 1 if visible else 2])


def _extents(run: Run) -> list[tuple[int, int]]:
    return [(run[0] // PAGE, run[1] // PAGE)] if run[1] else []
