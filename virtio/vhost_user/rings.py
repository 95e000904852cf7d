"""The device of one connection, its memory and its queues: what runs, and when the device is reset.

vhost-user has no message that says "the driver went away, forget it". While no queue runs, the device is
*suspended* ("Suspended device state"): it must keep all that it has, and stay silent. What happens next tells
why. A VMM that had only paused its guest starts the queues again where they stopped, and the device goes on.
A driver that was unbound or rebooted begins anew, and then the device is reset: it asks for the features
again (UML, on the same connection), begins a queue elsewhere than where it stopped (QEMU), or says so
(RESET_DEVICE). A status of 0 does not say so: QEMU writes it when it pauses, too.
"""

from __future__ import annotations

from virtio.device import Device
from virtio.errors import DriverFault, MemoryFault, ProtocolFault, QueueFault
from virtio.features import RingFeature
from virtio.memory import GuestMemory
from virtio.ring.layout import QueueConfig
from virtio.turn import CountedTurn, Turn
from virtio.vhost_user.host import Host
from virtio.vhost_user.inband import InbandNotifications
from virtio.vhost_user.messages import Request
from virtio.vhost_user.payloads import VringAddress
from virtio.vhost_user.vring import LiveQueue, Vring


class Rings:
    """The running part of a connection.

    Attributes:
        features: Negotiated feature bits.
        memory: The guest's memory, once known.
        inband: How to call and report errors without descriptors, once negotiated.
    """

    def __init__(self, device: Device, host: Host) -> None:
        self.features = 0
        self.memory: GuestMemory | None = None
        self.inband: InbandNotifications | None = None
        self._device = device
        self._host = host
        self._vrings = [Vring(index) for index in range(device.queue_count)]
        self._active = False
        device.notify = self.notify
        device.resume = self.resume

    @property
    def suspended(self) -> bool:
        """Whether the device has worked, and the front end wants no queue to run at the moment."""
        return self._active and not any(vring.wanted for vring in self._vrings)

    @property
    def descriptors(self) -> int:
        """File descriptors of the front end's that are kept: its memory's, and those of its queues."""
        memory = 0 if self.memory is None else self.memory.descriptors
        return memory + sum(vring.descriptors for vring in self._vrings)

    def vring(self, index: int) -> Vring:
        """One queue.

        Raises:
            ProtocolFault: The device has no such queue.
        """
        if index >= len(self._vrings):
            raise ProtocolFault(f"queue {index} does not exist, the device has {len(self._vrings)}")
        return self._vrings[index]

    # What the front end says of the queues.

    def set_size(self, index: int, size: int) -> None:
        """SET_VRING_NUM. Raises a `QueueFault` when it is no power of two."""
        vring = self.vring(index)
        QueueConfig(size, 0, 0, 0).validate()
        self._halt(vring)
        vring.size = size
        self._update(vring)

    def set_address(self, address: VringAddress) -> None:
        """SET_VRING_ADDR.

        Raises:
            QueueFault: Not inside the memory, as far as that is known yet.
        """
        vring = self.vring(address.queue)
        self._halt(vring)
        vring.address = address
        vring.broken = False
        if self.memory is not None and vring.size:
            vring.config(self.memory)
        self._update(vring)

    def set_base(self, index: int, base: int) -> None:
        """SET_VRING_BASE: where to begin. Elsewhere than where the queue stopped: a new driver's life."""
        vring = self.vring(index)
        if base != vring.next_available:
            if self.suspended:
                self.reset_device()
            self._halt(vring)
            vring.drop_queue(base)
            self._update(vring)
        vring.broken = False

    def set_kick(self, index: int, fd: int | None) -> None:
        """SET_VRING_KICK: the queue starts.

        Raises:
            ProtocolFault: No descriptor means polling, which this back end does not do.
        """
        vring = self.vring(index)
        self._halt(vring)
        vring.set_fd(Request.SET_VRING_KICK, fd)
        vring.started = fd is not None
        if fd is None and self.inband is None:
            raise ProtocolFault(f"SET_VRING_KICK: queue {index} is to be polled, which is not supported")
        self._update(vring)

    def set_call(self, index: int, fd: int | None) -> None:
        """SET_VRING_CALL. Once too often is harmless; what went to the old descriptor may be lost."""
        vring = self.vring(index)
        vring.set_fd(Request.SET_VRING_CALL, fd)
        if vring.running:
            self._call(vring)

    def enable(self, index: int, on: bool) -> None:
        """SET_VRING_ENABLE."""
        vring = self.vring(index)
        vring.enabled = on
        self._update(vring)

    def enable_all(self, on: bool) -> None:
        """All at once: without protocol features there is no SET_VRING_ENABLE."""
        for vring in self._vrings:
            self.enable(vring.index, on)

    def kicked(self, index: int) -> None:
        """An in-band kick: starts the queue too."""
        vring = self.vring(index)
        vring.started = True
        self._update(vring)

    def stop(self, index: int) -> int:
        """GET_VRING_BASE: stop, and say where. The kick descriptor is of no use any more."""
        vring = self.vring(index)
        self._halt(vring)
        vring.set_fd(Request.SET_VRING_KICK, None)
        vring.started = False
        return vring.next_available

    def stop_all(self) -> None:
        """A status of 0 stops everything."""
        for vring in self._vrings:
            self.stop(vring.index)

    def set_memory(self, memory: GuestMemory, *, whole: bool) -> None:
        """Go on with another memory table.

        Args:
            memory: The new memory; owned from now on.
            whole: The table is complete. Otherwise more regions may follow, and a queue that lies outside
                waits for them.

        Raises:
            QueueFault: A queue that ran lies outside the memory. It is broken now.
        """
        old, self.memory = self.memory, memory
        for vring in self._vrings:
            self._halt(vring)
        if old is not None:
            old.close()
        if self._active:
            self._device.activate(self.features, memory)
        faults = []
        for vring in self._vrings:
            try:
                if whole or _lies_inside(vring, memory):
                    self._update(vring)
            except QueueFault as fault:
                faults.append(fault)
        if faults:
            raise faults[0]

    # Running.

    def _update(self, vring: Vring) -> None:
        """Start or halt the queue as its configuration says.

        Raises:
            QueueFault: It should run and cannot. It is broken now.
        """
        runnable = vring.wanted and not vring.broken
        if vring.running and not runnable:
            self._halt(vring)
        elif not vring.running and runnable and self.memory is not None:
            try:
                self._run(vring, self.memory)
            except QueueFault as fault:
                self._signal_error(vring)
                raise QueueFault(f"queue {vring.index}: {fault}") from None

    def _run(self, vring: Vring, memory: GuestMemory) -> None:
        config = vring.config(memory)
        if vring.queue is not None and not vring.queue.continues(memory, config):
            self._begin_anew(vring)
        features = self.features | RingFeature.INDIRECT_DESC
        if not self._active:
            self._active = True
            self._device.activate(self.features, memory)
        if vring.queue is None:
            vring.queue = LiveQueue(memory, config, features=features, next_available=vring.base)
        else:
            vring.queue.move(memory, config, features=features)
        kick = vring.fd(Request.SET_VRING_KICK)
        if kick is not None:
            try:
                self._host.watch_kick(vring.index, kick)
            except OSError as error:
                raise QueueFault(f"its kick descriptor cannot be waited on: {error.strerror}") from None
        vring.running = True
        if vring.queue.resume():
            self._call(vring)
        # Buffers may have come before the device listened.
        self._host.schedule(vring.index)

    def _begin_anew(self, vring: Vring) -> None:
        """A new driver's life that the position to begin at did not tell."""
        base = vring.next_available
        self.reset_device()
        vring.base = base
        for other in self._vrings:
            if other is not vring:
                self._update(other)

    def is_silent(self, index: int) -> bool:
        """Whether a queue runs, and its driver has never made a chain available."""
        queue = self._vrings[index].queue
        return self._vrings[index].running and queue is not None and not queue.touched

    def _halt(self, vring: Vring) -> None:
        if vring.running:
            self._host.unwatch_kick(vring.index)
            vring.running = False
        if vring.queue is not None:
            vring.queue.paused = True

    def process(self, index: int, turn: Turn | None = None) -> None:
        """Serve a queue for one turn; what is left is scheduled.

        Args:
            index: The queue's.
            turn: None: so much work, however long it takes.

        Raises:
            MemoryFault: The guest's memory was cut short under us; the connection is of no further use.
        """
        vring = self._vrings[index]
        queue = vring.queue
        if not vring.running or queue is None:
            return
        turn = CountedTurn() if turn is None else turn
        try:
            wanted = self._device.process(index, queue, turn)
        except DriverFault as fault:
            self._break(vring, fault)
        else:
            if wanted:
                self._call(vring)
            if turn.over():
                self._host.schedule(index)
        if self.memory is not None and self.memory.truncated:
            raise MemoryFault("the guest's memory was truncated while in use")

    def resume(self, index: int) -> None:
        """The device would take now what it left in a queue."""
        if self._vrings[index].running:
            self._host.schedule(index)

    def notify(self, index: int) -> None:
        """The device used buffers outside `process`. A halted queue's driver is told when it runs again."""
        if self._vrings[index].running:
            self._call(self._vrings[index])

    def _call(self, vring: Vring) -> None:
        fd = vring.fd(Request.SET_VRING_CALL)
        if fd is None:
            if self.inband is not None:
                self.inband.send_call(vring.index)
        elif not self._host.ring(fd):
            vring.set_fd(Request.SET_VRING_CALL, None)
            self._host.report(f"queue {vring.index}: its call descriptor is dead")

    def _break(self, vring: Vring, fault: DriverFault) -> None:
        self._signal_error(vring)
        self._host.report(f"queue {vring.index}: {fault}; it is stopped until it is set up again")
        self._call(vring)  # what was answered before the fault is an answer still

    def _signal_error(self, vring: Vring) -> None:
        vring.broken = True
        self._halt(vring)
        fd = vring.fd(Request.SET_VRING_ERR)
        if fd is not None:
            self._host.ring(fd)
        elif self.inband is not None:
            self.inband.send_error(vring.index)

    # Ends.

    def reset_device(self) -> None:
        """Forget everything that the driver made. The queues' configuration stays."""
        for vring in self._vrings:
            self._halt(vring)
            vring.drop_queue()
        self._active = False
        self._device.reset()

    def close(self) -> None:
        """The connection is over: reset the device for good, and let go of the memory."""
        for vring in self._vrings:
            self._halt(vring)
            vring.close()
        self._device.notify = _unheard
        memory, self.memory = self.memory, None
        try:
            self._device.reset()
        finally:
            if memory is not None:
                memory.close()


def _lies_inside(vring: Vring, memory: GuestMemory) -> bool:
    try:
        vring.config(memory)
    except QueueFault:
        return False
    return True


def _unheard(_index: int) -> None:
    """A parked response can be released after the driver that waited for it has gone."""
