from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtio.errors import MemoryFault
from virtio.memory import PAGE, SharedHandle
from virtio.vhost_user.memory_table import add_region, map_table, remove_region
from virtio.vhost_user.payloads import RegionDescription

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import Guest

HIGH = RegionDescription(1 << 32, PAGE, 1 << 40, PAGE)


def test_a_table_maps_every_region_and_keeps_no_descriptor_of_the_sender(guest: Guest) -> None:
    fds = [os.dup(guest.handle.fd), os.dup(guest.handle.fd)]
    guest.memory.write(guest.region.guest_address + PAGE, b"hello")
    with map_table([guest.region._replace(size=PAGE), HIGH], fds) as memory:
        assert memory.read(1 << 32, 5) == b"hello"
        assert memory.translate_user((1 << 40) + 3, 2) == (1 << 32) + 3
        for fd in fds:
            with pytest.raises(OSError, match="Bad file descriptor"):
                os.fstat(fd)


def test_a_refused_table_closes_every_descriptor(guest: Guest) -> None:
    reader = os.open(f"/proc/self/fd/{guest.handle.fd}", os.O_RDONLY)
    fds = [os.dup(guest.handle.fd), reader, os.dup(guest.handle.fd)]
    with pytest.raises(MemoryFault, match=r"^memory region at 0x100000000: .* reading and writing$"):
        map_table([guest.region._replace(size=PAGE), HIGH, HIGH], fds)
    for fd in fds:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)


def test_regions_come_and_go_while_the_old_memory_stays_as_it_was(guest: Guest) -> None:
    with SharedHandle.create(2 * PAGE) as other:
        alone = add_region(None, guest.region, os.dup(guest.handle.fd))
        both = add_region(alone, HIGH, os.dup(other.fd))
        rest = remove_region(both, guest.region)
        with alone, both, rest:
            assert [len(memory.regions) for memory in (alone, both, rest)] == [1, 2, 1]
            rest.write(1 << 32, b"shared")
            assert both.read(1 << 32, 6) == b"shared"
            with pytest.raises(MemoryFault):
                alone.read(1 << 32, 6)
