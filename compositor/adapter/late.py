"""Flushes that are out for longer than their guest waits for them.

Linux's virtio-gpu driver waits for a flush's fence for 50 ms at most and discards the result
(virtgpu_plane.c, `virtio_gpu_primary_plane_update`); then it may draw into a buffer that the host still has,
and says nothing.

There is no timer: the flip queue looks at the next flush, before a fence signals, and at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from compositor.observe.statistics import GuestStatistics
from virtio.fence import Fence, Late, Watchdog

_NANOSECONDS_PER_MS = 1e6


class Patience(NamedTuple):
    """How long a guest waits for the fence of a flush before it goes on without.

    Attributes:
        ns: That time.
        whose: Who waits, for messages.
    """

    ns: int
    whose: str


LINUX_PATIENCE = Patience(50_000_000, "Linux's driver")


class LateFlushes:
    """Finds the late ones of one guest: counts all, and reports the first.

    Args:
        statistics: Where they are counted.
        report: Gets one line the first time.

    Attributes:
        patience: The guest's; None: it waits for ever, so nothing is late, and nothing is watched.
    """

    def __init__(self, statistics: GuestStatistics, report: Callable[[str], None]) -> None:
        self.patience: Patience | None = None
        self._statistics, self._report = statistics, report
        self._watchdog = Watchdog()

    def watch(self, answer: Fence, flushed_ns: int) -> None:
        """The guest waits for `answer` from now on."""
        if self.patience is not None:
            self._watchdog.watch(answer, flushed_ns + self.patience.ns)

    def forget(self, answer: Fence) -> None:
        """The guest does not wait for `answer` any more."""
        self._watchdog.forget(answer)

    def look(self, now_ns: int) -> None:
        """Count and report what is late by now, each fence once."""
        if not self._watchdog:
            return
        for late in self._watchdog.check(now_ns):
            if not self._statistics.late_fences and self.patience is not None:
                self._report(_line(late, self.patience))
            self._statistics.late_fences += 1


def _line(late: Late, patience: Patience) -> str:
    out_ms = (patience.ns + late.late_ns) / _NANOSECONDS_PER_MS
    waits_ms = patience.ns / _NANOSECONDS_PER_MS
    return (
        f"{late.timeline}: its flush fence {late.seqno}, held by {late.owner}, is out for {out_ms:.1f} ms; "
        f"{patience.whose} waits {waits_ms:g}"
    )
