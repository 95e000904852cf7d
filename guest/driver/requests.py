"""Requests in flight: messages and their answers in guest memory, one page each.

A page holds the message, the place for the answer and the indirect table. Lists of memory entries can be
long; they lie in scattered pages of their own, one descriptor each, as Linux sends them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from guest.driver.ring import DeviceFault, DriverQueue
from guest.memory import PAGE, GuestRam
from virtio.errors import Misuse
from virtio.features import RingFeature
from virtio.gpu.wire import HEADER_SIZE, Header, unpack
from virtio.memory import Run
from virtio.ring import QueueConfig
from virtio.ring.layout import DESCRIPTOR_SIZE, available_ring_size, descriptor_table_size, used_ring_size

# Where things lie in a request's page. The message is at its start; the longest answer has 1056 bytes.
_ANSWER = 1024
_TABLE = 2304
MAX_BUFFERS = (PAGE - _TABLE) // DESCRIPTOR_SIZE


class Answer(NamedTuple):
    """What the device answered.

    Attributes:
        header: Decoded start of the message.
        message: All of it, as far as the device wrote it.
    """

    header: Header
    message: bytes


Done = Callable[[Answer], None]


class _Request(NamedTuple):
    message: bytes
    list_size: int
    list_runs: list[Run]  # whole pages that hold the list
    answer_size: int  # 0: the device has nothing to answer to
    done: Done | None


class RequestQueue:
    """A live queue of a virtio-gpu device, with the memory that its requests need.

    Attributes:
        config: Where the ring lies.
    """

    def __init__(self, ram: GuestRam, size: int, *, features: int, indirect: bool) -> None:
        """Take memory for the queue.

        Args:
            ram: Where from.
            size: Entries of the ring, a power of two.
            features: Negotiated feature bits.
            indirect: Use indirect tables, where they are negotiated.
        """
        self._ram = ram
        sizes = (descriptor_table_size(size), available_ring_size(size), used_ring_size(size), size * PAGE)
        self._memory = [ram.allocate_contiguous(length) for length in sizes]
        for address, length in self._memory[:3]:
            ram.memory.write(address, bytes(length))
        table, available, used, area = (address for address, _ in self._memory)
        self.config = QueueConfig(size, table, available, used)
        self._ring: DriverQueue[tuple[int, _Request]] = DriverQueue(
            ram.memory, self.config, features=features
        )
        self._indirect = indirect and bool(features & RingFeature.INDIRECT_DESC)
        self._pages = [area + PAGE * i for i in range(size)][::-1]
        self._waiting: deque[_Request] = deque()

    def submit(
        self, message: bytes, *, extra: bytes = b"", answer_size: int = 0, done: Done | None = None
    ) -> None:
        """Make a request available; when the ring is full, as soon as it is not.

        Args:
            message: Header and body.
            extra: A list that follows the body.
            answer_size: Bytes of the longest answer; 0 gives the device no buffer to answer into.
            done: Called with the answer.

        Raises:
            Misuse: The list is longer than a chain can be.
        """
        request = _Request(message, len(extra), self._store(extra), answer_size, done)
        if self._waiting or not self._try_add(request):
            self._waiting.append(request)

    def should_kick(self) -> bool:
        """Whether the device wants to hear of the requests made available since the last call."""
        return self._ring.should_kick()

    def reap(self) -> Iterator[tuple[Answer, Done]]:
        """Every answer that has come, and the call that takes it; then submit what waited for room.

        Raises:
            DeviceFault: An answer is shorter than a header, or the ring is broken.
        """
        while True:
            self._ring.suppress_interrupts()
            for (page, request), written in self._ring.reap():
                answer = self._finish(page, request, written)
                if answer is not None and request.done is not None:
                    yield answer, request.done
            while self._waiting and self._try_add(self._waiting[0]):
                self._waiting.popleft()
            if not self._ring.enable_interrupts():
                return

    def close(self) -> None:
        """Give all memory back. Only after a reset: before it the device may still use it."""
        for request in [*self._waiting, *(request for _, request in self._ring.abandon())]:
            self._ram.free(request.list_runs)
        self._waiting.clear()
        self._ram.free(self._memory)

    def _store(self, data: bytes) -> list[Run]:
        """Put a list into scattered pages."""
        if not data:
            return []
        if len(data) > (MAX_BUFFERS - 2) * PAGE:
            raise Misuse(f"a list of {len(data)} bytes does not fit into one request")
        runs = self._ram.allocate(len(data))
        for address, position, length in _pieces(runs, len(data)):
            self._ram.memory.write(address, data[position : position + length])
        return runs

    def _try_add(self, request: _Request) -> bool:
        """Hand a request to the device if the ring has room."""
        pieces = _pieces(request.list_runs, request.list_size)
        buffers = 1 + len(pieces) + bool(request.answer_size)
        if self._ring.free < (1 if self._indirect else buffers) or not self._pages:
            return False
        page = self._pages.pop()
        self._ram.memory.write(page, request.message)
        readable = [(page, len(request.message)), *((address, length) for address, _, length in pieces)]
        writable = [(page + _ANSWER, request.answer_size)] if request.answer_size else []
        table = page + _TABLE if self._indirect else None
        self._ring.add(readable, writable, (page, request), table=table)
        return True

    def _finish(self, page: int, request: _Request, written: int) -> Answer | None:
        """The answer to a request, whose memory is free again."""
        message = self._ram.memory.read(page + _ANSWER, min(written, request.answer_size))
        self._pages.append(page)
        self._ram.free(request.list_runs)
        if not request.answer_size:
            return None
        if len(message) < HEADER_SIZE:
            raise DeviceFault(f"the device answered with {len(message)} bytes, less than a header")
        return Answer(unpack(Header, message), message)


def _pieces(runs: Sequence[Run], size: int) -> list[tuple[int, int, int]]:
    """(address, position in the data, bytes) for `size` bytes of data in `runs`, a page at most each."""
    pieces = []
    position = 0
    for start, length in runs:
        for address in range(start, start + length, PAGE):
            pieces.append((address, position, min(PAGE, size - position)))
            position += PAGE
    return pieces
