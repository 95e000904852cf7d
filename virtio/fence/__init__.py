"""Fences: promises of completion, ordered on timelines, after the kernel's dma-fence.

`fence` and `timeline` are the ground; `array` joins fences; `reservation` says which access waits for which;
`watchdog` names who keeps others waiting; `sync_file` carries a fence to processes, `aio` to coroutines.
"""

from virtio.fence.array import FenceArray, merge, unwrap
from virtio.fence.fence import Fence, Producer, allocate_context
from virtio.fence.reservation import Reservation, Usage
from virtio.fence.state import State
from virtio.fence.sync_file import SyncFile, SyncFileInfo
from virtio.fence.timeline import Timeline
from virtio.fence.watchdog import Late, Watchdog

__all__ = [
    "Fence", "Producer", "State", "allocate_context",
    "Timeline",
    "FenceArray", "merge", "unwrap",
    "Reservation", "Usage",
    "SyncFile", "SyncFileInfo",
    "Watchdog", "Late",
]  # fmt: skip
