"""The run of a machine: time passes for those who wait, until what they wait for has happened.

On the real clock it passes by itself. On the virtual clock the run steps the calendar whenever that is free;
and since a guest that hangs would hold it for ever, a watchdog looks at real time now and then.

Several tasks may wait at once, and one run serves them all. On the virtual clock a task that has got what it
waited for has its say before time goes on for the others: time stands still for some rounds of the loop, in
which it can wait for the next thing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from typing import Any, Protocol

from compositor.errors import GuestFailed, Misuse, RunFailed
from compositor.output.frame import Frame
from compositor.output.output import Output
from virtio.clock import Calendar, Cancellable, Clock
from virtio.clock.calendar import NANOSECONDS
from virtio.errors import InternalError

# Events of virtual time that run before the asyncio loop gets a turn: signals must get through.
_EVENTS_PER_TURN = 64
# Rounds of the loop that a task has, which has got what it waited for, before time goes on for the others.
_ROUNDS = 8
# How often the holders of the calendar must have been silent, one look after the other.
_LOOKS = 10
# On the real clock conditions are looked at this often, and whenever a guest ends.
_LOOK_NS = 10_000_000


class StopReason(Enum):
    """Why a run ended."""

    SECONDS = "the time was up"
    FRAMES = "all frames were presented"
    HAPPENED = "it has happened"
    GUESTS = "every guest has ended"
    IDLE = "nothing was left to happen"
    UNSEEN = "no guest can be seen on that output"
    PICTURE = "the picture was up"
    RECORDING = "the recording is at its end"
    WINDOW = "the window was closed"
    INTERRUPTED = "interrupted"


_ENDS_RUNS_ALONE = frozenset({StopReason.GUESTS, StopReason.PICTURE})


class Guest(Protocol):
    """As much of a guest as a run has to know; see `compositor.machine.attachment.Attachment`."""

    closed: bool
    ended: asyncio.Future[None] | None

    @property
    def has_ended(self) -> bool:
        """Whether it has ended by itself, or died."""

    def hear_of_end(self) -> BaseException | None:
        """Of one that has ended: what it died of, if that was not heard of before."""


class Wait:
    """One caller that waits, in a task of its own.

    Args:
        what: It waits for, for messages.
        end_ns: When it ends at the latest, on the run's clock; None: whenever.
        lasts: That end is what it waits for; otherwise it is a deadline.
        whole: It is a run as such: it ends with the last guest, and when the picture is up.
        ready: Whether it has happened; asked after every event on the virtual clock, and often on the real
            one.
        hopeless: Whether nothing that recurs by itself can bring it about; asked when nothing else is
            planned.

    Attributes:
        task: Name of the task.
        within_s: Its deadline as it was given, seconds.
        over: Done with the reason, or with the error that it failed of.
    """

    def __init__(
        self,
        what: str,
        end_ns: int | None = None,
        *,
        lasts: bool = False,
        whole: bool = False,
        ready: Callable[[], bool] | None = None,
        hopeless: Callable[[], bool] | None = None,
    ) -> None:
        self.what, self.end_ns, self.lasts, self.whole = what, end_ns, lasts, whole
        self.ready, self.hopeless = ready, hopeless
        task = asyncio.current_task()
        self.within_s: float | None = None
        self.task = "" if task is None else task.get_name()
        self.over: asyncio.Future[StopReason] = asyncio.get_running_loop().create_future()
        self.on_over: Callable[[], None] = _unheard

    def finish(self, reason: StopReason) -> None:
        """End it, unless something has already."""
        if not self.over.done():
            self.over.set_result(reason)
            self.on_over()

    def fail(self, error: BaseException) -> None:
        """End it with an error, unless something has ended it already."""
        if not self.over.done():
            self.over.set_exception(error)
            self.on_over()

    def look(self) -> None:
        """End it if it has happened, or with what it raised when asked."""
        if self.ready is None or self.over.done():
            return
        try:
            happened = self.ready()
        except Exception as error:
            self.fail(error)
        else:
            if happened:
                self.finish(StopReason.HAPPENED)


class Runs:
    """All who wait for a machine at a time, and the run that serves them.

    Args:
        clock: The machine's.
        guests: The machine's, as they come and go.
        patience_s: Seconds of real time in which a guest that makes virtual time stand still must be
            heard of.

    Attributes:
        waits: Those whose wait is not over.
        tasks: How many wait, those included that are about to go on.
    """

    def __init__(self, clock: Clock, guests: Sequence[Guest], patience_s: float) -> None:
        self.waits: list[Wait] = []
        self._guests = guests
        self._loop = asyncio.get_running_loop()
        self._failure: BaseException | None = None
        self._time = (
            _VirtualTime(self, clock, patience_s) if isinstance(clock, Calendar) else _RealTime(self, clock)
        )
        self.tasks = 0
        self._watched: dict[asyncio.Future[None], None] = {}
        self._handler: Any = None

    def stop(self, reason: StopReason) -> None:
        """End what waits, but for some reasons only runs as such."""
        for wait in tuple(self.waits):
            if wait.whole or reason not in _ENDS_RUNS_ALONE:
                wait.finish(reason)

    def fail(self, error: BaseException) -> None:
        """Something broke for good: all that wait fail of it, and all that will."""
        self._failure = error
        self._fail_all(error)

    async def until(self, wait: Wait) -> StopReason:
        """Let time pass until a wait is over.

        Raises:
            Misuse: This is another loop than the machine's.
            Exception: Whatever the run failed of.
        """
        if asyncio.get_running_loop() is not self._loop:
            raise Misuse("the machine runs in another loop: wait for it where it was entered")
        if self._failure is not None:
            raise self._failure
        if wait.over.done():
            return wait.over.result()
        wait.on_over = partial(self._over, wait)
        self.waits.append(wait)
        self._enter()
        try:
            self._time.joined(wait)
            return await wait.over
        finally:
            self._leave(wait)

    def look(self) -> None:
        """See what has come of what happened."""
        for wait in tuple(self.waits):
            wait.look()

    def hear_of_guests(self) -> None:
        """A run stops with the last guest; what one died of is said once."""
        ended = [guest for guest in self._guests if guest.has_ended]
        if not ended:
            return
        last = all(guest.has_ended or guest.closed for guest in self._guests)
        for guest in ended:
            death = guest.hear_of_end()
            if death is not None and (last or not isinstance(death, GuestFailed)):
                self._fail_all(death)
                return
        if last:
            self.stop(StopReason.GUESTS)

    def watch_guests(self) -> None:
        """Hear of the ends of guests that have come since."""
        for guest in self._guests if self.tasks else ():
            if guest.ended is not None and guest.ended not in self._watched:
                self._watched[guest.ended] = None
                guest.ended.add_done_callback(self._guest_ended)

    def _guest_ended(self, _end: asyncio.Future[None]) -> None:
        self._time.happened()

    def _over(self, wait: Wait) -> None:
        if wait in self.waits:
            self.waits.remove(wait)
        self._time.left(wait)

    def _fail_all(self, error: BaseException) -> None:
        for wait in tuple(self.waits):
            wait.fail(error)

    def _enter(self) -> None:
        """One more waits. The first begins the run.

        What a callback of the loop raises meanwhile, be it a timer's, a socket's or the calendar's, ends the
        wait; it would otherwise be logged and forgotten.
        """
        self.tasks += 1
        if self.tasks == 1:
            self._handler = self._loop.get_exception_handler()
            self._loop.set_exception_handler(self._callback_failed)
            self._time.begin()
        self.watch_guests()

    def _leave(self, wait: Wait) -> None:
        """One less. The last ends the run."""
        if wait.over.done() and not wait.over.cancelled():
            wait.over.exception()  # maybe it was cancelled at the same time, and will not ask
        else:
            wait.over.cancel()
            self._over(wait)
        self.tasks -= 1
        if not self.tasks:
            self._time.end()
            self._loop.set_exception_handler(self._handler)
            for end in self._watched:
                end.remove_done_callback(self._guest_ended)
            self._watched.clear()

    def _callback_failed(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._fail_all(context.get("exception") or InternalError(context["message"]))


@contextmanager
def listening(output: Output, listener: Callable[[Frame], None]) -> Iterator[None]:
    """Hear of the frames that an output presents meanwhile."""
    output.listeners.append(listener)
    try:
        yield
    finally:
        output.listeners.remove(listener)


class _RealTime:
    """Time that passes by itself: timers for the ends of waits, and for looks at conditions."""

    def __init__(self, runs: Runs, clock: Clock) -> None:
        self._runs, self._clock = runs, clock
        self._ends: dict[Wait, Cancellable] = {}
        self._next_look: Cancellable | None = None

    def begin(self) -> None:
        """The first waits."""

    def end(self) -> None:
        """Nothing waits any more."""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None

    def joined(self, wait: Wait) -> None:
        """One more waits."""
        if wait.end_ns is not None:
            self._ends[wait] = self._clock.call_at(wait.end_ns, partial(self._at_end, wait))
        self.happened()
        if wait.ready is not None and self._next_look is None and not wait.over.done():
            self._look_later()

    def left(self, wait: Wait) -> None:
        """One less waits."""
        timer = self._ends.pop(wait, None)
        if timer is not None:
            timer.cancel()

    def happened(self) -> None:
        """Something has, perhaps."""
        self._runs.hear_of_guests()
        self._runs.look()

    def _at_end(self, wait: Wait) -> None:
        wait.look()
        wait.finish(StopReason.SECONDS)

    def _look_later(self) -> None:
        self._next_look = self._clock.call_at(self._clock.now_ns() + _LOOK_NS, self._look)

    def _look(self) -> None:
        self._next_look = None
        self.happened()
        if any(wait.ready is not None for wait in self._runs.waits):
            self._look_later()


class _VirtualTime:
    """Steps a calendar, as a callback of the loop, whenever the calendar is free and at least one waits."""

    def __init__(self, runs: Runs, calendar: Calendar, patience_s: float) -> None:
        self._runs, self._calendar, self._patience_s = runs, calendar, patience_s
        self._loop = asyncio.get_running_loop()
        self._watchdog: _Watchdog | None = None
        self._scheduled = False
        self._rounds = 0

    def begin(self) -> None:
        """The first waits."""
        self._calendar.on_free = self.happened
        self._watchdog = _Watchdog(self._calendar, self._patience_s, self._runs._fail_all)

    def end(self) -> None:
        """Nothing waits any more."""
        if self._watchdog is not None:
            self._watchdog.close()

    def joined(self, wait: Wait) -> None:
        """One more waits."""
        self._limit()
        wait.look()
        self.happened()

    def left(self, _wait: Wait) -> None:
        """One less waits; the others wait for what it does now."""
        self._rounds = _ROUNDS if self._runs.tasks > 1 else 0
        if self._runs.waits:
            self._limit()

    def happened(self) -> None:
        """Go on in the next round of the loop, not inside of the call that frees the calendar."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._go_on)

    def _limit(self) -> None:
        """No participant may run beyond what is waited for."""
        self._calendar.limit_ns = min(
            (wait.end_ns for wait in self._runs.waits if wait.end_ns is not None), default=None
        )

    def _go_on(self) -> None:
        self._scheduled = False
        if self._rounds:
            self._rounds -= 1
        elif self._may_pass() and self._is_hopeless():
            self._runs.stop(StopReason.UNSEEN)
        for _ in range(_EVENTS_PER_TURN):
            if not self._may_pass():
                break
            self._step()
        if self._runs.waits and not self._calendar.held:
            self.happened()

    def _may_pass(self) -> bool:
        """Whether time may, once it is seen what has come of the last event: not while a task has its say."""
        self._runs.look()
        self._runs.hear_of_guests()
        return bool(self._runs.waits) and not self._rounds and not self._calendar.held

    def _is_hopeless(self) -> bool:
        """Whether nothing that will happen can be what any of them waits for."""
        calendar = self._calendar
        if calendar.held or calendar.next_ns() is None:
            return False
        every = all(wait.hopeless is not None and wait.hopeless() for wait in self._runs.waits)
        return every and not calendar.has_plans

    def _step(self) -> None:
        calendar, waits = self._calendar, self._runs.waits
        next_ns, end_ns = calendar.next_ns(), calendar.limit_ns
        if next_ns is None and not any(wait.lasts for wait in waits):
            self._runs.stop(StopReason.IDLE)
        elif end_ns is not None and (next_ns is None or next_ns > end_ns):
            calendar.advance_to(max(end_ns, calendar.now_ns()))
            for wait in tuple(waits):
                if wait.end_ns is not None and wait.end_ns <= end_ns:
                    wait.look()
                    wait.finish(StopReason.SECONDS)
        else:
            calendar.run_next()


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


def _unheard() -> None:
    """Before it waits."""
