"""What a transport (vhost-user, or a guest in this process) needs of a virtio device.

The device is sans-IO: a transport calls in, the device answers by return value or through the two
hooks that the transport sets. `virtio.gpu.device.GpuDevice` is the implementation.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from virtio.account import Account
from virtio.memory import GuestMemory
from virtio.ring.split import SplitQueue
from virtio.turn import ENDLESS, Turn


class Device(Protocol):
    """A virtio device behind any transport.

    Attributes:
        device_id: virtio device id (virtio 1.3, 5: 16 for a GPU).
        queue_count: Number of virtqueues.
        features: Feature bits offered by the device type itself; the transport adds its own
            (VERSION_1, ring features).
        account: What the guest uses of this process, and may use; its transport counts there, too.
        notify: Set by the transport. The device calls it with a queue index when buffers were used
            outside `process` (a parked response was released) and the driver wants to be told.
        resume: Set by the transport. The device calls it with a queue index when it left buffers there and
            would take them now: as good as a kick.
        config_changed: Set by the transport. The device calls it when its config space changed.
    """

    device_id: int
    queue_count: int
    features: int
    account: Account
    notify: Callable[[int], None]
    resume: Callable[[int], None]
    config_changed: Callable[[], None]

    def read_config(self, offset: int, length: int) -> bytes:
        """Bytes of the config space; what lies beyond its end reads as zeros."""

    def write_config(self, offset: int, data: bytes) -> None:
        """A driver's write; writes to read-only fields are ignored."""

    def activate(self, features: int, memory: GuestMemory) -> None:
        """The driver accepted `features` and its memory is `memory`.

        Called again when the memory table changes; resources mapped from the earlier memory stay valid.
        """

    def process(self, index: int, queue: SplitQueue, turn: Turn = ENDLESS) -> bool:
        """Serve the available buffers of queue `index`: all of them, or until the turn is over.

        All of them: until `queue.pop` and then `queue.enable_kicks` say that there are no more. What the
        driver makes available later comes with a kick; after a turn that is over, the transport calls again
        unasked.

        Returns:
            Whether the driver wants a used-buffer notification now.

        Raises:
            QueueFault: The ring is broken; the transport stops the queue.
        """

    def reset(self) -> None:
        """Forget everything that the driver made: resources, scanouts, parked responses."""
