"""Who holds a fence that is late.

No clock and no timer: their owner asks `next_ns` when to look, and `check` what is late by then.
"""

from __future__ import annotations

from typing import NamedTuple

from virtio.fence.array import unwrap
from virtio.fence.fence import Fence, Producer

_NANOSECONDS_PER_MS = 1e6
_UNKNOWN = Producer("unnamed timeline")


class Late(NamedTuple):
    """A fence that has not signalled by its deadline.

    Attributes:
        timeline: Name of its timeline.
        context: That timeline's number.
        seqno: Its number there.
        owner: Who should have signalled it; empty where that is unknown.
        late_ns: How long ago that was.
    """

    timeline: str
    context: int
    seqno: int
    owner: str
    late_ns: int

    def __str__(self) -> str:
        held = f", held by {self.owner}," if self.owner else ""
        late = self.late_ns / _NANOSECONDS_PER_MS
        return f"fence {self.timeline} {self.context}:{self.seqno}{held} is {late:.3f} ms late"


class Watchdog:
    """Fences with deadlines. It forgets each when that signals, or when it has been reported."""

    __slots__ = ("_deadlines",)

    def __init__(self) -> None:
        self._deadlines: dict[Fence, int] = {}

    def __len__(self) -> int:
        return len(self._deadlines)

    def watch(self, fence: Fence, deadline_ns: int) -> None:
        """Expect `fence` to signal by `deadline_ns`; of several deadlines the earliest holds."""
        known = self._deadlines.get(fence)
        self._deadlines[fence] = deadline_ns if known is None else min(known, deadline_ns)
        if known is None:
            fence.add_callback(self._signaled)

    def forget(self, fence: Fence) -> None:
        """Expect nothing of `fence` any more; it need not be watched."""
        if self._deadlines.pop(fence, None) is not None:
            fence.remove_callback(self._signaled)

    def next_ns(self) -> int | None:
        """When to `check`: just after the earliest deadline; None when nothing is watched."""
        return min(self._deadlines.values()) + 1 if self._deadlines else None

    def check(self, now_ns: int) -> list[Late]:
        """The fences whose deadline has passed, in the order of deadlines, each reported once.

        Of an array, the members that it waits for are named.
        """
        overdue = [(due, fence) for fence, due in self._deadlines.items() if due < now_ns]
        overdue.sort(key=lambda entry: entry[0])
        found = []
        for due, fence in overdue:
            self.forget(fence)
            for leaf in unwrap(fence):
                if not leaf.signaled:
                    timeline, owner = leaf.producer or _UNKNOWN
                    found.append(Late(timeline, leaf.context, leaf.seqno, owner, now_ns - due))
        return found

    def _signaled(self, fence: Fence) -> None:
        del self._deadlines[fence]
