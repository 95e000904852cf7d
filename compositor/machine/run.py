"""The runs of a machine, one after the other: in each, time passes until there is a reason to stop.

On the real clock it passes by itself. On the virtual clock the run steps the calendar whenever that is free;
and since a guest that hangs would hold it for ever, a watchdog looks at real time now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import Any

from compositor.errors import GuestFailed, RunFailed
from compositor.machine.attachment import Attachment
from compositor.output.frame import Frame
from compositor.output.output import Output
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS
from virtio.errors import InternalError

# Events of virtual time that run before the asyncio loop gets a turn: signals must get through.
_EVENTS_PER_TURN = 64
# How often the holders of the calendar must have been silent, one look after the other.
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
    """What stops a run.

    Args:
        ends: One for each guest; None: it never ends by itself.

    Attributes:
        loop: The running loop, on which all of it happens.
        stopped: Done with the reason to stop, or with the error that stops the run.
    """

    def __init__(self, ends: Sequence[asyncio.Future[None] | None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.stopped: asyncio.Future[StopReason] = self.loop.create_future()
        self._ends = [end for end in ends if end is not None]
        self._forever = len(self._ends) < len(ends) or not ends

    def stop(self, reason: StopReason) -> None:
        """End the run, unless something has already."""
        if not self.stopped.done():
            self.stopped.set_result(reason)

    def fail(self, error: BaseException) -> None:
        """End the run with an error, unless something has ended it already."""
        if not self.stopped.done():
            self.stopped.set_exception(error)

    async def on_real_time(self, clock: Clock, end_ns: int | None) -> StopReason:
        """Let time pass until `end_ns`, or until the run is stopped.

        Raises:
            GuestDied: A real guest ended otherwise than by switching itself off.
        """
        timer = None if end_ns is None else clock.call_at(end_ns, lambda: self.stop(StopReason.SECONDS))
        try:
            return await self._until_stopped(self.is_over)
        finally:
            if timer is not None:
                timer.cancel()

    async def on_virtual_time(self, calendar: Calendar, end_ns: int | None, patience_s: float) -> StopReason:
        """Step the calendar until it has nothing before `end_ns` any more, or the run is stopped.

        Args:
            calendar: The run's clock.
            end_ns: Where to stop; what is due then still happens.
            patience_s: Seconds of real time in which who holds the calendar must be heard of.

        Raises:
            GuestDied: A real guest ended otherwise than by switching itself off.
            RunFailed: The calendar was held, and its holder was not heard of.
        """
        steps = _Steps(self, calendar, end_ns)
        watchdog = _Watchdog(calendar, patience_s, self.fail)
        try:
            return await self._until_stopped(steps.schedule)
        finally:
            watchdog.close()

    def is_over(self) -> bool:
        """Whether the run has stopped; it stops with the last guest, or fails of that."""
        if not self.stopped.done() and self._ends:
            for end in [end for end in self._ends if end.done()]:
                self._ends.remove(end)
                try:
                    end.result()  # raises what the guest died of
                except GuestFailed:
                    if not self._ends and not self._forever:
                        raise
            if not self._ends and not self._forever:
                self.stop(StopReason.GUESTS)
        return self.stopped.done()

    async def _until_stopped(self, look: Callable[[], object]) -> StopReason:
        """Wait for the end. `look` is called now, and when a guest ends.

        What a callback of the loop raises meanwhile, be it a timer's, a socket's or the calendar's, stops the
        run; it would otherwise be logged and forgotten.
        """

        def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
            self.fail(context.get("exception") or InternalError(context["message"]))

        def on_end(_: object) -> None:
            look()

        ends = list(self._ends)
        previous = self.loop.get_exception_handler()
        self.loop.set_exception_handler(fail)
        for end in ends:
            end.add_done_callback(on_end)
        try:
            look()
            return await self.stopped
        finally:
            self.loop.set_exception_handler(previous)
            for end in ends:
                end.remove_done_callback(on_end)


class Runs:
    """The runs of a machine, one after the other; it stops the current one, if there is one.

    Args:
        patience_s: Seconds of real time in which a guest that makes virtual time stand still must be
            heard of.
    """

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._run: Run | None = None
        self._failure: BaseException | None = None

    def stop(self, reason: StopReason) -> None:
        """End the current run, if there is one."""
        if self._run is not None:
            self._run.stop(reason)

    def fail(self, error: BaseException) -> None:
        """Something broke for good: the current run ends with it, and every later one."""
        self._failure = error
        if self._run is not None:
            self._run.fail(error)

    async def until(self, clock: Clock, guests: Sequence[Attachment], end_ns: int | None) -> StopReason:
        """Let time pass until `end_ns`, until the last guest ends, or until the run is stopped.

        Raises:
            Exception: Whatever the run failed of.
        """
        if self._failure is not None:
            raise self._failure
        run = self._run = Run([guest.ended for guest in guests])
        try:
            if isinstance(clock, Calendar):
                return await run.on_virtual_time(clock, end_ns, self._patience_s)
            return await run.on_real_time(clock, end_ns)
        finally:
            self._run = None


@contextmanager
def listening(output: Output, listener: Callable[[Frame], None]) -> Iterator[None]:
    """Hear of the frames that an output presents meanwhile."""
    output.listeners.append(listener)
    try:
        yield
    finally:
        output.listeners.remove(listener)


class _Steps:
    """Steps a calendar up to the end of a run, as a callback of the loop, whenever the calendar is free."""

    def __init__(self, run: Run, calendar: Calendar, end_ns: int | None) -> None:
        calendar.limit_ns = end_ns
        calendar.on_free = self.schedule
        self._run, self._calendar, self._end_ns = run, calendar, end_ns
        self._scheduled = False

    def schedule(self) -> None:
        """Go on in the next round of the loop, not inside of the call that frees the calendar."""
        if not self._scheduled:
            self._scheduled = True
            self._run.loop.call_soon(self._go_on)

    def _go_on(self) -> None:
        self._scheduled = False
        for _ in range(_EVENTS_PER_TURN):
            if self._run.is_over() or self._calendar.held:
                return
            self._step()
        self.schedule()

    def _step(self) -> None:
        next_ns = self._calendar.next_ns()
        if self._end_ns is not None and (next_ns is None or next_ns > self._end_ns):
            self._calendar.advance_to(self._end_ns)
            self._run.stop(StopReason.SECONDS)
        elif not self._calendar.run_next():
            self._run.stop(StopReason.IDLE)


class _Watchdog:
    """Looks at a calendar now and then, on real time: a guest that holds it must be heard of."""

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
            "computes without any system call, which stops time for all; its console may say why. On a "
            "loaded host, --patience S waits longer"
        )

    def close(self) -> None:
        self._timer.cancel()
