"""Everything that one life of a driver makes: a reset drops the session whole.

A life begins with `activate` and ends with a reset, or with the connection. What outlives it (counters,
the config space) belongs to the device.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from virtio.gpu.backing import ContiguousBacking
from virtio.gpu.cursor import Cursors
from virtio.gpu.display import Display
from virtio.gpu.host_visible import HostVisibleRegion
from virtio.gpu.limits import Ledger
from virtio.gpu.resource import Blob, Resource2d, Resources
from virtio.gpu.scanout import Scanouts
from virtio.gpu.statistics import Statistics
from virtio.gpu.wire import Feature
from virtio.memory import GuestMemory


@dataclass(slots=True)
class Session:
    """One life of a driver.

    Attributes:
        features: What the driver accepted, as bits.
        memory: The guest's memory; another object after its table changed.
        display: Who owns the screens.
        ledger: What the guest uses, and may use.
        statistics: The device's counters.
        scanout_count: Number of scanouts.
        host_visible: The window onto host blobs; None: there are no host blobs.
        resources: By id.
        scanouts: What each shows.
        cursors: One per scanout.
        defers: Whether a transfer may be left to the next reader of the image (`DeferredTransfer`).
        late: The resource whose transfer has been left so.
    """

    features: int
    memory: GuestMemory
    display: Display
    ledger: Ledger
    statistics: Statistics
    scanout_count: int
    host_visible: HostVisibleRegion | None
    resources: Resources = field(init=False)
    scanouts: Scanouts = field(init=False)
    cursors: Cursors = field(init=False)
    defers: bool = False
    late: Resource2d | None = None

    def __post_init__(self) -> None:
        self.resources = Resources(self.ledger)
        self.scanouts = Scanouts(self.display, self.scanout_count, self.ledger, self.statistics)
        self.cursors = Cursors(self.display, self.scanout_count, self.statistics)

    def accepted(self, feature: Feature) -> bool:
        """Whether the driver accepted a feature."""
        return bool(self.features >> feature & 1)

    def host_blob(self, resource_id: int) -> NDArray[np.uint8] | None:
        """(size,) uint8, writable: the memory of a host blob, mapped or not; None: there is no such blob.

        For a replay, which puts back what a guest had there. A guest finds what it has mapped in
        `host_visible`.
        """
        found = next((r for r in self.resources if r.resource_id == resource_id), None)
        if not isinstance(found, Blob) or not found.is_host:
            return None
        assert isinstance(found.backing, ContiguousBacking)
        return found.backing.data

    def finish_transfer(self) -> None:
        """Carry out what is left of a transfer that was left to others."""
        resource, self.late = self.late, None
        if resource is not None and resource.incoming is not None:
            resource.incoming.finish()
            resource.incoming = None

    def close(self) -> None:
        """Screens go dark, and all that the driver made is given back."""
        try:
            self.scanouts.disable_all()
            self.cursors.hide_all()
        finally:  # whatever the display makes of it
            self.resources.clear()
