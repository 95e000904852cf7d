"""The driver's side of a split queue, for checks: written as told, read without trust (virtio 1.3, 2.7)."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from typing import NamedTuple

from compositor.conform.memory import PAGE, Memory, Piece
from compositor.conform.verdict import Failed, require
from compositor.conform.waiting import Waiting
from compositor.conform.wire import eventfd, rung
from virtio.descriptors import ring as bell
from virtio.ring.layout import (
    DESC_F_INDIRECT,
    DESC_F_NEXT,
    DESC_F_WRITE,
    DESCRIPTOR,
    DESCRIPTOR_SIZE,
    USED_ELEMENT,
    USED_ELEMENT_SIZE,
    USED_RING_OFFSET,
    available_ring_size,
    descriptor_table_size,
    used_ring_size,
)

_WORD = struct.Struct("<H")
_WRAP = 0xFFFF


class Buffer(NamedTuple):
    """One descriptor's worth of a chain.

    Attributes:
        piece: The memory.
        writable: For the device to write, else to read.
    """

    piece: Piece
    writable: bool = False


class Used(NamedTuple):
    """A chain that the device gave back.

    Attributes:
        head: Its first descriptor.
        length: Bytes that the device says it wrote.
    """

    head: int
    length: int


class Ring:
    """A split queue.

    Args:
        memory: Where it lies.
        size: Entries.
        base: Position in both rings to begin at.

    Attributes:
        size: Entries.
        table: Guest address of the descriptor table; likewise `available` and `used`.
        kick_fd: Rung by `kick`.
        call_fd: Rung by the device.
        error_fd: Rung by a device that finds the queue broken.
        next_available: Position of the next chain, free-running.
        seen: Position in the used ring up to which chains were taken back.
    """

    def __init__(self, memory: Memory, waiting: Waiting, *, size: int = 64, base: int = 0) -> None:
        self.size = size
        self._memory = memory
        self._waiting = waiting
        self.table = memory.take(descriptor_table_size(size), low=True, align=PAGE).address
        self.available = memory.take(available_ring_size(size), low=True, align=PAGE).address
        self.used = memory.take(used_ring_size(size), low=True, align=PAGE).address
        self.kick_fd, self.call_fd, self.error_fd = eventfd(), eventfd(), eventfd()
        self.next_available = self.seen = base & _WRAP
        self._free = list(range(size))
        self._chains: dict[int, tuple[list[int], int]] = {}  # descriptors and writable bytes, by head
        self._set_word(self.available + 2, base & _WRAP)
        self._set_word(self.used + 2, base & _WRAP)

    # The driver's words.

    def suppress(self, flags: int) -> None:
        """Write the available ring's flags: 1 asks for no notifications."""
        self._set_word(self.available, flags)

    def set_used_event(self, position: int) -> None:
        """Write `used_event`: a notification is wanted after this position is used."""
        self._set_word(self.available + 4 + 2 * self.size, position & _WRAP)

    @property
    def kick_wanted(self) -> bool:
        """Whether `avail_event` asks for a kick of the next chain."""
        return self._word(self.used + 4 + USED_ELEMENT_SIZE * self.size) == self.next_available

    @property
    def used_flags(self) -> int:
        """The used ring's flags, which the device writes."""
        return self._word(self.used)

    @property
    def used_index(self) -> int:
        """The used ring's index, which the device writes."""
        return self._word(self.used + 2)

    def describe(self, table: int, index: int, piece: Piece, flags: int, following: int = 0) -> None:
        """Write one descriptor of any table."""
        descriptor = DESCRIPTOR.pack(piece.address, piece.length, flags, following)
        self._memory.write(table + DESCRIPTOR_SIZE * index, descriptor)

    def chain(self, buffers: Sequence[Buffer], indirect: Piece | None = None, extra_flags: int = 0) -> int:
        """Describe a chain; it is not available yet.

        Args:
            buffers: In order.
            indirect: A table that holds what follows `buffers` (see `indirect_table`).
            extra_flags: Set in the indirect descriptor.

        Returns:
            Its head.
        """
        parts = [(buffer.piece, DESC_F_WRITE if buffer.writable else 0) for buffer in buffers]
        if indirect is not None:
            parts.append((indirect, DESC_F_INDIRECT | extra_flags))
        indices = [self._free.pop(0) for _ in parts]
        for place, (index, (piece, flags)) in enumerate(zip(indices, parts, strict=True)):
            last = place == len(parts) - 1
            following = 0 if last else indices[place + 1]
            self.describe(self.table, index, piece, flags if last else flags | DESC_F_NEXT, following)
        room = sum(buffer.piece.length for buffer in buffers if buffer.writable)
        self._chains[indices[0]] = indices, room if indirect is None else 1 << 32
        return indices[0]

    def indirect_table(self, buffers: Sequence[Buffer]) -> Piece:
        """A table of descriptors, in guest memory, for `chain`."""
        table = self._memory.take(DESCRIPTOR_SIZE * len(buffers))
        for index, buffer in enumerate(buffers):
            last = index == len(buffers) - 1
            flags = (DESC_F_WRITE if buffer.writable else 0) | (0 if last else DESC_F_NEXT)
            self.describe(table.address, index, buffer.piece, flags, 0 if last else index + 1)
        return table

    def publish(self, head: int, *, ahead: int = 1) -> None:
        """Make a chain available, and move the index on by `ahead`."""
        slot = self.next_available % self.size
        self._set_word(self.available + 4 + 2 * slot, head)
        self.next_available = (self.next_available + ahead) & _WRAP
        self._set_word(self.available + 2, self.next_available)

    def kick(self) -> None:
        """Tell the device."""
        bell(self.kick_fd)

    def submit(self, buffers: Sequence[Buffer]) -> int:
        """Make a chain of buffers available, and tell the device; its head."""
        head = self.chain(buffers)
        self.publish(head)
        self.kick()
        return head

    # The device's words.

    def take(self) -> list[Used]:
        """The chains that were given back since the last call.

        Raises:
            Failed: The used ring says what cannot be.
        """
        index = self.used_index
        arrived = (index - self.seen) & _WRAP
        require(
            arrived <= len(self._chains),
            f"the used index went from {self.seen} to {index}, with {len(self._chains)} chains outstanding",
        )
        return [self._take_one() for _ in range(arrived)]

    def _take_one(self) -> Used:
        place = self.used + USED_RING_OFFSET + USED_ELEMENT_SIZE * (self.seen % self.size)
        used = Used(*USED_ELEMENT.unpack(self._memory.read(place, USED_ELEMENT_SIZE)))
        self.seen = (self.seen + 1) & _WRAP
        if used.head not in self._chains:
            raise Failed(f"the device used chain {used.head}, which is not outstanding")
        indices, room = self._chains.pop(used.head)
        self._free += indices
        require(
            used.length <= room,
            f"the device says that it wrote {used.length} bytes, and there is room for {room}",
        )
        return used

    def finish(self, count: int = 1, what: str = "a used buffer") -> list[Used]:
        """Wait until the device has given back `count` chains; those.

        Raises:
            Overdue: It has not.
        """
        used: list[Used] = []

        def arrived() -> bool:
            used.extend(self.take())
            return len(used) >= count

        self._waiting.until(arrived, what)
        return used

    def called(self) -> int:
        """How often the device has notified since the last call."""
        return rung(self.call_fd)

    def wait_for_call(self) -> None:
        """Wait for a notification.

        Raises:
            Overdue: None came.
        """
        self._waiting.until(lambda: self.called() > 0, "a used buffer notification")

    def close(self) -> None:
        """Close the doorbells."""
        for fd in (self.kick_fd, self.call_fd, self.error_fd):
            os.close(fd)

    def _word(self, address: int) -> int:
        return int(_WORD.unpack(self._memory.read(address, 2))[0])

    def _set_word(self, address: int, value: int) -> None:
        self._memory.write(address, _WORD.pack(value))
