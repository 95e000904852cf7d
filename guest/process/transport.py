"""The driver's bus where the device is in another process: virtio over vhost-user.

The driver's register accesses become messages, and it waits for their answers. There is no message that says
"the status is 0" (see `virtio.vhost_user.backend`): stopping the queues and RESET_DEVICE mean that here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from guest.process.reactor import Reactor
from virtio.clock.deferred import Deferred
from virtio.errors import Misuse, ProtocolFault, ScanoutError
from virtio.memory import GuestMemory
from virtio.ring import QueueConfig
from virtio.status import DeviceStatus
from virtio.vhost_user.frontend import VhostUserFrontend
from virtio.vhost_user.messages import F_PROTOCOL_FEATURES, ProtocolFeature, Request

T = TypeVar("T")


class HostGone(ScanoutError):
    """The device's process ended, or threw this guest out."""


class VhostUserTransport:
    """Connects a driver to a device behind a socket; see `guest.driver.transport.Transport`.

    What the device says is kept until `poll`, so that the driver is never entered from within.

    Attributes:
        device_features: Bits offered.
        on_interrupt: Set by the driver; called with the index of a queue that has used buffers.
        on_config_change: Set by the driver; called when the config space or NEEDS_RESET changed.
    """

    def __init__(self, frontend: VhostUserFrontend, memory: GuestMemory, reactor: Reactor) -> None:
        """Negotiate, and share the guest's memory.

        Args:
            frontend: Connected; owned from now on.
            memory: The guest's; stays the caller's.
            reactor: Whose loop the front end is on.

        Raises:
            HostGone: It has a guest already, or refuses this one.
        """
        self.on_interrupt: Callable[[int], None] = lambda _index: None
        self.on_config_change: Callable[[], None] = lambda: None
        self._frontend, self._reactor = frontend, reactor
        self._status = 0
        self._accepted = 0
        self._configs: dict[int, QueueConfig] = {}
        self._live: list[int] = []
        self._pending = Deferred()
        self._gone = False
        frontend.on_close = self._lost
        frontend.on_config_change = lambda: self._note(self.on_config_change)
        frontend.on_queue_error = lambda _index: self._note(self._broken)
        self._ask(frontend.negotiate())
        self._ask(frontend.set_memory(memory))
        self.device_features = frontend.offered & ~F_PROTOCOL_FEATURES

    @property
    def pending(self) -> bool:
        """Whether there is anything to deliver."""
        return bool(self._pending) or self._gone

    def poll(self) -> None:
        """Tell the driver what the device has said since the last time.

        Raises:
            HostGone: It will not say anything any more.
        """
        self._pending.run()
        if self._gone:
            raise HostGone("the host has gone")

    # What the driver does: `Transport`.

    @property
    def status(self) -> int:
        """The device status field."""
        return self._status

    def set_status(self, value: int) -> None:
        """Write the device status field; 0 resets the device."""
        new = value & ~self._status
        if value == 0:
            self._reset()
        if new & DeviceStatus.FEATURES_OK:
            if self._accepted & ~self.device_features:
                return  # it stays unset: the device refuses (virtio 1.3, 3.1.1)
            self._ask(self._frontend.set_features(self._accepted))
        self._status = value
        if new & DeviceStatus.DRIVER_OK:
            self._start()

    def accept_features(self, features: int) -> None:
        """Write the driver's feature bits."""
        self._accepted = features

    def read_config(self, offset: int, length: int) -> bytes:
        """Read the config space."""
        return self._ask(self._frontend.read_config(offset, length))

    def write_config(self, offset: int, data: bytes) -> None:
        """Write to the config space."""
        self._ask(self._frontend.write_config(offset, data))

    def set_queue(self, index: int, config: QueueConfig) -> None:
        """Where queue `index` lies; it starts with DRIVER_OK."""
        if self._status & DeviceStatus.DRIVER_OK:
            raise Misuse("a queue of a running device cannot be moved; reset it first")
        self._configs[index] = config

    def kick(self, index: int) -> None:
        """Say that a queue has new buffers. In band, this waits until the device knows when to serve it."""
        if self._gone:
            return
        if self._frontend.protocol_features & ProtocolFeature.INBAND_NOTIFICATIONS.mask:
            self._ask(self._kick(index))
        else:
            self._frontend.kick(index)

    def close(self) -> None:
        """Reset the device and disconnect; once more does nothing."""
        self.set_status(0)
        self._gone = True
        self._frontend.close()

    def _start(self) -> None:
        for index, config in self._configs.items():
            self._ask(self._frontend.start_queue(index, config, self._caller(index)))
            self._live.append(index)

    def _ask(self, question: Awaitable[T]) -> T:
        """Wait for an answer.

        Raises:
            HostGone: There will be none.
        """
        try:
            return self._reactor.wait(question)
        except ProtocolFault as fault:
            self._gone = True
            self._frontend.close()
            raise HostGone(f"the host has gone, or has a guest already: {fault}") from None

    def _caller(self, index: int) -> Callable[[], None]:
        return lambda: self._note(self.on_interrupt, index)

    def _reset(self) -> None:
        """The device forgets this driver, and then nothing that it had said counts."""
        live, self._live = self._live, []
        if live and not self._gone:
            with suppress(HostGone):
                self._ask(self._forget(live))
        self._configs.clear()
        self._pending.clear()
        self._accepted = 0

    async def _kick(self, index: int) -> None:
        self._frontend.kick(index)
        await self._frontend.kicked()

    async def _forget(self, live: list[int]) -> None:
        for index in live:
            await self._frontend.stop_queue(index)
        if self._frontend.protocol_features & ProtocolFeature.RESET_DEVICE.mask:
            await self._frontend.dialogue.request(Request.RESET_DEVICE)

    # What the device says, inside of the loop.

    def _note(self, call: Callable[..., None], *arguments: int) -> None:
        self._pending.add(call, *arguments)
        self._reactor.notice()

    def _broken(self) -> None:
        self._status |= DeviceStatus.NEEDS_RESET
        self.on_config_change()

    def _lost(self) -> None:
        self._gone = True
        self._reactor.notice()
