"""Memory tables: what SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG describe becomes a `GuestMemory`.

Every function makes a new memory and leaves the old one alone, so that a refused table changes nothing. The
new one maps the same files, hence the same bytes; views of the old one stay valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from virtio.descriptors import close_fds
from virtio.errors import MemoryFault, Misuse
from virtio.memory import GuestMemory, Region, SharedHandle
from virtio.vhost_user.payloads import RegionDescription


def map_table(descriptions: Sequence[RegionDescription], fds: Sequence[int]) -> GuestMemory:
    """The whole memory at once; takes ownership of `fds`, one for each region.

    Raises:
        MemoryFault: A descriptor is no memory, or the table makes no sense.
    """
    with _adopted(descriptions, fds) as regions:
        return GuestMemory(regions)


def add_region(memory: GuestMemory | None, description: RegionDescription, fd: int) -> GuestMemory:
    """One region more; takes ownership of `fd`.

    Raises:
        MemoryFault: The descriptor is no memory, or the region does not go with the others.
    """
    with _adopted([description], [fd]) as regions:
        return GuestMemory([*(memory.regions if memory else ()), *regions])


def remove_region(memory: GuestMemory | None, description: RegionDescription) -> GuestMemory:
    """One region less; its file offset does not matter.

    Raises:
        MemoryFault: There is no such region.
    """
    regions = memory.regions if memory else ()
    identity = (description.guest_address, description.user_address, description.size)
    rest = [r for r in regions if (r.guest_address, r.user_address, r.size) != identity]
    if len(rest) == len(regions):
        raise MemoryFault(
            f"no memory region of {description.size:#x} bytes at {description.guest_address:#x}"
            f" (user address {description.user_address:#x})"
        )
    return GuestMemory(rest)


@contextmanager
def _adopted(descriptions: Sequence[RegionDescription], fds: Sequence[int]) -> Iterator[list[Region]]:
    """Regions over received descriptors, which are closed afterwards: a `GuestMemory` keeps its own."""
    left = list(fds)
    with ExitStack() as handles:
        handles.callback(lambda: close_fds(left))
        regions = []
        for description in descriptions:
            try:
                handle = handles.enter_context(SharedHandle.adopt(left[0]))
            except Misuse as error:
                raise MemoryFault(f"memory region at {description.guest_address:#x}: {error}") from None
            del left[0]
            regions.append(
                Region(
                    description.guest_address,
                    description.size,
                    handle,
                    description.offset,
                    description.user_address,
                )
            )
        yield regions
