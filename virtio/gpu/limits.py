"""What one guest may use of its host.

A guest asks for resources by the thousand at no cost to itself, so everything that a command makes the
host spend is counted against a limit, and given back with the resource.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from virtio.budget import Budget
from virtio.gpu.errors import out_of_memory

_CACHE_LINE = 64  # bytes


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one guest.

    Attributes:
        host_memory_bytes: Host memory for 2D images, host blobs, and copies of what cannot be mapped.
        resources: Live resources. Linux was seen with 70 at once.
        entries: Memory entries of one resource (QEMU's limit; a 64 MiB buffer of single pages).
        dimension: Pixels along a side, of a 2D resource and of what a scanout shows of a blob. Displays
            have to show pictures of this size in every way that they offer.
        mappings: Kernel mappings for backings. The kernel grants a process 65530 of them
            (vm.max_map_count), shared by all guests; a backing beyond the share is copied from instead.
        backing_mappings: Kernel mappings of one backing, to the same effect. They are taken back in one call,
            4 ms for so many, which nothing interrupts. Linux was seen with 512.
        mapped_bytes: Address space for backings, to the same effect. A driver can name one page in many
            entries, so the size of its memory is no bound.
        address_space_bytes: Address space for the guest's memory, twice where a new table of it replaces an
            old one, and for all that is mapped from it. The kernel grants a process 128 TiB, shared by all
            guests, and sparse files cost a VMM nothing.
    """

    host_memory_bytes: int = 1 << 30
    resources: int = 4096
    entries: int = 16_384
    dimension: int = 16_384
    mappings: int = 16_384
    backing_mappings: int = 4096
    mapped_bytes: int = 1 << 36
    address_space_bytes: int = 1 << 42


class Ledger:
    """What one guest uses at the moment.

    Attributes:
        host_memory: Bytes.
        mappings: Kernel mappings.
        backing_mappings: As in `Limits`.
        mapped: Bytes of address space.
    """

    __slots__ = ("host_memory", "mappings", "backing_mappings", "mapped")

    def __init__(self, limits: Limits) -> None:
        self.host_memory = Budget(limits.host_memory_bytes)
        self.mappings = Budget(limits.mappings)
        self.backing_mappings = limits.backing_mappings
        self.mapped = Budget(limits.mapped_bytes)

    def charge(self, amount: int, purpose: str) -> None:
        """Count host memory.

        Raises:
            CommandFault: It would be more than the guest may have (ERR_OUT_OF_MEMORY).
        """
        budget = self.host_memory
        if not budget.has(amount):
            raise out_of_memory(
                f"{purpose} needs {amount} bytes of host memory, and the guest has {budget.used} "
                f"of {budget.limit} already"
            )
        budget.take(amount)

    def allocate(self, shape: tuple[int, ...], purpose: str) -> NDArray[np.uint8]:
        """Host memory of zeros, counted; `host_memory.give(array.nbytes)` when it is dropped.

        Raises:
            CommandFault: As `charge`, or the host itself is out of memory.
        """
        amount = int(np.prod(shape, dtype=object))
        self.charge(amount, purpose)
        try:
            memory = np.zeros(amount + _CACHE_LINE, np.uint8)
        except MemoryError:
            self.host_memory.give(amount)
            raise out_of_memory(f"{purpose}: the host has no {amount} bytes left") from None
        start = -memory.ctypes.data % _CACHE_LINE  # writes that straddle cache lines cost a tenth more
        return memory[start : start + amount].reshape(shape)
