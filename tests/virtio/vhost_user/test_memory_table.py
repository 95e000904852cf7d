from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from virtio.budget import Budget
from virtio.errors import MemoryFault
from virtio.memory import PAGE, SharedHandle
from virtio.vhost_user.memory_table import Terms, add_region, map_table, remove_region
from virtio.vhost_user.payloads import RegionDescription

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import Guest

TERMS = Terms(Budget(1 << 30))
HIGH = RegionDescription(1 << 32, PAGE, 1 << 40, PAGE)


def test_a_table_maps_every_region_and_keeps_no_descriptor_of_the_sender(guest: Guest) -> None:
    fds = [os.dup(guest.handle.fd), os.dup(guest.handle.fd)]
    guest.memory.write(guest.region.guest_address + PAGE, b"hello")
    with map_table([guest.region._replace(size=PAGE), HIGH], fds, TERMS) as memory:
        assert memory.read(1 << 32, 5) == b"hello"
        assert memory.translate_user((1 << 40) + 3, 2) == (1 << 32) + 3
        for fd in fds:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)


def test_a_refused_table_closes_every_descriptor(guest: Guest) -> None:
    reader = os.open(f"/proc/self/fd/{guest.handle.fd}", os.O_RDONLY)
    fds = [os.dup(guest.handle.fd), reader, os.dup(guest.handle.fd)]
    with pytest.raises(MemoryFault, match=r"^memory region at 0x100000000: .* reading and writing$"):
        map_table([guest.region._replace(size=PAGE), HIGH, HIGH], fds, TERMS)
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_regions_come_and_go_while_the_old_memory_stays_as_it_was(guest: Guest) -> None:
    with SharedHandle.create(2 * PAGE) as other:
        alone = add_region(None, guest.region, os.dup(guest.handle.fd), TERMS)
        both = add_region(alone, HIGH, os.dup(other.fd), TERMS)
        rest = remove_region(both, guest.region, TERMS)
        with alone, both, rest:
            assert [len(memory.regions) for memory in (alone, both, rest)] == [1, 2, 1]
            rest.write(1 << 32, b"shared")
            assert both.read(1 << 32, 6) == b"shared"
            with pytest.raises(MemoryFault):
                alone.read(1 << 32, 6)


def test_a_guest_cannot_take_the_address_space_of_the_others(guest: Guest) -> None:
    """Sparse files cost a VMM nothing. What counts is what is mapped, as long as it is in use."""
    terms = Terms(Budget(1 << 40))
    sparse = os.memfd_create("sparse")
    os.ftruncate(sparse, 1 << 46)
    huge = RegionDescription(0, 3 << 38, 1 << 12, 0)
    memory = map_table([huge], [os.dup(sparse)], terms)
    kept = memory.view(5, 1)
    memory.close()
    with pytest.raises(MemoryFault, match=f"the guest has {3 << 38} of {1 << 40}$"):
        map_table([huge], [os.dup(sparse)], terms)
    assert terms.space.used == huge.size
    del kept, memory
    gc.collect()
    assert terms.space.used == 0
    with map_table([huge], [sparse], terms) as again:
        mapped = again.map_scattered([(0, 1 << 37), (1 << 38, 1 << 12)])
        assert mapped.pieces == 2
        with pytest.raises(MemoryFault):
            again.map_scattered([(0, 1 << 38)])
