"""An event loop that synchronous code waits on.

The simulated driver is synchronous, as a kernel's is: it resets its device, and goes on when that has been
answered. So a guest's process is a plain sequence of steps that now and then waits here. Callbacks of the
loop only take notes; whatever drives the device happens outside of it.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable
from typing import TypeVar

from virtio.closing import Closing

T = TypeVar("T")


class Reactor(Closing):
    """The loop of a process that has one thing to do at a time; context manager.

    Attributes:
        stopped: Whether a signal has asked for the end.
    """

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.stopped = False
        self._noticed = False
        self._sleeper: asyncio.Future[None] | None = None

    def wait(self, awaitable: Awaitable[T]) -> T:
        """The result of `awaitable`; the loop runs until then."""
        return self.loop.run_until_complete(awaitable)

    def notice(self) -> None:
        """Something that `sleep` waits for has happened."""
        self._noticed = True
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    def sleep(self, seconds: float | None = None) -> None:
        """Run the loop until the next `notice`, or that since the last `sleep`, or until the time is up."""
        if not self._noticed:
            self._sleeper = self.loop.create_future()
            timer = None if seconds is None else self.loop.call_later(seconds, self.notice)
            self.loop.run_until_complete(self._sleeper)
            if timer is not None:
                timer.cancel()
        self._noticed = False

    def stop_on_signals(self) -> None:
        """SIGINT and SIGTERM set `stopped`."""
        for number in (signal.SIGINT, signal.SIGTERM):
            self.loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        self.stopped = True
        self.notice()

    def close(self) -> None:
        """Close the loop."""
        self.loop.close()
