"""One shared region of a guest's memory, and which tables of regions make sense."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from virtio.errors import MemoryFault
from virtio.memory.handle import PAGE, SharedHandle

MAX_REGIONS = 64
"""Regions of one guest. QEMU sends 8 at most (VHOST_MEMORY_BASELINE_NREGIONS) unless memory is hotplugged."""

_ADDRESSES = 1 << 64


@dataclass(frozen=True, slots=True)
class Region:
    """One contiguous range of guest memory and the file that holds it.

    Attributes:
        guest_address: Guest physical address of its first byte.
        size: Bytes.
        handle: The file.
        offset: Where the region begins in the file, a multiple of the page size.
        user_address: Where the VMM has mapped it; 0 where no address of its own is used.
    """

    guest_address: int
    size: int
    handle: SharedHandle
    offset: int = 0
    user_address: int = 0

    def __str__(self) -> str:
        return f"memory region at {self.guest_address:#x} ({self.size:#x} bytes)"


def validate(regions: Sequence[Region]) -> None:
    """Refuse a table that no VMM may send.

    Raises:
        MemoryFault: Too many regions; one of size 0, misaligned in its file, or reaching beyond the end
            of the file or of all addresses; or two that overlap in guest or in user addresses.
    """
    if len(regions) > MAX_REGIONS:
        raise MemoryFault(f"{len(regions)} memory regions: more than {MAX_REGIONS}")
    for region in regions:
        _validate_one(region)
    _refuse_overlap(regions, "guest", lambda region: region.guest_address)
    _refuse_overlap([r for r in regions if r.user_address], "user", lambda region: region.user_address)


def _validate_one(region: Region) -> None:
    if region.size <= 0:
        raise MemoryFault(f"{region}: its size is not positive")
    if region.offset < 0 or region.offset % PAGE:
        raise MemoryFault(f"{region}: offset {region.offset:#x} in its file is not a multiple of {PAGE}")
    for address in (region.guest_address, region.user_address):
        if not 0 <= address <= _ADDRESSES - region.size:
            raise MemoryFault(f"{region}: reaches beyond the last address from {address:#x}")
    length = region.handle.current_size()
    if region.offset + region.size > length:
        raise MemoryFault(f"{region}: from offset {region.offset:#x} its file has only {length:#x} bytes")


def _refuse_overlap(regions: Sequence[Region], space: str, key: Callable[[Region], int]) -> None:
    ordered = sorted(regions, key=key)
    for low, high in pairwise(ordered):
        if key(low) + low.size > key(high):
            raise MemoryFault(f"{low} overlaps the {high} in {space} addresses")
