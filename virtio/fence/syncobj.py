"""A timeline that is fed fences: points of explicit synchronisation.

Modelled on DRM's timeline syncobj (drivers/gpu/drm/drm_syncobj.c, drivers/dma-buf/dma-fence-chain.c). Work is
submitted to a point together with the fence that says when it is done. A point is reached when its own work
and that of all points before it are done, in whatever order that happens. One may wait for a point long
before anything is submitted to it.
"""

from __future__ import annotations

import errno
from collections import deque

from virtio.closing import Closing
from virtio.errors import ProtocolFault
from virtio.fence.fence import Fence, check_error
from virtio.fence.timeline import Timeline

_LAST_POINT = (1 << 64) - 1


class PointFault(ProtocolFault):
    """A client used points of a synchronisation timeline against the rules."""


class InvalidPoint(PointFault):
    """No point has this number."""


class UnorderedPoint(PointFault):
    """A point that is not above all those submitted before.

    The kernel only logs it, and the timeline then says nonsense; here it is refused.
    """


class Syncobj(Closing):
    """Points, reached in order.

    Attributes:
        submitted: The highest point that work was submitted to; 0 at first.
    """

    __slots__ = ("submitted", "_timeline", "_pending")

    def __init__(self, name: str = "syncobj", owner: str = "") -> None:
        self.submitted = 0
        self._timeline = Timeline(name, owner)
        self._pending: deque[tuple[int, Fence]] = deque()

    @property
    def name(self) -> str:
        """As given, for messages."""
        return self._timeline.producer.timeline

    @property
    def value(self) -> int:
        """The highest point that has been reached (DRM_IOCTL_SYNCOBJ_QUERY); 0 at first."""
        return self._timeline.value

    @property
    def closed(self) -> bool:
        """Whether nobody can wait for it any more."""
        return self._timeline.closed

    def submit(self, point: int, fence: Fence) -> None:
        """Work was submitted that `fence` signals the end of: the point is reached by then at the earliest.

        Waits for this point, and for points below that nothing was submitted to, end with the fence's error.

        Raises:
            InvalidPoint: `point` is no number from 1 to 2**64 - 1.
            UnorderedPoint: It is not above all submitted ones.
            Misuse: The timeline is closed.
        """
        self.check(point)
        self._timeline.check_open()
        if point <= self.submitted:
            raise UnorderedPoint(f"{self.name}: point {point} comes after point {self.submitted}")
        self.submitted = point
        self._pending.append((point, fence))
        fence.add_callback(self._advance)

    def signal(self, point: int, *, now_ns: int | None = None) -> None:
        """The work up to `point` is done as far as the caller goes; raises as `submit`."""
        done = Fence()
        done.signal(now_ns=now_ns)
        self.submit(point, done)

    def fence(self, point: int) -> Fence:
        """The fence that signals when `point` is reached, whether or not anything is submitted to it yet.

        Raises:
            InvalidPoint: `point` is no number from 1 to 2**64 - 1.
            Misuse: The timeline is closed.
        """
        self.check(point)
        return self._timeline.fence(point)

    def check(self, point: int) -> None:
        """Raises `InvalidPoint` where `point` is no number from 1 to 2**64 - 1."""
        if not 0 < point <= _LAST_POINT:
            raise InvalidPoint(f"{self.name}: no point has the number {point}")

    def close(self, error: int = -errno.ENOENT, *, now_ns: int | None = None) -> None:
        """End all waits with `error`; once more does nothing. The kernel would let them wait for ever.

        Raises:
            Misuse: `error` is not negative.
        """
        check_error(error, self.name)
        for _, fence in self._pending:
            fence.remove_callback(self._advance)
        self._pending.clear()
        self._timeline.close(error, now_ns=now_ns)

    def _advance(self, _fence: Fence) -> None:
        pending = self._pending
        while pending and pending[0][1].signaled:
            point, fence = pending.popleft()
            self._timeline.signal(point, fence.error, now_ns=fence.timestamp_ns)
