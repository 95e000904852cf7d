"""A ring without rules: descriptors and indices written as they come, for faults and tests of devices."""

from __future__ import annotations

from guest.driver.session import GpuSession
from guest.memory import PAGE
from virtio.gpu import wire
from virtio.memory import Run
from virtio.ring import layout
from virtio.ring.layout import DESCRIPTOR, DESCRIPTOR_SIZE


class RawRing:
    """A queue of a running device, written without any of a driver's care.

    From then on the queue is the caller's: the driver neither sends nor hears anything there, until it boots
    again.

    Args:
        driver: Has probed its device; nothing of its own is out.
        queue: Which one.

    Attributes:
        size: Descriptors in the table.
        last: The last one; a driver takes the first ones first.
        page: Address of a page of scratch memory.
        memory: The guest's, to write what descriptors point to and to read what the device has written.
    """

    def __init__(self, driver: GpuSession, queue: int = wire.CONTROL_QUEUE) -> None:
        self.memory = driver.ram.memory
        self._config = config = driver.queue(queue).config
        self._driver, self._queue = driver, queue
        self._available = self.memory.view(
            config.available_ring, layout.available_ring_size(config.size)
        ).cast("H")
        self.size = config.size
        self.last = config.size - 1
        self.page = driver.ram.allocate_contiguous(PAGE)[0]
        driver.leave(queue)
        self._seen = self._used_index

    def describe(self, index: int, run: Run, flags: int = 0, following: int = 0) -> None:
        """Write descriptor `index` of the ring."""
        self._write(self._config.descriptor_table + DESCRIPTOR_SIZE * index, run, flags, following)

    def describe_indirect(self, index: int, run: Run, flags: int = 0, following: int = 0) -> None:
        """Write descriptor `index` of an indirect table in the scratch page."""
        self._write(self.page + DESCRIPTOR_SIZE * index, run, flags, following)

    def publish(self, head: int, *, ahead: int = 1) -> None:
        """Make the chain `head` available, and move the index on by `ahead`."""
        index = self._available[layout.INDEX]
        self._available[layout.RING + index % self.size] = head
        self._available[layout.INDEX] = (index + ahead) & 0xFFFF

    def kick(self) -> None:
        """Say that the queue has new buffers."""
        self._driver.transport.kick(self._queue)

    def used(self) -> list[tuple[int, int]]:
        """What the device has used since the last call: (head of the chain, bytes written), in its order."""
        found = []
        while self._seen != self._used_index:
            at = layout.USED_RING_OFFSET + layout.USED_ELEMENT_SIZE * (self._seen % self.size)
            element = self.memory.read(self._config.used_ring + at, layout.USED_ELEMENT_SIZE)
            found.append(layout.USED_ELEMENT.unpack(element))
            self._seen = (self._seen + 1) & 0xFFFF
        return found

    @property
    def _used_index(self) -> int:
        return int.from_bytes(self.memory.read(self._config.used_ring + 2, 2), "little")

    def _write(self, address: int, run: Run, flags: int, following: int) -> None:
        self.memory.write(address, DESCRIPTOR.pack(*run, flags, following))
