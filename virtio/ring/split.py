"""The device's side of a split virtqueue (virtio 1.3, 2.7).

The life of a buffer: the driver puts the head of a chain into the available ring and advances that
ring's index; `pop` walks the chain and hands it to the device; the device answers; `add_used` puts the head
into the used ring and advances that index; `should_notify` says whether the driver wants to hear of it.
Chains may be used in any order.

A queue is owned by one thread. After a `QueueFault` it is broken until the device is reset: the transport
stops calling it. See `virtio.ring.barrier` for the order of accesses.
"""

from __future__ import annotations

from virtio.errors import InternalError, MemoryFault, QueueFault
from virtio.features import RingFeature
from virtio.memory import GuestMemory
from virtio.ring import layout
from virtio.ring.barrier import WEAKLY_ORDERED, full_barrier
from virtio.ring.chain import Chain, Walker
from virtio.ring.layout import FLAGS, INDEX, RING, QueueConfig

_WRAP = 0xFFFF
_ALWAYS = 1 << 16  # more buffers than any `used_event` can lie ahead


class SplitQueue:
    """One live queue; while the driver is still setting it up there is only a `QueueConfig`.

    Args:
        memory: The guest's memory.
        config: Where the driver put the queue.
        features: Negotiated feature bits; INDIRECT_DESC and EVENT_IDX count here.
        next_available: Position in the available ring to go on from (vhost-user SET_VRING_BASE).
        next_used: Position in the used ring; None: what the used ring itself says.

    Attributes:
        size: Entries.
        next_available: Free-running 16-bit position of the next chain to pop (GET_VRING_BASE).
        next_used: Free-running 16-bit position of the next chain to be used.

    Raises:
        QueueFault: The size is wrong, or a part is misaligned or not in one region of memory.
    """

    __slots__ = (
        "size",
        "next_available",
        "next_used",
        "_mask",
        "_avail",
        "_used",
        "_used_bytes",
        "_walk",
        "_event_index",
        "_used_event",
        "_avail_event",
        "_seen_available",
        "_unnotified",
        "_in_flight",
        "_barrier",
    )

    def __init__(
        self,
        memory: GuestMemory,
        config: QueueConfig,
        *,
        features: int = 0,
        next_available: int = 0,
        next_used: int | None = None,
    ) -> None:
        config.validate()
        self.size = size = config.size
        table = _part(memory, "descriptor table", config.descriptor_table, layout.descriptor_table_size(size))
        avail = _part(memory, "available ring", config.available_ring, layout.available_ring_size(size))
        self._used_bytes = _part(memory, "used ring", config.used_ring, layout.used_ring_size(size))
        self._avail, self._used = avail.cast("H"), self._used_bytes.cast("H")
        self._walk = Walker(memory, table, indirect=bool(features & RingFeature.INDIRECT_DESC)).walk
        self._event_index = bool(features & RingFeature.EVENT_IDX)
        self._used_event = layout.used_event_word(size)
        self._avail_event = layout.avail_event_word(size)
        self._mask = size - 1
        self.next_available = self._seen_available = next_available & _WRAP
        self.next_used = (self._used[INDEX] if next_used is None else next_used) & _WRAP
        # An earlier device may have died between using a buffer and telling so: then tell once too often.
        self._unnotified = _ALWAYS if self.next_used else 0
        self._in_flight: dict[int, Chain] = {}
        self._barrier = full_barrier()

    @property
    def in_flight(self) -> int:
        """Chains popped and not yet used."""
        return len(self._in_flight)

    def pop(self) -> Chain | None:
        """The next chain that the driver made available, None when there is none.

        Raises:
            QueueFault: The ring or the chain is malformed.
        """
        position = self.next_available
        if position == self._seen_available and not self._look():
            return None
        head = self._avail[RING + (position & self._mask)]
        if head in self._in_flight:
            raise QueueFault(f"chain {head} is made available again before it was used")
        chain = self._walk(head)
        self._in_flight[head] = chain
        self.next_available = (position + 1) & _WRAP
        return chain

    def _look(self) -> bool:
        """Read the available index; whether it has moved. What it publishes is to be read after it."""
        index = self._avail[INDEX]
        arrived = (index - self.next_available) & _WRAP
        if arrived > self.size:
            raise QueueFault(f"available index jumps by {arrived} in a queue of {self.size}")
        self._seen_available = index
        if WEAKLY_ORDERED:
            self._barrier()
        return arrived > 0

    def add_used(self, chain: Chain, length: int) -> None:
        """Give a chain back.

        Args:
            chain: From `pop` of this queue, and not given back yet.
            length: Bytes written into its writable buffers.

        Raises:
            InternalError: `chain` is not in flight here.
        """
        if self._in_flight.pop(chain.head, None) is not chain:
            raise InternalError(f"chain {chain.head} is used twice, or in a queue that is not its own")
        position = self.next_used
        offset = layout.USED_RING_OFFSET + layout.USED_ELEMENT_SIZE * (position & self._mask)
        layout.USED_ELEMENT.pack_into(self._used_bytes, offset, chain.head, length)
        if WEAKLY_ORDERED:
            self._barrier()  # the element before the index that publishes it
        self.next_used = self._used[INDEX] = (position + 1) & _WRAP
        self._unnotified += 1

    def should_notify(self) -> bool:
        """Whether the driver wants a used-buffer notification for what was used since the last call.

        See virtio 1.3, 2.7.7.2. Call it once after a batch, and notify when it says so.
        """
        added, self._unnotified = self._unnotified, 0
        if not added:
            return False
        self._barrier()  # the index before the driver's wish: 2.7.13.4.1
        if self._event_index:
            behind = (self.next_used - self._avail[self._used_event] - 1) & _WRAP
            return behind < added
        return not self._avail[FLAGS] & layout.AVAIL_F_NO_INTERRUPT

    def suppress_kicks(self) -> None:
        """Ask the driver for no notifications while the queue is being served: a hint only.

        With EVENT_IDX the stale `avail_event` has that effect already.
        """
        if not self._event_index:
            self._used[FLAGS] = layout.USED_F_NO_NOTIFY

    def enable_kicks(self) -> bool:
        """Ask for a notification of the next buffer.

        Returns:
            Whether buffers arrived before the driver could know: pop again, no notification will come.
        """
        if self._event_index:
            self._used[self._avail_event] = self.next_available
        else:
            self._used[FLAGS] = 0
        self._barrier()  # the wish before the look that says whether it came too late
        return self._avail[INDEX] != self.next_available


def _part(memory: GuestMemory, name: str, address: int, length: int) -> memoryview:
    try:
        return memory.view(address, length)
    except MemoryFault as fault:
        raise QueueFault(f"{name}: {fault}") from None
