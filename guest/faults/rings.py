"""Faults in the control queue itself: descriptors and indices that cannot be."""

from __future__ import annotations

from collections.abc import Callable

from guest.driver import GpuDriver
from guest.driver.raw_ring import RawRing
from guest.faults.fault import NOWHERE, Fault, named_after
from virtio.gpu.wire import CONTROL_QUEUE, Response
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE, DESCRIPTOR_SIZE

FAULTS: list[Fault] = []


def _breaks_the_ring(break_ring: Callable[[RawRing], None]) -> None:
    """Add a fault to the list; the function's docstring describes it."""

    def commit(driver: GpuDriver, _answers: list[Response]) -> None:
        break_ring(RawRing(driver))
        driver.transport.kick(CONTROL_QUEUE)

    FAULTS.append(named_after(break_ring, None, commit))


@_breaks_the_ring
def looped_chain(ring: RawRing) -> None:
    """Two descriptors are each other's successor."""
    ring.describe(0, (ring.page, 24), DESC_F_NEXT, 1)
    ring.describe(1, (ring.page, 24), DESC_F_NEXT, 0)
    ring.publish(0)


@_breaks_the_ring
def head_out_of_range(ring: RawRing) -> None:
    """The available ring names a descriptor beyond the table."""
    ring.publish(ring.size)


@_breaks_the_ring
def successor_out_of_range(ring: RawRing) -> None:
    """A descriptor's successor is beyond the table."""
    ring.describe(0, (ring.page, 24), DESC_F_NEXT, ring.size)
    ring.publish(0)


@_breaks_the_ring
def zero_length(ring: RawRing) -> None:
    """A descriptor has no bytes."""
    ring.describe(0, (ring.page, 0))
    ring.publish(0)


@_breaks_the_ring
def readable_after_writable(ring: RawRing) -> None:
    """A buffer for the device to read follows one for it to write."""
    ring.describe(0, (ring.page, 24), DESC_F_NEXT | DESC_F_WRITE, 1)
    ring.describe(1, (ring.page, 24))
    ring.publish(0)


@_breaks_the_ring
def buffer_outside_memory(ring: RawRing) -> None:
    """A descriptor's address is nowhere in the guest's memory."""
    ring.describe(0, (NOWHERE, 24))
    ring.publish(0)


@_breaks_the_ring
def available_index_jump(ring: RawRing) -> None:
    """The available index runs ahead by more than the queue holds."""
    ring.publish(0, ahead=ring.size + 1)


@_breaks_the_ring
def indirect_in_indirect(ring: RawRing) -> None:
    """An indirect table has an indirect descriptor."""
    ring.describe(0, (ring.page, 2 * DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.describe_indirect(0, (ring.page, 2 * DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.publish(0)


@_breaks_the_ring
def indirect_with_successor(ring: RawRing) -> None:
    """An indirect descriptor has a successor."""
    ring.describe(0, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT | DESC_F_NEXT, 1)
    ring.publish(0)


@_breaks_the_ring
def indirect_loop(ring: RawRing) -> None:
    """A descriptor of an indirect table is its own successor."""
    ring.describe(0, (ring.page, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.describe_indirect(0, (ring.page, 24), DESC_F_NEXT, 0)
    ring.publish(0)


@_breaks_the_ring
def indirect_of_odd_length(ring: RawRing) -> None:
    """An indirect table is not a multiple of a descriptor long."""
    ring.describe(0, (ring.page, DESCRIPTOR_SIZE + 1), DESC_F_INDIRECT)
    ring.publish(0)


@_breaks_the_ring
def indirect_outside_memory(ring: RawRing) -> None:
    """An indirect table is nowhere in the guest's memory."""
    ring.describe(0, (NOWHERE, DESCRIPTOR_SIZE), DESC_F_INDIRECT)
    ring.publish(0)
