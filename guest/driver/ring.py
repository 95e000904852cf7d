"""Driver side of a split virtqueue (virtio 1.3, 2.7.13): buffers in, used buffers out.

A request is a chain: buffers that the device reads, then buffers that it writes. With an indirect table
(control queue) a request takes one descriptor of the ring and the rest lies in the table, which the
caller provides; without one (cursor queue) each buffer takes a descriptor of the ring. Both are what
Linux does.

Order matters, as the device may look at any moment: descriptors before the available ring's entry, the
entry before `idx`, `idx` before reading whether the device wants a kick; see `virtio.ring.barrier`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, TypeVar

from virtio.errors import Misuse, ScanoutError
from virtio.features import RingFeature
from virtio.memory import GuestMemory, Run
from virtio.ring import layout
from virtio.ring.barrier import full_barrier
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR, FLAGS, INDEX, RING

T = TypeVar("T")

_WRAP = 0xFFFF


class DeviceFault(ScanoutError):
    """The device broke the specification; a driver stops using it."""


class DriverQueue(Generic[T]):
    """One queue, from the driver's side.

    Args:
        memory: Guest memory.
        config: Where the queue lies; its memory is all zeros.
        features: Negotiated feature bits; EVENT_IDX counts here.

    Attributes:
        free: Descriptors of the ring that are free.
    """

    def __init__(self, memory: GuestMemory, config: layout.QueueConfig, *, features: int = 0) -> None:
        self._memory, self._size = memory, config.size
        self._table = memory.view(config.descriptor_table, layout.descriptor_table_size(config.size))
        self._avail = memory.view(config.available_ring, layout.available_ring_size(config.size)).cast("H")
        self._used_bytes = memory.view(config.used_ring, layout.used_ring_size(config.size))
        self._used = self._used_bytes.cast("H")
        self._event_index = bool(features & RingFeature.EVENT_IDX)
        self._used_event = layout.used_event_word(config.size)
        self._avail_event = layout.avail_event_word(config.size)
        self._descriptors = list(range(config.size))[::-1]
        self._in_flight: dict[int, tuple[T, list[int]]] = {}
        self._next_available = self._last_used = self._unkicked = 0
        self._barrier = full_barrier()

    @property
    def free(self) -> int:
        """Descriptors of the ring that are free."""
        return len(self._descriptors)

    @property
    def in_flight(self) -> int:
        """Requests that the device has not used yet."""
        return len(self._in_flight)

    def add(
        self, readable: Sequence[Run], writable: Sequence[Run], token: T, *, table: int | None = None
    ) -> int:
        """Make one request available.

        Args:
            readable: What the device reads.
            writable: What the device writes; together with `readable` at least one buffer.
            token: Comes back from `reap`.
            table: Guest address of memory for an indirect table, 16 bytes for each buffer, untouched
                until the request is reaped; None uses descriptors of the ring.

        Returns:
            The chain's head.

        Raises:
            Misuse: There are not as many free descriptors.
        """
        buffers = [(address, length, 0) for address, length in readable]
        buffers += [(address, length, DESC_F_WRITE) for address, length in writable]
        needed = len(buffers) if table is None else 1
        if needed > self.free:
            raise Misuse(f"the queue is full: {needed} descriptors wanted, {self.free} free; reap first")
        chain = [self._descriptors.pop() for _ in range(needed)]
        if table is None:
            self._write_chain(self._table, buffers, chain)
        else:
            place = self._memory.view(table, layout.DESCRIPTOR_SIZE * len(buffers))
            self._write_chain(place, buffers, range(len(buffers)))
            self._write_chain(self._table, [(table, len(place), DESC_F_INDIRECT)], chain)
        self._in_flight[chain[0]] = (token, chain)
        self._publish(chain[0])
        return chain[0]

    def should_kick(self) -> bool:
        """Whether the device wants to hear of what was added since the last call (2.7.10)."""
        added, self._unkicked = self._unkicked, 0
        self._barrier()
        if self._event_index:
            behind = (self._next_available - self._used[self._avail_event] - 1) & _WRAP
            return behind < added
        return added > 0 and not self._used[FLAGS] & layout.USED_F_NO_NOTIFY

    def reap(self) -> Iterator[tuple[T, int]]:
        """Take back what the device used: (token, bytes written), in the order of use.

        Raises:
            DeviceFault: The device used what it was not given.
        """
        while self._used[INDEX] != self._last_used:
            self._barrier()  # the index before the elements that it publishes
            at = layout.USED_RING_OFFSET + layout.USED_ELEMENT_SIZE * (self._last_used % self._size)
            head, length = layout.USED_ELEMENT.unpack_from(self._used_bytes, at)
            if head not in self._in_flight:
                raise DeviceFault(f"the device used chain {head}, which it does not have")
            self._last_used = (self._last_used + 1) & _WRAP
            token, chain = self._in_flight.pop(head)
            self._descriptors.extend(chain)
            yield token, length

    def abandon(self) -> list[T]:
        """Take back what the device has not used. Only after a reset: the queue is then of no more use."""
        abandoned = [token for token, _ in self._in_flight.values()]
        self._in_flight.clear()
        return abandoned

    def suppress_interrupts(self) -> None:
        """Ask for no used-buffer notifications, a hint only: Linux does so while it reaps (2.7.7)."""
        if self._event_index:
            self._avail[self._used_event] = (self._last_used - 1) & _WRAP  # passed already
        else:
            self._avail[FLAGS] = layout.AVAIL_F_NO_INTERRUPT

    def enable_interrupts(self) -> bool:
        """Ask for a notification of the next used buffer.

        Returns:
            Whether buffers were used before the device could know: reap again.
        """
        if self._event_index:
            self._avail[self._used_event] = self._last_used
        else:
            self._avail[FLAGS] = 0
        self._barrier()
        return self._used[INDEX] != self._last_used

    def _write_chain(
        self, table: memoryview, buffers: Sequence[tuple[int, int, int]], indices: Sequence[int]
    ) -> None:
        """Write one descriptor for each (address, length, flags), linked in order."""
        last = len(buffers) - 1
        for number, (address, length, flags) in enumerate(buffers):
            link = (flags, 0) if number == last else (flags | DESC_F_NEXT, indices[number + 1])
            DESCRIPTOR.pack_into(table, layout.DESCRIPTOR_SIZE * indices[number], address, length, *link)

    def _publish(self, head: int) -> None:
        self._avail[RING + self._next_available % self._size] = head
        self._barrier()
        self._next_available = self._avail[INDEX] = (self._next_available + 1) & _WRAP
        self._unkicked += 1
