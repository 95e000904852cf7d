"""Layout of a split virtqueue (virtio 1.3, 2.7): sizes, flags, offsets, and where one lies.

All fields are little-endian, and so is every host this runs on: the rings are read through native 16-bit
views, because a 16-bit index must be loaded and stored in one access, never byte by byte.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from virtio.errors import QueueFault

MAX_QUEUE_SIZE = 32_768
"""Entries in a queue at most (2.7)."""

DESCRIPTOR = struct.Struct("<QIHH")
"""`struct virtq_desc` (2.7.5): address, length, flags, next."""
DESCRIPTOR_SIZE = 16

DESC_F_NEXT = 1
"""The chain goes on at `next`."""
DESC_F_WRITE = 2
"""The buffer is for the device to write, else for it to read."""
DESC_F_INDIRECT = 4
"""The buffer holds a table of descriptors (2.7.5.3)."""

# Both rings are `le16 flags; le16 idx; ring[]`, then one `le16` for event suppression (2.7.6, 2.7.8).
FLAGS, INDEX, RING = 0, 1, 2
"""Places of the fields in either ring, counted in 16-bit words."""

AVAIL_F_NO_INTERRUPT = 1
"""The driver asks for no used-buffer notifications (2.7.6); without EVENT_IDX only."""
USED_F_NO_NOTIFY = 1
"""The device asks for no available-buffer notifications (2.7.8); without EVENT_IDX only."""

USED_ELEMENT = struct.Struct("<II")
"""`struct virtq_used_elem` (2.7.8): head index of the chain, bytes written."""
USED_RING_OFFSET = 4
"""Where the elements of the used ring begin, bytes."""
USED_ELEMENT_SIZE = 8


@dataclass(frozen=True, slots=True)
class QueueConfig:
    """A queue as the driver set it up.

    Attributes:
        size: Entries, a power of two up to 32768.
        descriptor_table: Guest physical address, 16-byte aligned.
        available_ring: Guest physical address, 2-byte aligned.
        used_ring: Guest physical address, 4-byte aligned.
    """

    size: int
    descriptor_table: int
    available_ring: int
    used_ring: int

    def validate(self) -> None:
        """Refuse sizes and places that the specification does (2.7).

        Raises:
            QueueFault: The size is not a power of two in range, or a part is misaligned.
        """
        if not 0 < self.size <= MAX_QUEUE_SIZE or self.size & (self.size - 1):
            raise QueueFault(f"queue size {self.size} is not a power of two up to {MAX_QUEUE_SIZE}")
        for name, address, alignment in (
            ("descriptor table", self.descriptor_table, 16),
            ("available ring", self.available_ring, 2),
            ("used ring", self.used_ring, 4),
        ):
            if address % alignment:
                raise QueueFault(f"{name} at {address:#x} is not {alignment}-byte aligned")


def descriptor_table_size(queue_size: int) -> int:
    """Bytes of the descriptor table."""
    return DESCRIPTOR_SIZE * queue_size


def available_ring_size(queue_size: int) -> int:
    """Bytes of the available ring, `used_event` included."""
    return 6 + 2 * queue_size


def used_ring_size(queue_size: int) -> int:
    """Bytes of the used ring, `avail_event` included."""
    return 6 + USED_ELEMENT_SIZE * queue_size


def used_event_word(queue_size: int) -> int:
    """Place of `used_event` in the available ring, in 16-bit words (2.7.7)."""
    return RING + queue_size


def avail_event_word(queue_size: int) -> int:
    """Place of `avail_event` in the used ring, in 16-bit words (2.7.10)."""
    return RING + 4 * queue_size
