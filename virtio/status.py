"""The device status field (virtio 1.3, 2.1): its bits and the order in which a driver sets them."""

from __future__ import annotations

from enum import IntFlag
from typing import Final

from virtio.errors import DriverFault


class DeviceStatus(IntFlag):
    """Bits of the status field."""

    RESET = 0
    ACKNOWLEDGE = 0x01
    DRIVER = 0x02
    DRIVER_OK = 0x04
    FEATURES_OK = 0x08
    NEEDS_RESET = 0x40
    FAILED = 0x80


_S = DeviceStatus
_FOUND = _S.ACKNOWLEDGE | _S.DRIVER

TRANSITIONS: Final = {
    _S.RESET: _S.ACKNOWLEDGE,
    _S.ACKNOWLEDGE: _FOUND,
    _FOUND: _FOUND | _S.FEATURES_OK,
    _FOUND | _S.FEATURES_OK: _FOUND | _S.FEATURES_OK | _S.DRIVER_OK,
}
"""The one step forward from each state (3.1.1).

Beside it, from every state, a driver may write what is there already, add FAILED, or write 0 for a reset.
"""


class DeviceState:
    """The status field of one device.

    Attributes:
        status: What the driver reads.
    """

    __slots__ = ("status",)

    def __init__(self) -> None:
        self.status = DeviceStatus.RESET

    def write(self, value: int) -> None:
        """The driver writes the field.

        NEEDS_RESET is the device's own bit: what the driver writes there is ignored, and while it is set
        the driver gets no further, except by a reset.

        Raises:
            DriverFault: No legal step; the field keeps its value.
        """
        if value == 0:
            self.status = DeviceStatus.RESET
            return
        device_bits = self.status & DeviceStatus.NEEDS_RESET
        current = self.status & ~DeviceStatus.NEEDS_RESET
        wanted = value & ~int(DeviceStatus.NEEDS_RESET)
        legal = {current, current | DeviceStatus.FAILED}
        if not device_bits and current in TRANSITIONS:
            legal.add(TRANSITIONS[current])
        if wanted not in legal:
            raise DriverFault(f"device status {value:#04x} is written while it is {int(self.status):#04x}")
        self.status = DeviceStatus(wanted) | device_bits

    def needs_reset(self) -> None:
        """The device met an error that only a reset cures (2.1.2)."""
        self.status |= DeviceStatus.NEEDS_RESET

    @property
    def live(self) -> bool:
        """Whether queues are to be served: DRIVER_OK, and neither FAILED nor NEEDS_RESET."""
        stopped = DeviceStatus.FAILED | DeviceStatus.NEEDS_RESET
        return bool(self.status & DeviceStatus.DRIVER_OK) and not self.status & stopped
