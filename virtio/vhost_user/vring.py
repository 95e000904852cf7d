"""One virtqueue of a connection: what the front end has said of it so far, and the live queue.

A front end configures a vring piece by piece and in no fixed order. It *runs* when it has a size, addresses
inside the memory, has been started (a kick descriptor, or an in-band kick) and is enabled. Running, it can be
paused (ENABLE 0, GET_VRING_BASE) and go on later as if nothing had happened: this is how a VMM pauses a
guest, and then nothing that is in flight may be lost.
"""

from __future__ import annotations

from virtio.descriptors import close_fds, require_bell
from virtio.errors import MemoryFault, QueueFault
from virtio.memory import GuestMemory
from virtio.ring.chain import Chain
from virtio.ring.layout import (
    USED_ELEMENT,
    USED_ELEMENT_SIZE,
    USED_RING_OFFSET,
    QueueConfig,
    available_ring_size,
    descriptor_table_size,
    used_ring_size,
)
from virtio.ring.split import SplitQueue
from virtio.vhost_user.messages import Request
from virtio.vhost_user.payloads import VringAddress


class LiveQueue(SplitQueue):
    """A split queue that can be paused, and moved to a new memory table.

    Attributes:
        paused: Chains given back now reach the driver after `resume`.
        touched: The driver has made a chain available.
        retired: The driver has taken the queue away; what the device still gives back goes nowhere.
    """

    __slots__ = ("_held", "_last_used", "paused", "retired", "touched")

    def __init__(
        self, memory: GuestMemory, config: QueueConfig, *, features: int, next_available: int
    ) -> None:
        super().__init__(memory, config, features=features, next_available=next_available)
        self._held: list[tuple[Chain, int]] = []
        self._last_used: bytes | None = None  # what was written to the used ring
        self.paused = False
        self.retired = False
        self.touched = False

    def pop(self) -> Chain | None:
        """As `SplitQueue.pop`."""
        chain = super().pop()
        if chain is not None:
            self.touched = True
        return chain

    def add_used(self, chain: Chain, length: int) -> None:
        """As `SplitQueue.add_used`, but nothing is written to a paused or retired ring."""
        if self.paused:
            self._held.append((chain, length))
        elif not self.retired:
            self._use(chain, length)

    def _use(self, chain: Chain, length: int) -> None:
        super().add_used(chain, length)
        self._last_used = USED_ELEMENT.pack(chain.head, length)

    def continues(self, memory: GuestMemory, config: QueueConfig) -> bool:
        """Whether the used ring, which the device alone writes, still ends with what was last written there.

        A driver that has begun anew has a fresh ring. Its position says nothing when this queue stopped at
        its beginning: after 65,536 chains.
        """
        if self._last_used is None:
            return True
        offset = USED_RING_OFFSET + (self.next_used - 1) % config.size * USED_ELEMENT_SIZE
        try:
            found = memory.read(config.used_ring + offset, USED_ELEMENT_SIZE)
        except MemoryFault:
            return True  # `move` says what is wrong
        return found == self._last_used

    def move(self, memory: GuestMemory, config: QueueConfig, *, features: int) -> None:
        """Go on at the same positions in another mapping of the guest's memory.

        Raises:
            QueueFault: As for a new queue.
        """
        in_flight, unnotified = self._in_flight, self._unnotified
        super().__init__(
            memory,
            config,
            features=features,
            next_available=self.next_available,
            next_used=self.next_used,
        )
        self._in_flight, self._unnotified = in_flight, unnotified

    def resume(self) -> bool:
        """No longer paused.

        Returns:
            Whether chains were given back meanwhile: the driver is to be notified.
        """
        self.paused = False
        held, self._held = self._held, []
        for chain, length in held:
            self._use(chain, length)
        return bool(held)

    def retire(self) -> None:
        """The driver has taken the queue away."""
        self.paused = False
        self.retired = True
        self._held.clear()


class Vring:
    """Everything that the front end has said of one queue.

    Attributes:
        index: The queue's number.
        size: Entries; 0 until set.
        address: Where its parts are, in the VMM's addresses; None until set.
        base: Position in the available ring to begin at.
        enabled: SET_VRING_ENABLE.
        started: Kicks can come.
        broken: The driver broke it; it stays so until it is set up anew.
        running: It is being served.
        queue: The live queue, kept while paused.
    """

    def __init__(self, index: int) -> None:
        self.index = index
        self.size = 0
        self.address: VringAddress | None = None
        self.base = 0
        self.enabled = False
        self.started = False
        self.broken = False
        self.running = False
        self.queue: LiveQueue | None = None
        self._fds: dict[int, int] = {}

    def set_fd(self, request: Request, fd: int | None) -> None:
        """Replace the kick, call or error descriptor, and close the old one.

        Raises:
            OSError: It is of a kind that cannot be used. It is closed.
        """
        if request in self._fds:
            close_fds([self._fds.pop(request)])
        if fd is None:
            return
        try:
            require_bell(fd)
        except OSError:
            close_fds([fd])
            raise
        self._fds[request] = fd

    def fd(self, request: Request) -> int | None:
        """The kick, call or error descriptor."""
        return self._fds.get(request)

    @property
    def descriptors(self) -> int:
        """How many descriptors it has."""
        return len(self._fds)

    @property
    def wanted(self) -> bool:
        """Whether the front end has said everything needed for the queue to run."""
        return bool(self.size and self.address and self.enabled and self.started)

    def config(self, memory: GuestMemory) -> QueueConfig:
        """The queue in guest addresses.

        Raises:
            QueueFault: A part of it lies outside the memory, or it is not set up yet.
        """
        if not self.size or self.address is None:
            raise QueueFault("its size or its addresses are not set")
        places = (
            ("descriptor table", self.address.descriptor_table, descriptor_table_size(self.size)),
            ("available ring", self.address.available_ring, available_ring_size(self.size)),
            ("used ring", self.address.used_ring, used_ring_size(self.size)),
        )
        found = []
        for name, address, length in places:
            try:
                found.append(memory.translate_user(address, length))
            except MemoryFault as fault:
                raise QueueFault(f"{name}: {fault}") from None
        return QueueConfig(self.size, *found)

    @property
    def next_available(self) -> int:
        """What GET_VRING_BASE answers."""
        return self.base if self.queue is None else self.queue.next_available

    def drop_queue(self, base: int = 0) -> None:
        """Forget the live queue; a new one will begin at `base`."""
        if self.queue is not None:
            self.queue.retire()
        self.queue = None
        self.base = base
        self.broken = False

    def close(self) -> None:
        """Close the descriptors and retire the queue."""
        self.drop_queue()
        close_fds(self._fds.values())
        self._fds.clear()
