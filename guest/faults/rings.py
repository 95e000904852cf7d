"""Faults in the control queue itself: descriptors and indices that cannot be.

They use the ring's last two descriptors: a driver takes the first ones first, and a head that is in flight
would be refused for that.
"""

from __future__ import annotations

from collections.abc import Callable

from guest.driver import GpuDriver
from guest.driver.raw_ring import RawRing
from guest.faults.fault import NOWHERE, Fault, named_after
from virtio.gpu.wire import CONTROL_QUEUE, Response
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR_SIZE

FAULTS: list[Fault] = []


def _breaks_the_ring(reason: str) -> Callable[[Callable[[RawRing], None]], None]:
    """Add a fault to the list; the function's docstring describes it, and the device gives that reason."""

    def add(break_ring: Callable[[RawRing], None]) -> None:
        def commit(driver: GpuDriver, _answers: list[Response]) -> None:
            break_ring(RawRing(driver))
            driver.transport.kick(CONTROL_QUEUE)

        FAULTS.append(named_after(break_ring, None, commit, reason))

    return add


@_breaks_the_ring("it loops")
def looped_chain(ring: RawRing) -> None:
    """Two descriptors are each other's successor."""
    ring.describe(ring.last, (ring.page, 24), DESC_F_NEXT, ring.last - 1)
    ring.describe(ring.last - 1, (ring.page, 24), DESC_F_NEXT, ring.last)
    ring.publish(ring.last)


@_breaks_the_ring("is not one of the")
def head_out_of_range(ring: RawRing) -> None:
    """The available ring names a descriptor beyond the table."""
    ring.publish(ring.size)


@_breaks_the_ring("is not one of the")
def successor_out_of_range(ring: RawRing) -> None:
    """A descriptor's successor is beyond the table."""
    ring.describe(ring.last, (ring.page, 24), DESC_F_NEXT, ring.size)
    ring.publish(ring.last)


@_breaks_the_ring("has no bytes")
def zero_length(ring: RawRing) -> None:
    """A descriptor has no bytes."""
    ring.describe(ring.last, (ring.page, 0))
    ring.publish(ring.last)


@_breaks_the_ring("readable after a writable one")
def readable_after_writable(ring: RawRing) -> None:
    """A buffer for the device to read follows one for it to write."""
    ring.describe(ring.last, (ring.page, 24), DESC_F_NEXT | DESC_F_WRITE, ring.last - 1)
    ring.describe(ring.last - 1, (ring.page, 24))
    ring.publish(ring.last)


@_breaks_the_ring("no memory region holds")
def buffer_outside_memory(ring: RawRing) -> None:
    """A descriptor's address is nowhere in the guest's memory."""
    ring.describe(ring.last, (NOWHERE, 24))
    ring.publish(ring.last)


@_breaks_the_ring("available index jumps")
def available_index_jump(ring: RawRing) -> None:
    """The available index runs ahead by more than the queue holds."""
    ring.publish(ring.last, ahead=ring.size + 1)


@_breaks_the_ring("names another indirect table")
def indirect_in_indirect(ring: RawRing) -> None:
    """An indirect table has an indirect descriptor."""
    ring.describe(ring.last, (ring.page, 2 * DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.describe_indirect(0, (ring.page, 2 * DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.publish(ring.last)


@_breaks_the_ring("has a successor")
def indirect_with_successor(ring: RawRing) -> None:
    """An indirect descriptor has a successor."""
    ring.describe(ring.last, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT | DESC_F_NEXT, ring.last - 1)
    ring.publish(ring.last)


@_breaks_the_ring("it loops")
def indirect_loop(ring: RawRing) -> None:
    """A descriptor of an indirect table is its own successor."""
    ring.describe(ring.last, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.describe_indirect(0, (ring.page, 24), DESC_F_NEXT, 0)
    ring.publish(ring.last)


@_breaks_the_ring("are no indirect table")
def indirect_of_odd_length(ring: RawRing) -> None:
    """An indirect table is not a multiple of a descriptor long."""
    ring.describe(ring.last, (ring.page, DESCRIPTOR_SIZE + 1), DESC_F_INDIRECT)
    ring.publish(ring.last)


@_breaks_the_ring("no memory region holds")
def indirect_outside_memory(ring: RawRing) -> None:
    """An indirect table is nowhere in the guest's memory."""
    ring.describe(ring.last, (NOWHERE, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.publish(ring.last)
