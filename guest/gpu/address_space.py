"""What a context sees: its page table over its guest's memory, as arrays.

Translated runs become one contiguous array by `GuestMemory.map_scattered`: the engine works on the guest's
own pages, and no byte is copied to get there.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.gpu.commands import Area, Surface
from guest.gpu.faults import BadCommand, OutsidePartition
from guest.gpu.page_table import PAGE, PageTable
from virtio.errors import MemoryFault
from virtio.memory import GuestMemory

BAR = 1 << 38
"""Guest physical address at which VRAM appears: its first byte, as the guest counts."""

_KEPT = 1024  # translations; a guest needs its surfaces, and the pages of its ring and batches


class MappedBytes(NamedTuple):
    """Bytes of an address space.

    Attributes:
        data: (length,) uint8, writable, the memory itself.
        vram_bytes: How many of them lie in VRAM.
    """

    data: NDArray[np.uint8]
    vram_bytes: int


class AddressSpace:
    """One context's memory.

    Args:
        memory: All that the guest's GPU reaches: its system memory, and its VRAM from `BAR` on.

    Attributes:
        table: Its page table.
    """

    def __init__(self, memory: GuestMemory) -> None:
        self.table = PageTable()
        self._memory = memory
        self._views: dict[tuple[int, int, bool], MappedBytes] = {}
        self._generation = 0

    def view(self, address: int, length: int, *, write: bool = False) -> MappedBytes:
        """`length` bytes at a GPU virtual address.

        Raises:
            PageFault: They are not mapped so.
            OutsidePartition: They are mapped to memory that is not the guest's.
        """
        if self._generation != self.table.generation or len(self._views) > _KEPT:
            self._views, self._generation = {}, self.table.generation
        key = address, length, write
        known = self._views.get(key)
        if known is None:
            known = self._views[key] = self._translate(address, length, write)
        return known

    def _translate(self, address: int, length: int, write: bool) -> MappedBytes:
        extents = self.table.translate(address, length, write=write)
        runs = [(BAR * in_vram + place, size) for in_vram, place, size in extents]
        try:
            data = self._memory.map_scattered(runs, writable=True).data[:length]
        except MemoryFault as fault:
            raise OutsidePartition(f"GPU address {address:#x}: {fault}") from None
        return MappedBytes(data, sum(size for in_vram, _, size in extents if in_vram))

    def pixels(
        self, surface: Surface, rect: Area | None = None, *, write: bool = False
    ) -> tuple[NDArray[np.uint32], int, int]:
        """The pixels of a surface, or of a rectangle of it.

        Returns:
            (height, width) uint32 B8G8R8A8; how many of their bytes are in VRAM, and how many are not.

        Raises:
            BadCommand: No such surface or rectangle can be.
            PageFault: It is not mapped.
            OutsidePartition: It is not the guest's.
        """
        rect = Area(0, 0, surface.width, surface.height) if rect is None else rect
        if surface.address % 4 or surface.stride % 4 or 4 * surface.width > surface.stride:
            raise BadCommand(f"no surface of 32-bit pixels is like {surface}")
        if not rect.width or not rect.height:
            raise BadCommand(f"{rect} is empty")
        if rect.x + rect.width > surface.width or rect.y + rect.height > surface.height:
            raise BadCommand(f"{rect} reaches beyond {surface}")
        length = surface.stride * (surface.height - 1) + 4 * surface.width
        view = self.view(surface.address, length, write=write)
        rows = np.ndarray((surface.height, surface.width), np.uint32, view.data, strides=(surface.stride, 4))
        touched = 4 * rect.width * rect.height
        vram = touched * view.vram_bytes // length
        return rows[rect.y : rect.y + rect.height, rect.x : rect.x + rect.width], vram, touched - vram

    def read(self, address: int, length: int) -> bytes:
        """A copy of `length` bytes, by page: what is read in small pieces shares its pages' translations.

        Raises:
            GpuFault: As `view`.
        """
        pieces = []
        while length > 0:
            page, offset = address & ~(PAGE - 1), address % PAGE
            pieces.append(self.view(page, PAGE).data[offset : offset + length].tobytes())
            address, length = page + PAGE, length - (PAGE - offset)
        return b"".join(pieces)

    def load(self, address: int) -> int:
        """The 32 bits at an address.

        Raises:
            GpuFault: As `view`.
        """
        return int.from_bytes(self.read(address, 4), "little")

    def store(self, address: int, value: int) -> None:
        """Write 32 bits.

        Raises:
            GpuFault: As `view`.
        """
        self.view(address, 4, write=True).data[:] = np.frombuffer(value.to_bytes(4, "little"), np.uint8)

    def store_physical(self, address: int, value: int) -> None:
        """Write 32 bits of VRAM, past the page table.

        Raises:
            OutsidePartition: They are not the guest's.
        """
        try:
            self._memory.store(BAR + address, 4, value)
        except MemoryFault as fault:
            raise OutsidePartition(f"VRAM address {address:#x}: {fault}") from None

    def close(self) -> None:
        """Let go of all memory."""
        self._views = {}
