"""What a driver needs of the bus that its device sits on (virtio 1.3, 4), and how it takes the device over.

`virtio.inproc.InProcessTransport` is one such bus, `guest.process.transport.VhostUserTransport` another.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from guest.driver.ring import DeviceFault
from virtio.features import RingFeature
from virtio.ring import QueueConfig
from virtio.status import DeviceStatus


class Transport(Protocol):
    """A virtio device as its driver reaches it.

    Interrupts come between the driver's calls and never inside of one, except that of `poll`.

    Attributes:
        device_features: Feature bits that the device offers.
        on_interrupt: Set by the driver; called with the index of a queue that has used buffers.
        on_config_change: Set by the driver; called when the config space or NEEDS_RESET changed.
    """

    device_features: int
    on_interrupt: Callable[[int], None]
    on_config_change: Callable[[], None]

    @property
    def status(self) -> int:
        """The device status field."""

    def set_status(self, value: int) -> None:
        """Write the device status field; 0 resets the device."""

    def accept_features(self, features: int) -> None:
        """Write the driver's feature bits."""

    def read_config(self, offset: int, length: int) -> bytes:
        """Read the config space."""

    def write_config(self, offset: int, data: bytes) -> None:
        """Write to the config space."""

    def set_queue(self, index: int, config: QueueConfig) -> None:
        """Say where a queue lies."""

    def kick(self, index: int) -> None:
        """Say that a queue has new buffers."""

    def poll(self) -> None:
        """Take in now what the device has said, instead of waiting for its interrupt; never inside of one."""

    def close(self) -> None:
        """Reset the device and let go of it; once more does nothing."""


def negotiate(transport: Transport, wanted: int) -> int:
    """Reset the device and agree on features: steps 1 to 6 of virtio 1.3, 3.1.1.

    Args:
        transport: The device.
        wanted: Feature bits that the driver knows.

    Returns:
        The negotiated bits.

    Raises:
        DeviceFault: The device is not a virtio 1 device, or refuses a subset of what it offers.
    """
    status = DeviceStatus.RESET
    transport.set_status(status)
    for bit in (DeviceStatus.ACKNOWLEDGE, DeviceStatus.DRIVER):
        status |= bit
        transport.set_status(status)
    features = transport.device_features & wanted
    if features & RingFeature.VERSION_1:
        transport.accept_features(features)
        transport.set_status(status | DeviceStatus.FEATURES_OK)
        if transport.status & DeviceStatus.FEATURES_OK:
            return features
    transport.set_status(status | DeviceStatus.FAILED)
    raise DeviceFault(f"the device refuses the features {features:#x} of its {transport.device_features:#x}")


def start(transport: Transport, queues: Mapping[int, QueueConfig]) -> None:
    """Set the queues up and go: steps 7 and 8 of virtio 1.3, 3.1.1."""
    for index, config in queues.items():
        transport.set_queue(index, config)
    transport.set_status(transport.status | DeviceStatus.DRIVER_OK)
