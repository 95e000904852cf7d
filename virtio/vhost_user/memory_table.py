"""Memory tables: what SET_MEM_TABLE, ADD_MEM_REG and REM_MEM_REG describe becomes a `GuestMemory`.

Every function makes a new memory and leaves the old one alone, so that a refused table changes nothing. The
new one maps the same files, hence the same bytes; views of the old one stay valid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from virtio.budget import Budget
from virtio.descriptors import close_fds
from virtio.errors import MemoryFault, Misuse
from virtio.memory import GuestMemory, Region, SharedHandle
from virtio.vhost_user.payloads import RegionDescription


@dataclass(frozen=True, slots=True)
class Terms:
    """On which terms a front end's memory is taken.

    Attributes:
        space: Address space that the guest may take.
        any_file: A plain file is memory, too. Its file system can stop this process in any access: one of a
            disk for a while, one in user space (FUSE) for ever.
    """

    space: Budget
    any_file: bool = False


def map_table(descriptions: Sequence[RegionDescription], fds: Sequence[int], terms: Terms) -> GuestMemory:
    """The whole memory at once; takes ownership of `fds`, one for each region.

    Raises:
        MemoryFault: A descriptor is no memory, or the table makes no sense.
    """
    with _adopted(descriptions, fds, terms) as regions:
        return GuestMemory(regions, terms.space)


def add_region(
    memory: GuestMemory | None, description: RegionDescription, fd: int, terms: Terms
) -> GuestMemory:
    """One region more; takes ownership of `fd`.

    Raises:
        MemoryFault: The descriptor is no memory, or the region does not go with the others.
    """
    with _adopted([description], [fd], terms) as regions:
        return GuestMemory([*(memory.regions if memory else ()), *regions], terms.space)


def remove_region(memory: GuestMemory | None, description: RegionDescription, terms: Terms) -> GuestMemory:
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
    return GuestMemory(rest, terms.space)


@contextmanager
def _adopted(
    descriptions: Sequence[RegionDescription], fds: Sequence[int], terms: Terms
) -> Iterator[list[Region]]:
    """Regions over received descriptors, which are closed afterwards: a `GuestMemory` keeps its own."""
    left = list(fds)
    with ExitStack() as handles:
        handles.callback(lambda: close_fds(left))
        regions = []
        for description in descriptions:
            try:
                handle = handles.enter_context(SharedHandle.adopt(left[0], any_file=terms.any_file))
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
