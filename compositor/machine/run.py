"""One run: time passes until there is a reason to stop.

On the real clock it passes by itself. On the virtual clock we step the calendar, whenever nobody holds it;
and since a guest that hangs would hold it for ever, somebody looks at real time now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from compositor.errors import RunFailed
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS
from virtio.errors import InternalError

# Events of virtual time that run before the asyncio loop gets a turn: signals must get through.
_EVENTS_PER_TURN = 64
# How often whoever holds the calendar must have been silent, one look after the other.
_LOOKS = 10


class StopReason(Enum):
    """Why a run ended."""

    SECONDS = "the time was up"
    FRAMES = "all frames were presented"
    GUESTS = "every guest has ended"
    IDLE = "nothing was left to happen"
    PICTURE = "the picture was up"
    RECORDING = "the recording is at its end"
    WINDOW = "the window was closed"
    INTERRUPTED = "interrupted"


class Run:
    """What stops a run, and who hears of it.

    Args:
        ends: One for each guest; None: it never ends by itself.
        stopped: Done with the reason to stop, or with the error that stops the run.
    """

    def __init__(self, ends: Sequence[asyncio.Future[None] | None]) -> None:
        self.stopped: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()
        self._ends = [end for end in ends if end is not None]
        self._forever = len(self._ends) < len(ends) or not ends
        self._wake = asyncio.Event()

    def stop(self, reason: StopReason) -> None:
        """End the run, unless something has already."""
        if not self.stopped.done():
            self.stopped.set_result(reason)
            self._wake.set()

    def fail(self, error: BaseException) -> None:
        """End the run with an error, unless something has ended it already."""
        if not self.stopped.done():
            self.stopped.set_exception(error)
            self._wake.set()

    async def on_real_time(self, clock: Clock, end_ns: int | None) -> StopReason:
        """Let time pass until `end_ns`, or until the run is stopped.

        Raises:
            GuestDied: A real guest ended otherwise than by switching itself off.
        """
        timer = None if end_ns is None else clock.call_at(end_ns, lambda: self.stop(StopReason.SECONDS))
        try:
            with self._attentive():
                while not self._is_over():
                    await self._wait()
            return self.stopped.result()
        finally:
            if timer is not None:
                timer.cancel()

    async def on_virtual_time(self, calendar: Calendar, end_ns: int | None, patience_s: float) -> StopReason:
        """Step the calendar until it has nothing before `end_ns` any more, or the run is stopped.

        Args:
            calendar: The run's clock.
            end_ns: Where to stop; what is due then still happens.
            patience_s: Seconds of real time in which somebody who holds the calendar must be heard of.

        Raises:
            GuestDied: A real guest ended otherwise than by switching itself off.
            RunFailed: Somebody held the calendar and was not heard of.
        """
        calendar.limit_ns = end_ns
        calendar.on_free = self._wake.set
        watchdog = _Watchdog(calendar, patience_s, self.fail)
        events = 0
        try:
            with self._attentive():
                while not self._is_over():
                    if calendar.held:
                        await self._wait()
                        continue
                    next_ns = calendar.next_ns()
                    if end_ns is not None and (next_ns is None or next_ns > end_ns):
                        calendar.advance_to(end_ns)
                        self.stop(StopReason.SECONDS)
                    elif not calendar.run_next():
                        self.stop(StopReason.IDLE)
                    events += 1
                    if events % _EVENTS_PER_TURN == 0:
                        await asyncio.sleep(0)
            return self.stopped.result()
        finally:
            watchdog.close()

    async def _wait(self) -> None:
        await self._wake.wait()
        self._wake.clear()

    def _is_over(self) -> bool:
        """Whether the run has stopped; it stops with the last guest."""
        if not self.stopped.done() and self._ends:
            for end in [end for end in self._ends if end.done()]:
                end.result()  # raises what the guest died of
                self._ends.remove(end)
            if not self._ends and not self._forever:
                self.stop(StopReason.GUESTS)
        return self.stopped.done()

    @contextmanager
    def _attentive(self) -> Iterator[None]:
        """Wake up when a guest ends, and when a callback of the loop fails.

        What a timer's or a socket's callback raises would otherwise be logged and forgotten.
        """
        loop = asyncio.get_running_loop()

        def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            self.fail(context.get("exception") or InternalError(context["message"]))

        def wake(_: object) -> None:
            self._wake.set()

        ends = list(self._ends)
        previous = loop.get_exception_handler()
        loop.set_exception_handler(fail)
        for end in ends:
            end.add_done_callback(wake)
        try:
            yield
        finally:
            loop.set_exception_handler(previous)
            for end in ends:
                end.remove_done_callback(wake)


class _Watchdog:
    """Looks at a calendar now and then, on real time: who holds it must be heard of."""

    def __init__(self, calendar: Calendar, patience_s: float, fail: Callable[[BaseException], None]) -> None:
        self._calendar = calendar
        self._patience_s = patience_s
        self._fail = fail
        self._seen = -1
        self._silent = 0  # looks; not seconds, in which we may have been busy ourselves
        self._look()

    def _look(self) -> None:
        calendar = self._calendar
        stands = calendar.held and not calendar.waits_patiently and calendar.progress == self._seen
        self._silent = self._silent + 1 if stands else 0
        if self._silent == _LOOKS:
            self._fail(RunFailed(self._complaint()))
            return
        self._seen = calendar.progress
        self._timer = asyncio.get_running_loop().call_later(self._patience_s / _LOOKS, self._look)

    def _complaint(self) -> str:
        now_s = self._calendar.now_ns() / NANOSECONDS
        return (
            f"stuck at {now_s:.9f} s of virtual time: {' and '.join(self._calendar.held_by)} "
            f"for {self._patience_s:g} s of real time now, and says nothing: its process was stopped, or "
            "computes without any system call, which stops time for all; its console may say why"
        )

    def close(self) -> None:
        self._timer.cancel()
