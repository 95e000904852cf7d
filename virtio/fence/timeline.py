"""A timeline: fences of one context that signal in the order of their numbers.

Modelled on sw_sync (drivers/dma-buf/sw_sync.c): a counter that only grows, and fences that signal when it
reaches them. Closing the timeline ends what is outstanding with an error, so that no fence waits for a
producer that is gone.
"""

from __future__ import annotations

import errno
import math
from collections import deque
from heapq import heappop, heappush

from virtio.closing import Closing
from virtio.errors import Misuse
from virtio.fence.fence import Fence, Producer, allocate_context, check_error, raise_together
from virtio.fence.state import State

_SIGNALED = State.SIGNALED  # an enumeration's members are slow to look up


class Timeline(Closing):
    """Makes fences by number and signals them in order.

    Close it, by `with` or by hand; one that is dropped closes itself. Its fences do not keep it alive.

    Attributes:
        context: The context of its fences.
        producer: Its name and owner, carried by its fences.
        value: Everything up to here is done. Starts at 0.
        closed: No more fences come from it.
    """

    def __init__(self, name: str = "timeline", owner: str = "", *, context: int | None = None) -> None:
        self.context = allocate_context() if context is None else context
        self.producer = Producer(name, owner)
        self.value = 0
        self._value_ns: int | None = None
        self._issued = 0
        self.closed = False
        self._fences: dict[int, Fence] = {}
        # The seqnos of `_fences` as a heap: fences may be made in any order.
        self._order: list[int] = []
        # How far a callback has advanced the timeline while that was signalling, with what those fences end
        # with: done behind the ones that are due. Recursion would signal them before.
        self._advances: deque[tuple[float, int | None, int | None]] = deque()
        self._signaling = False

    def __len__(self) -> int:
        """Fences that are outstanding."""
        return len(self._fences)

    def fence(self, seqno: int | None = None) -> Fence:
        """The fence of `seqno`: the same one as long as it is outstanding, signalled if that is done already.

        Args:
            seqno: Its number; None: the one after the highest so far.

        Raises:
            Misuse: The timeline is closed.
        """
        if self.closed:
            self.check_open()
        issued, value = self._issued, self.value
        if seqno is None:
            seqno = (issued if issued > value else value) + 1
        fence = self._fences.get(seqno)
        if fence is None:
            fence = Fence(self.context, seqno, producer=self.producer)
            if seqno <= value:
                fence.signal(now_ns=self._value_ns)
            else:
                self._fences[seqno] = fence
                heappush(self._order, seqno)
                if seqno > issued:
                    self._issued = seqno
        return fence

    def signal(self, seqno: int, error: int | None = None, *, now_ns: int | None = None) -> None:
        """Everything up to and including `seqno` is done: signal those fences, in order.

        A fence that its producer has signalled by itself, out of order, is passed over.

        Args:
            seqno: The new value; it need not be the number of a fence.
            error: A negative errno that all of these fences end with.
            now_ns: The time.

        Raises:
            Misuse: `seqno` is below the value, `error` is not negative, or the timeline is closed.
        """
        if self.closed:
            self.check_open()
        if error is not None:
            check_error(error, self.producer.timeline)
        if seqno < self.value:
            raise Misuse(f"timeline {self.producer.timeline} cannot go back from {self.value} to {seqno}")
        self.value, self._value_ns = seqno, now_ns
        if self._order:
            self._advance(seqno, error, now_ns)

    def close(self, error: int = -errno.ENOENT, *, now_ns: int | None = None) -> None:
        """No more fences; those outstanding end with `error`. Once more does nothing.

        Args:
            error: -ENOENT, sw_sync's, when the timeline went away in good order. -ESRCH is the DRM
                scheduler's for the jobs of a process that was killed (`drm_sched_entity_kill`).
            now_ns: The time.

        Raises:
            Misuse: `error` is not negative.
        """
        check_error(error, self.producer.timeline)
        self.closed = True
        self._advance(math.inf, error, now_ns)

    def check_open(self) -> None:
        """Raises `Misuse` where the timeline is closed."""
        if self.closed:
            raise Misuse(f"timeline {self.producer.timeline} is closed")

    def _advance(self, value: float, error: int | None, now_ns: int | None) -> None:
        """Signal up to `value`; not while that is being done, for then it is done behind the others."""
        advances = self._advances
        if self._signaling:
            advances.append((value, error, now_ns))
            return
        self._signaling = True
        order, fences = self._order, self._fences
        failures: list[BaseException] = []
        while True:
            while order and order[0] <= value:
                fence = fences.pop(heappop(order))
                if fence.state < _SIGNALED:
                    try:
                        fence.signal(error, now_ns=now_ns)
                    except BaseException as failure:
                        failures.append(failure)
            if not advances:
                break
            value, error, now_ns = advances.popleft()
        self._signaling = False
        if failures:
            raise_together(failures)

    def __del__(self) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Timeline {self.producer.timeline} {self.context}, at {self.value}, {len(self)} outstanding>"
