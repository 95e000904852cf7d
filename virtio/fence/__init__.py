"""Fences: promises of completion, ordered on timelines, after the kernel's dma-fence."""

from virtio.fence.fence import Fence

__all__ = ["Fence"]
