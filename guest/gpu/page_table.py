"""The GPU's page tables: from a GPU virtual address to a page of VRAM or of system memory.

Tables of 1024 entries under one directory, 4 KiB pages, 40 bits of addresses. An entry is 64 bits: the page's
address with the flags below in its low bits. A page of VRAM is named by its offset in the VRAM that the guest
sees, a page of system memory by its guest physical address (the IOMMU does the rest).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.gpu.faults import PageFault
from virtio.memory import Run

PAGE = 4096
VALID, IN_VRAM, READ_ONLY = 1, 2, 4
_FLAGS = PAGE - 1
_LEAF = 1024  # entries of a table
ADDRESSES = 1 << 40
"""Size of the address space, bytes."""


class Extent(NamedTuple):
    """Neighbouring bytes of one kind of memory.

    Attributes:
        in_vram: Whether they lie in VRAM.
        address: Offset in VRAM, or guest physical address.
        length: Bytes.
    """

    in_vram: bool
    address: int
    length: int


def entries(runs: Sequence[Run], flags: int = 0) -> NDArray[np.uint64]:
    """Entries, one a page, that map page-aligned runs in their order.

    Args:
        runs: (address, bytes) of memory, each a multiple of the page size.
        flags: `IN_VRAM`, `READ_ONLY`; they become `VALID` besides.
    """
    pages = [np.arange(address, address + length, PAGE, dtype=np.uint64) for address, length in runs]
    return np.asarray(np.concatenate(pages) | np.uint64(flags | VALID))


class PageTable:
    """One address space's tables, empty at first.

    Attributes:
        generation: Grows with every write, so that a cache of translations knows when it is stale.
    """

    def __init__(self) -> None:
        self.generation = 0
        self._leaves: dict[int, NDArray[np.uint64]] = {}

    def write(self, address: int, values: NDArray[np.uint64]) -> None:
        """Write the entries of the pages from `address` on; 0 unmaps.

        Raises:
            PageFault: Beyond the address space.
        """
        if address < 0 or address % PAGE or address + len(values) * PAGE > ADDRESSES:
            raise PageFault(f"{len(values)} pages at {address:#x} do not lie in the GPU's address space")
        self.generation += 1
        page, position = address // PAGE, 0
        while position < len(values):
            leaf, first = divmod(page + position, _LEAF)
            part = values[position : position + _LEAF - first]
            table = self._leaves.setdefault(leaf, np.zeros(_LEAF, np.uint64))
            table[first : first + len(part)] = part
            position += len(part)

    def translate(self, address: int, length: int, *, write: bool) -> list[Extent]:
        """Where `length` bytes from `address` on lie, in order, neighbours joined.

        Raises:
            PageFault: Some have no page, or a page that is read-only is to be written.
        """
        first, last = address // PAGE, (address + length - 1) // PAGE
        if length <= 0 or address < 0 or address + length > ADDRESSES:
            raise PageFault(f"{length} bytes at {address:#x} do not lie in the GPU's address space")
        found = self._read(first, last - first + 1)
        refused = (found & VALID == 0) | ((found & READ_ONLY != 0) & write)
        if refused.any():
            page = (first + int(np.argmax(refused))) * PAGE
            how = "write to" if write else "read of"
            raise PageFault(f"{how} {length} bytes at {address:#x}: nothing to use is mapped at {page:#x}")
        return _joined(found, address % PAGE, length)

    def _read(self, page: int, count: int) -> NDArray[np.uint64]:
        values = np.zeros(count, np.uint64)
        position = 0
        while position < count:
            leaf, first = divmod(page + position, _LEAF)
            taken = min(count - position, _LEAF - first)
            if leaf in self._leaves:
                values[position : position + taken] = self._leaves[leaf][first : first + taken]
            position += taken
        return values


def _joined(found: NDArray[np.uint64], offset: int, length: int) -> list[Extent]:
    """Entries as extents; the first begins `offset` bytes into its page."""
    places = found & np.uint64(~_FLAGS & 0xFFFF_FFFF_FFFF_FFFF)
    local = found & IN_VRAM != 0
    starts = (np.diff(places) != PAGE) | (np.diff(local.astype(np.uint8)) != 0)
    heads = [0, *(np.flatnonzero(starts) + 1).tolist(), len(found)]
    extents = []
    for head, end in pairwise(heads):
        skipped = offset if head == 0 else 0
        size = min((end - head) * PAGE - skipped, length)
        extents.append(Extent(bool(local[head]), int(places[head]) + skipped, size))
        length -= size
    return extents
