"""A hardware context: its address space, its command ring, and how far the engine is with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from guest.gpu.address_space import AddressSpace
from guest.gpu.commands import HEADER_SIZE, Command, Wait, decode, size_of
from guest.gpu.execute import Program
from guest.gpu.faults import BadCommand, GpuFault
from virtio.clock.calendar import Cancellable


@dataclass(slots=True, eq=False)
class Client:
    """A guest, with which the engine's time is shared.

    Attributes:
        name: For reports.
        weight: Its share, in relation to the others'.
        busy_ns: Time that the engine has worked for it.
    """

    name: str
    weight: int = 1
    busy_ns: int = 0


class Context:
    """One context of one client.

    The ring holds whole commands; head and tail count bytes and never wrap, their place in the ring does.

    Attributes:
        client: Whose it is.
        space: What it sees.
        programs: Its shaders, by number.
        head: What the engine has done.
        tail: What the driver has written.
        batch: Where in a batch the engine is; None: in the ring.
        waiting: The semaphore that it waits for.
        fault: Why it is banned.
        refused: From which place in the ring on its commands may not run, and why.
        queued: Its place in the order of arrival.
        ran_ns: Time that the engine has spent on its batch.
        since_ns: When the engine last took it up, or it began to wait.
        watchdog: Looks after its batch.
        on_interrupt: Called when the engine comes to an `Interrupt`.
        on_fault: Called when it is banned.
    """

    def __init__(self, client: Client, space: AddressSpace, ring: int, ring_size: int) -> None:
        """A context with its ring at GPU address `ring`, `ring_size` bytes."""
        self.client, self.space = client, space
        self.programs: list[Program] = []
        self.head = self.tail = 0
        self.batch: int | None = None
        self.waiting: Wait | None = None
        self.fault: GpuFault | None = None
        self.refused: tuple[int, GpuFault] | None = None
        self.queued = 0
        self.ran_ns = self.since_ns = 0
        self.watchdog: Cancellable | None = None
        self.on_interrupt: Callable[[], None] = lambda: None
        self.on_fault: Callable[[GpuFault], None] = lambda _fault: None
        self._ring, self._ring_size = ring, ring_size

    @property
    def has_work(self) -> bool:
        """Whether anything is left to do; it may have to wait first."""
        return self.fault is None and (self.batch is not None or self.head < self.tail)

    def fetch(self) -> tuple[Command, int]:
        """The next command and its size in bytes, copied once.

        Raises:
            GpuFault: There is none there.
        """
        if self.batch is not None:
            return fetch(self.space, self.batch)
        if self.refused is not None and self.head >= self.refused[0]:
            raise self.refused[1]
        command, size = self.peek(self.head)
        if self.head + size > self.tail:
            raise BadCommand(f"the ring's last command, of {size} bytes, is cut off")
        return command, size

    def peek(self, position: int) -> tuple[Command, int]:
        """The command of the ring at a position, and its size in bytes.

        Raises:
            GpuFault: There is none there.
        """
        offset = position % self._ring_size
        command, size = fetch(self.space, self._ring + offset)
        if offset + size > self._ring_size:
            raise BadCommand(f"the command at {offset:#x} of the ring reaches beyond its end")
        return command, size

    def advance(self, size: int) -> None:
        """The engine goes on with what lies behind the command."""
        if self.batch is not None:
            self.batch += size
        else:
            self.head += size

    @property
    def may_go_on(self) -> bool:
        """Whether the semaphore that it waits for, if any, has been signalled."""
        return self.waiting is None or self.space.load(self.waiting.address) >= self.waiting.value


def fetch(space: AddressSpace, address: int) -> tuple[Command, int]:
    """The command at a GPU address and its size in bytes.

    Raises:
        GpuFault: There is none.
    """
    size = size_of(space.read(address, HEADER_SIZE))
    return decode(space.read(address, size)), size
