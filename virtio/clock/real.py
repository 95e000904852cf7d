"""Real time behind the same interface: the running asyncio loop's monotonic clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from virtio.clock.calendar import NANOSECONDS


class RealClock:
    """Nanoseconds since its creation, which must happen inside a running asyncio loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()

    def __repr__(self) -> str:
        return f"<real clock at {self.now_ns() / NANOSECONDS:.6f} s>"

    def now_ns(self) -> int:
        """The time now."""
        return round((self._loop.time() - self._start) * NANOSECONDS)

    def call_at(self, when_ns: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Run `callback` from the loop at `when_ns`."""
        return self._loop.call_at(self._start + when_ns / NANOSECONDS, callback)
