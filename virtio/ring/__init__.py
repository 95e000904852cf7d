"""Virtqueues (virtio 1.3, 2.6 to 2.8), the device's side."""

from virtio.ring.chain import Chain
from virtio.ring.layout import QueueConfig
from virtio.ring.split import SplitQueue

__all__ = ["QueueConfig", "SplitQueue", "Chain"]
