"""Descriptor chains: the walk, which trusts nothing, and the token that a device holds meanwhile.

Each descriptor is copied out of guest memory once, then the copy is checked. A walk ends: direct chains
are no longer than the queue, indirect ones no longer than their table, and both no longer than `MAX_TABLE`.
"""

from __future__ import annotations

from virtio.errors import MemoryFault, QueueFault
from virtio.memory import GuestMemory
from virtio.ring.layout import (
    DESC_F_INDIRECT,
    DESC_F_NEXT,
    DESC_F_WRITE,
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
)

MAX_TABLE = 1024
"""Descriptors that a chain has in one table: the queue's own, or an indirect one.

The specification allows the queue's size only (2.7.5.3.1), but Linux exceeds it for long lists: 16384 backing
entries come as 64 pages on a queue of 64. 1024 is QEMU's
VIRTQUEUE_MAX_SIZE and its longest queue, so no driver sends more. A walk of 32768, the longest queue of all,
takes 80 ms.
"""

_MAX_TABLE = DESCRIPTOR_SIZE << 16  # `next` has 16 bits: no descriptor beyond can be reached
_MAX_BYTES = 1 << 32  # 2.7.5.2: longer chains are forbidden


class Chain:
    """One request of the driver: buffers to read, then buffers to write.

    It belongs to the device from `SplitQueue.pop` to `SplitQueue.add_used`, and keeps its memory mapped.

    Attributes:
        head: Index of its first descriptor, its name in the rings.
        readable: Buffers that the driver filled, in order; one byte stream, however it is cut.
        writable: Buffers for the answer, in order.
        readable_size: Bytes.
        writable_size: Bytes.
    """

    __slots__ = ("head", "readable", "writable", "readable_size", "writable_size")

    def __init__(self, head: int) -> None:
        self.head = head
        self.readable: list[memoryview] = []
        self.writable: list[memoryview] = []
        self.readable_size = 0
        self.writable_size = 0

    def read(self, limit: int) -> bytes:
        """Copy the request out of guest memory, once.

        Args:
            limit: Bytes at most; what lies beyond is left (compare `readable_size`).
        """
        if len(self.readable) == 1:
            return self.readable[0][:limit].tobytes()
        parts = []
        for buffer in self.readable:
            parts.append(buffer[:limit])
            limit -= len(buffer)
            if limit <= 0:
                break
        return b"".join(parts)

    def write(self, data: bytes) -> int:
        """Store the answer from the first writable byte on.

        Returns:
            Bytes written: `len(data)`, or `writable_size` if that is less.
        """
        written = 0
        for buffer in self.writable:
            part = data[written : written + len(buffer)]
            buffer[: len(part)] = part
            written += len(part)
            if written == len(data):
                break
        return written

    def __repr__(self) -> str:
        return f"<Chain {self.head}: {self.readable_size} bytes in, {self.writable_size} bytes out>"


class Walker:
    """Follows the chains of one queue.

    Args:
        memory: Where buffers and indirect tables lie.
        table: The queue's descriptor table.
        indirect: Whether INDIRECT_DESC was negotiated.
    """

    __slots__ = ("_memory", "_table", "_indirect")

    def __init__(self, memory: GuestMemory, table: memoryview, *, indirect: bool) -> None:
        self._memory = memory
        self._table = table
        self._indirect = indirect

    def walk(self, head: int) -> Chain:
        """The chain that begins with descriptor `head`.

        Zero or more descriptors of the queue's own table, of which the last may name an indirect table
        that holds the rest (2.7.5.3.2).

        Raises:
            QueueFault: It is malformed, in any of the ways that there are.
        """
        chain = Chain(head)
        indirect = self._follow(chain, self._table, head)
        if indirect is not None:
            table = self._indirect_table(head, *indirect)
            if self._follow(chain, table, 0) is not None:
                raise QueueFault(f"chain {head}: an indirect table names another indirect table")
        if chain.readable_size + chain.writable_size > _MAX_BYTES:
            raise QueueFault(f"chain {head}: longer than 2^32 bytes")
        return chain

    def _follow(self, chain: Chain, table: memoryview, index: int) -> tuple[int, int, int] | None:
        """Collect the buffers of one table, from `index` on.

        Returns:
            None at the end of the chain; address, length and flags of an indirect descriptor.
        """
        view, unpack = self._memory.view, DESCRIPTOR.unpack_from
        head, count = chain.head, len(table) // DESCRIPTOR_SIZE
        for _ in range(min(count, MAX_TABLE)):
            if index >= count:
                raise QueueFault(f"chain {head}: descriptor {index} is not one of the {count} of its table")
            address, length, flags, following = unpack(table, index * DESCRIPTOR_SIZE)
            if not length:
                raise QueueFault(f"chain {head}: descriptor {index} has no bytes")
            if flags & DESC_F_INDIRECT:
                return address, length, flags
            if flags & DESC_F_WRITE:
                buffers = chain.writable
                chain.writable_size += length
            elif chain.writable:
                raise QueueFault(f"chain {head}: descriptor {index} is readable after a writable one")
            else:
                buffers = chain.readable
                chain.readable_size += length
            try:
                buffers.append(view(address, length))
            except MemoryFault:
                buffers.extend(self._across_regions(head, address, length))
            if not flags & DESC_F_NEXT:
                return None
            index = following
        raise QueueFault(f"chain {head}: it loops, or is longer than its queue or table allows")

    def _across_regions(self, head: int, address: int, length: int) -> list[memoryview]:
        """A buffer that no single region holds: legal where regions adjoin."""
        try:
            return self._memory.views(address, length)
        except MemoryFault as fault:
            raise QueueFault(f"chain {head}: {fault}") from None

    def _indirect_table(self, head: int, address: int, length: int, flags: int) -> memoryview:
        """The table of an indirect descriptor. Its WRITE flag means nothing (2.7.5.3.2)."""
        if not self._indirect:
            raise QueueFault(f"chain {head}: an indirect descriptor, but INDIRECT_DESC was not negotiated")
        if flags & DESC_F_NEXT:
            raise QueueFault(f"chain {head}: an indirect descriptor has a successor")
        if length % DESCRIPTOR_SIZE or length > _MAX_TABLE:
            raise QueueFault(f"chain {head}: {length} bytes are no indirect table of 16-byte descriptors")
        try:
            return self._memory.view(address, length)
        except MemoryFault:
            return memoryview(b"".join(self._across_regions(head, address, length)))
