"""A virtio transport between a device and a driver in one process: what a bus is to a real machine.

The driver's side writes the status, chooses features and sets queues up; these reach `virtio.device.Device`
inside of the call. Nothing else does. A kick has the device serve the queue, and the device's notifications
interrupt the driver, from the clock: at the same moment, and behind what is due then. So neither side runs
inside the other, and no guest inside of the host's repaint. A queue that has been kicked is served once,
and a queue that has used buffers interrupts once, however often that is said before: as in hardware, where
that is one bit of a status register (virtio 1.3, 4.1.4.5).

A driver that does not want to wait for the clock polls.
"""

from __future__ import annotations

from collections.abc import Callable

from virtio.clock.calendar import Clock
from virtio.clock.deferred import Deferred
from virtio.closing import Closing
from virtio.device import Device
from virtio.errors import DriverFault, Misuse, QueueFault
from virtio.features import SPLIT_RING, negotiate
from virtio.memory import GuestMemory
from virtio.ring import QueueConfig, SplitQueue
from virtio.status import DeviceState, DeviceStatus


class InProcessTransport(Closing):
    """Connects one device to one driver; context manager.

    A driver that breaks the specification gets what hardware would give it: silence, a status that
    stays as it was, NEEDS_RESET. No method raises because of it.

    Attributes:
        device_features: Bits offered: the device's own, and the rings'.
        on_interrupt: Set by the driver; called with the index of a queue that has used buffers.
        on_config_change: Set by the driver; called when the config space or NEEDS_RESET changed.
        on_fault: Called with one line for each fault of the driver.
    """

    def __init__(self, device: Device, memory: GuestMemory, clock: Clock | None = None) -> None:
        """Plug a device in.

        Args:
            device: No driver drives it yet.
            memory: The guest's; stays the caller's.
            clock: The run's; None: kicks and interrupts arrive when the driver polls, and only then.
        """
        self.device_features = int(device.features | SPLIT_RING)
        self.on_interrupt: Callable[[int], None] = lambda _index: None
        self.on_config_change: Callable[[], None] = lambda: None
        self.on_fault: Callable[[str], None] = lambda _message: None
        self._device, self._memory = device, memory
        self._state = DeviceState()
        self._accepted = 0
        self._configs: dict[int, QueueConfig] = {}
        self._queues: dict[int, SplitQueue] = {}
        self._deferred = Deferred(clock)
        self.poll = self._deferred.run  # See `guest.driver.transport.Transport`.
        device.notify = self._interrupt
        device.resume = self.kick
        device.config_changed = self._config_change

    @property
    def status(self) -> int:
        """The device status field, as the driver reads it (virtio 1.3, 2.1)."""
        return int(self._state.status)

    def set_status(self, value: int) -> None:
        """The driver writes the status field; 0 resets the device."""
        was_live = self._state.live
        try:
            if value & DeviceStatus.FEATURES_OK and not self._state.status & DeviceStatus.FEATURES_OK:
                negotiate(self.device_features, self._accepted)
            self._state.write(value)
        except DriverFault as fault:
            self.on_fault(str(fault))
            return
        if value == 0:
            self._reset()
        elif self._state.live and not was_live:
            self._activate()

    def accept_features(self, features: int) -> None:
        """The driver's choice among `device_features`; checked when it writes FEATURES_OK (3.1.1)."""
        self._accepted = features

    def read_config(self, offset: int, length: int) -> bytes:
        """Bytes of the device's config space."""
        return self._device.read_config(offset, length)

    def write_config(self, offset: int, data: bytes) -> None:
        """Write to the device's config space."""
        self._device.write_config(offset, data)

    def set_queue(self, index: int, config: QueueConfig) -> None:
        """Where queue `index` lies; it goes live with DRIVER_OK.

        Raises:
            Misuse: The device has no such queue.
        """
        if not 0 <= index < self._device.queue_count:
            raise Misuse(f"the device has {self._device.queue_count} queues, and none with index {index}")
        self._configs[index] = config

    def kick(self, index: int) -> None:
        """The driver says that it made buffers available in queue `index`."""
        self._deferred.add(self._serve, index)

    def close(self) -> None:
        """Reset the device and let go of it; once more does nothing."""
        self.set_status(0)
        self._device.notify = self._device.resume = lambda _index: None
        self._device.config_changed = lambda: None

    def _activate(self) -> None:
        self._device.activate(self._accepted, self._memory)
        try:
            self._queues = {
                index: SplitQueue(self._memory, config, features=self._accepted)
                for index, config in self._configs.items()
            }
        except QueueFault as fault:
            self._break(fault)

    def _reset(self) -> None:
        self._queues, self._configs, self._accepted = {}, {}, 0
        self._deferred.clear()  # what belongs to the life before
        self._device.reset()

    def _serve(self, index: int) -> None:
        queue = self._queues.get(index)
        if queue is None or not self._state.live:
            return
        try:
            notify = self._device.process(index, queue)
        except QueueFault as fault:
            self._break(fault)
            return
        if notify and self._queues.get(index) is queue:  # else the device was reset meanwhile
            self._interrupt(index)

    def fail(self, reason: str) -> None:
        """Have the device stop until it is reset, as on an error that it cannot recover from (2.1.2)."""
        if self._state.live:
            self._break(QueueFault(reason))

    def _break(self, fault: QueueFault) -> None:
        """A queue is beyond use: the device stops until it is reset, and says so (2.1.2)."""
        self.on_fault(str(fault))
        self._state.needs_reset()
        self._config_change()

    def _interrupt(self, index: int) -> None:
        self._deferred.add(self.on_interrupt, index)

    def _config_change(self) -> None:
        self._deferred.add(self.on_config_change)
