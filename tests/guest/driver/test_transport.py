from collections.abc import Callable

import pytest

from guest.driver.ring import DeviceFault
from guest.driver.transport import negotiate, start
from virtio.features import SPLIT_RING, RingFeature
from virtio.ring import QueueConfig
from virtio.status import DeviceStatus as S


class Bus:
    """A device that only counts what is written to its registers."""

    def __init__(self, features: int, *, agrees: bool = True) -> None:
        self.device_features = features
        self.on_interrupt: Callable[[int], None] = lambda index: None
        self.on_config_change: Callable[[], None] = lambda: None
        self.status = 0
        self.log: list[object] = []
        self._agrees = agrees

    def set_status(self, value: int) -> None:
        self.log.append(S(value))
        self.status = value if self._agrees else value & ~S.FEATURES_OK

    def accept_features(self, features: int) -> None:
        self.log.append(features)

    def read_config(self, offset: int, length: int) -> bytes:
        return bytes(length)

    def write_config(self, offset: int, data: bytes) -> None:
        self.log.append((offset, data))

    def set_queue(self, index: int, config: QueueConfig) -> None:
        self.log.append((index, config))

    def kick(self, index: int) -> None:
        self.log.append(index)

    def poll(self) -> None:
        self.log.append("polled")

    def close(self) -> None:
        self.log.append("closed")


def test_the_device_is_taken_over_in_the_order_of_the_specification() -> None:
    bus, queues = Bus(int(SPLIT_RING) | 0b1010), {0: QueueConfig(8, 1, 2, 3), 1: QueueConfig(4, 4, 5, 6)}
    assert negotiate(bus, int(SPLIT_RING) | 0b0110) == SPLIT_RING | 0b0010
    start(bus, queues)
    found = S.ACKNOWLEDGE | S.DRIVER
    assert bus.log == [
        S.RESET,
        S.ACKNOWLEDGE,
        found,
        SPLIT_RING | 0b0010,
        found | S.FEATURES_OK,
        (0, queues[0]),
        (1, queues[1]),
        found | S.FEATURES_OK | S.DRIVER_OK,
    ]


@pytest.mark.parametrize(
    "bus", [Bus(int(RingFeature.EVENT_IDX)), Bus(int(SPLIT_RING), agrees=False)], ids=["legacy", "refuses"]
)
def test_a_device_that_cannot_be_driven_is_told_so(bus: Bus) -> None:
    with pytest.raises(DeviceFault, match="refuses the features"):
        negotiate(bus, int(SPLIT_RING))
    assert bus.log[-1] == S.ACKNOWLEDGE | S.DRIVER | S.FAILED
