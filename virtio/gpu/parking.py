"""Responses that wait for the display.

A fenced RESOURCE_FLUSH is answered when the host is done with the buffer. Until then its chain is parked
on a timeline: the global one, or, with INFO_RING_IDX, that of (context, ring) (virtio 1.3, 5.7.6.7).
Timelines are independent. Within one, answers keep the order of the commands, because that is how drivers
read them: Linux takes the answer of fence n for that of every earlier fence of the same context
(virtgpu_fence.c, `virtio_gpu_fence_event_process`), and would reuse buffers that are still shown.
Commands without a fence never wait. What is parked is counted; where it is full, the device takes no command.

A reset empties the timelines. Fences of the old life may signal later; their callbacks then find an
empty line, whatever the new life has made of the same number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from functools import partial

from virtio.budget import Budget
from virtio.fence import Fence
from virtio.ring.chain import Chain
from virtio.ring.split import SplitQueue

TimelineKey = tuple[int, int] | None
"""(context, ring), or None for the global timeline."""


class Parked:
    """A response that is ready but for the time.

    Attributes:
        index: Number of the queue that the chain came from.
        queue: That queue.
        chain: The command's chain.
        response: Its bytes.
        waiting: How many fences have not signalled.
    """

    __slots__ = ("index", "queue", "chain", "response", "waiting")

    def __init__(self, index: int, queue: SplitQueue, chain: Chain, response: bytes) -> None:
        self.index = index
        self.queue = queue
        self.chain = chain
        self.response = response
        self.waiting = 0

    def answer(self) -> None:
        """Give it to the driver."""
        self.queue.add_used(self.chain, self.chain.write(self.response))


class Timelines:
    """Lines of parked responses.

    Args:
        on_answered: Called with each response that was given to the driver because its turn had come.
        on_failure: Called with what goes wrong then, which is nothing to the signaller of a fence.
        room: Counts them.
    """

    def __init__(
        self,
        on_answered: Callable[[Parked], None],
        on_failure: Callable[[Exception], None],
        room: Budget,
    ) -> None:
        self._on_answered, self._on_failure, self._room = on_answered, on_failure, room
        self._lines: dict[TimelineKey, deque[Parked]] = {}

    def __len__(self) -> int:
        return sum(len(line) for line in self._lines.values())

    def must_wait(self, key: TimelineKey, pending: Iterable[Fence]) -> bool:
        """Whether a response has to be parked: for its own fences, or behind earlier ones of its timeline."""
        return key in self._lines or any(not fence.signaled for fence in pending)

    def park(self, key: TimelineKey, parked: Parked, fences: Iterable[Fence]) -> None:
        """Answer with a response after `fences`, and after all that is parked on its timeline already."""
        pending = [fence for fence in fences if not fence.signaled]
        parked.waiting = len(pending)
        self._room.take(1)
        line = self._lines.setdefault(key, deque())
        line.append(parked)
        for fence in pending:
            fence.add_callback(partial(self._signaled, key, line, parked))

    def _signaled(self, key: TimelineKey, line: deque[Parked], parked: Parked, _fence: Fence) -> None:
        parked.waiting -= 1
        try:
            while line and not line[0].waiting:
                first = line.popleft()
                self._room.give(1)
                first.answer()
                self._on_answered(first)
        except Exception as error:
            self._on_failure(error)
        if not line and self._lines.get(key) is line:
            del self._lines[key]

    def clear(self) -> None:
        """Drop all that is parked; no driver will ever see it."""
        parked = len(self)
        for line in self._lines.values():
            line.clear()
        self._lines.clear()
        self._room.give(parked)
