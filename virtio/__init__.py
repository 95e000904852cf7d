"""virtio: what the specification and the kernel define.

Memory shared with a guest, virtqueues, fences, the virtio-gpu device and the vhost-user protocol.
Nothing here imports `guest` or `compositor`; the host's side of the display is the port
`virtio.gpu.display.Display`. All names are imported at first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from virtio.clock import Calendar, Clock
    from virtio.clock.real import RealClock
    from virtio.errors import DriverFault, InternalError, Misuse, ScanoutError
    from virtio.fence import Fence, FenceArray, Producer, SyncFile, Timeline
    from virtio.gpu.device import GpuDevice
    from virtio.gpu.display import Display
    from virtio.memory import GuestMemory
    from virtio.ring.split import SplitQueue
    from virtio.vhost_user.server import VhostUserServer
else:
    from virtio.lazy import lazily

    __getattr__ = lazily(
        __name__,
        {
            "Calendar": "virtio.clock",
            "Clock": "virtio.clock",
            "Display": "virtio.gpu.display",
            "DriverFault": "virtio.errors",
            "Fence": "virtio.fence",
            "FenceArray": "virtio.fence",
            "GpuDevice": "virtio.gpu.device",
            "GuestMemory": "virtio.memory",
            "InternalError": "virtio.errors",
            "Misuse": "virtio.errors",
            "Producer": "virtio.fence",
            "RealClock": "virtio.clock.real",
            "ScanoutError": "virtio.errors",
            "SplitQueue": "virtio.ring.split",
            "SyncFile": "virtio.fence",
            "Timeline": "virtio.fence",
            "VhostUserServer": "virtio.vhost_user.server",
        },
    )

__all__ = [
    "GpuDevice", "Display", "GuestMemory", "SplitQueue", "VhostUserServer",
    "Fence", "FenceArray", "Producer", "SyncFile", "Timeline",
    "Calendar", "Clock", "RealClock",
    "ScanoutError", "DriverFault", "Misuse", "InternalError",
]  # fmt: skip
