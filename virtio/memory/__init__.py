"""Memory shared with a guest: handles, regions, and scattered pages as one contiguous view."""

from virtio.errors import Unmappable
from virtio.memory.guest import GuestMemory, Place, Run
from virtio.memory.handle import PAGE, SharedHandle
from virtio.memory.mapping import Mapping
from virtio.memory.region import MAX_REGIONS, Region

__all__ = [
    "SharedHandle",
    "Region",
    "GuestMemory",
    "Place",
    "Run",
    "Mapping",
    "Unmappable",
    "PAGE",
    "MAX_REGIONS",
]
