"""A ring without rules: descriptors and indices written as they come, for faults and tests of devices."""

from __future__ import annotations

from guest.driver.gpu import GpuDriver
from guest.memory import PAGE
from virtio.gpu import wire
from virtio.memory import Run
from virtio.ring import layout
from virtio.ring.layout import DESCRIPTOR, DESCRIPTOR_SIZE


class RawRing:
    """The control queue's ring, written without any of a driver's care.

    Attributes:
        size: Descriptors.
        last: The last one; a driver takes the first ones first.
        page: Address of a page of scratch memory.
    """

    def __init__(self, driver: GpuDriver) -> None:
        self._memory = driver.ram.memory
        self._config = config = driver.queue(wire.CONTROL_QUEUE).config
        self._available = self._memory.view(
            config.available_ring, layout.available_ring_size(config.size)
        ).cast("H")
        self.size = config.size
        self.last = config.size - 1
        self.page = driver.ram.allocate_contiguous(PAGE)[0]

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

    def _write(self, address: int, run: Run, flags: int, following: int) -> None:
        self._memory.write(address, DESCRIPTOR.pack(*run, flags, following))
