"""How a machine is waited for: what `Machine` offers for that, each with a deadline on the run's clock."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from compositor.errors import Misuse, WaitFailed
from compositor.machine.attachment import Attachment
from compositor.machine.guests import Guests
from compositor.machine.outputs import Outputs
from compositor.machine.parties import parties
from compositor.machine.run import Runs, StopReason, Wait, listening
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.output.submission import Feedback, Presented
from virtio.arguments import check_seconds, check_type, check_whole, shown
from virtio.clock import Calendar, Clock
from virtio.clock.calendar import NANOSECONDS, Routine
from virtio.fence import Fence

WITHIN_S = 10.0
"""The deadline of what waits, in seconds on the run's clock, where none is given."""

Value = TypeVar("Value")


class Waiting:
    """The part of a machine in which time passes.

    On the virtual clock time passes only while a task waits here. Several tasks may wait at once, and each
    hears of its own; a task that has got what it waited for goes on before time does.

    Every wait has a deadline, `within`, in seconds on the run's clock; None waits without. When that passes,
    or when nothing is left that could bring about what is waited for, `WaitFailed` says what every party was
    about.
    """

    _outputs: Outputs
    _guests: Guests
    _clock: Clock | None = None
    _runs: Runs | None = None

    async def run(self, *, seconds: float | None = None, frames: int | None = None) -> StopReason:
        """Let time pass until a limit is reached or there is nothing to wait for.

        Args:
            seconds: On the run's clock, 0 or more.
            frames: Presented on the first output, from now on; 0 or more.

        Returns:
            Why it ended.

        Raises:
            Misuse: A limit is negative, or no number.
            GuestDied: A guest in a process of its own ended otherwise than by switching itself off. It is
                raised once; the machine goes on without that guest.
            GuestFailed: The same, of the last guest, whichever it is.
            ScreenError: A window's driver refuses.
        """
        runs, clock = self._running()
        end_ns = None if seconds is None else clock.now_ns() + _nanoseconds("seconds", seconds)
        output, what = self._outputs.all[0], "the end of a run"
        last = None
        if frames is not None:
            check_whole("frames", frames)
            last, what = output.presented_seq + frames, f"{frames} frames in a run"
        unseen = partial(self._unseen, output) if frames is not None and seconds is None else None
        wait = Wait(what, end_ns, lasts=seconds is not None, whole=True, hopeless=unseen)

        def count(frame: Frame) -> None:
            if last is not None and frame.commit_seq >= last:
                wait.finish(StopReason.FRAMES)

        if frames == 0:
            return StopReason.FRAMES
        with listening(output, count):
            return await runs.until(wait)

    async def next_frame(self, output: Output | str | int = 0, *, within: float | None = WITHIN_S) -> Frame:
        """The next frame that an output presents; its `pixels` are a live view, `snapshot` lasts.

        Args:
            output: One of this machine's, by name or number if you like.
            within: The deadline, seconds on the run's clock; None: none.

        Raises:
            BadInput: There is no such output.
            WaitFailed: No frame came in time, or none can.
        """
        (frame,) = await self.frames(1, output, within=within)
        return frame

    async def frames(
        self, count: int, output: Output | str | int = 0, *, within: float | None = WITHIN_S
    ) -> list[Frame]:
        """The next frames that an output presents, none left out.

        When this returns they have all been shown, and guests have painted over the buffers of all but the
        last: for the pixels of each, wait for one `next_frame` after the other, or `listen`.

        Args:
            count: How many, 1 or more.
            output: One of this machine's, by name or number if you like.
            within: The deadline for all of them, seconds on the run's clock; None: none.

        Raises:
            BadInput: There is no such output.
            Misuse: `count` is below 1.
            WaitFailed: They did not come in time, or cannot.
        """
        check_whole("count", count, 1)
        monitor = self._outputs.all[self._outputs.index(output)]
        frames: list[Frame] = []
        what = "a frame" if count == 1 else f"{count} frames"
        wait = self._wait(f"{what} of {monitor.name}", within, hopeless=partial(self._unseen, monitor))

        def take(frame: Frame) -> None:
            if len(frames) < count:
                frames.append(frame)
            if len(frames) == count:
                wait.finish(StopReason.HAPPENED)

        with listening(monitor, take):
            await self._happened(wait, lambda: f"; {len(frames)} were presented" if count > 1 else "")
        return frames

    async def until(
        self, predicate: Callable[[], Value], *, within: float | None = WITHIN_S, what: str = ""
    ) -> Value:
        """Wait until a condition holds, and return what the predicate returned then.

        On the virtual clock the predicate is asked now and after every event; on the real one now, every
        10 ms, and when a guest ends. It must not wait, nor change the machine.

        Args:
            predicate: Returns something true when the condition holds. What it raises fails the wait.
            within: The deadline, seconds on the run's clock; None: none.
            what: What it is about, for messages; by default the predicate's name and place.

        Raises:
            Misuse: The predicate cannot be called, or is a coroutine function.
            WaitFailed: The condition did not hold in time, or nothing is left to happen that could change it.
        """
        if not callable(predicate):
            raise Misuse(f"until: {shown(predicate)} is no predicate: give a function, as in lambda: ...")
        values: list[Value] = []

        def ready() -> bool:
            value = predicate()
            if inspect.iscoroutine(value):
                value.close()
                raise Misuse(f"until: {_place(predicate)} is a coroutine function: give a plain one")
            if value:
                values.append(value)
            return bool(value)

        await self._happened(self._wait(what or _place(predicate), within, ready=ready))
        return values[0]

    async def idle(self, *, within: float | None = WITHIN_S) -> None:
        """Wait until nothing is under way any more.

        On the virtual clock that is when nothing is left to happen at all; a guest that draws without end
        never comes to it. On the real one no output has a frame to show, and no guest waits for its device.

        Args:
            within: The deadline, seconds on the run's clock; None: none.

        Raises:
            WaitFailed: Something was still under way.
        """
        _, clock = self._running()

        def quiet() -> bool:
            if isinstance(clock, Calendar):
                return clock.next_ns() is None and not clock.held
            needed = any(output.frame_is_due for output in self._outputs.all)
            return not needed and not any(guest.waits for guest in self._guests.all)

        await self._happened(self._wait("nothing to be under way", within, ready=quiet))

    async def settled(
        self, refreshes: int = 2, output: Output | str | int = 0, *, within: float | None = WITHIN_S
    ) -> None:
        """Wait until an output has shown a picture, and then no change of it for so many refreshes.

        Args:
            refreshes: Of the output's mode, 1 or more.
            output: One of this machine's, by name or number if you like.
            within: The deadline, seconds on the run's clock; None: none.

        Raises:
            BadInput: There is no such output.
            Misuse: `refreshes` is below 1.
            WaitFailed: The picture was still changing, or there is none.
        """
        check_whole("refreshes", refreshes, 1)
        monitor = self._outputs.all[self._outputs.index(output)]
        what = f"{monitor.name} to stand still for {refreshes} refreshes"
        wait = self._wait(what, within, hopeless=partial(self._unseen, monitor))
        _, clock = self._running()
        changed_ns, looks = clock.now_ns(), False

        def look() -> None:
            now_ns, period_ns = clock.now_ns(), monitor.mode.period_ns
            due_ns = changed_ns + refreshes * period_ns
            if now_ns >= due_ns and not monitor.frame_is_due:
                wait.finish(StopReason.HAPPENED)
            elif not wait.over.done():
                clock.call_at(max(due_ns, now_ns + period_ns), Routine(look))

        def change(_frame: Frame | None = None) -> None:
            nonlocal changed_ns, looks
            changed_ns = clock.now_ns()
            if not looks:
                looks = True
                look()

        if monitor.presented_seq:
            change()
        with listening(monitor, change):
            await self._happened(wait)

    async def next_presented(self, guest: Attachment | str, *, within: float | None = WITHIN_S) -> Presented:
        """Wait until the next frame of a guest is on all the screens that it is to be on.

        Args:
            guest: One of this machine's, by name if you like.
            within: The deadline, seconds on the run's clock; None: none.

        Returns:
            When, in which refresh and how; see `compositor.output.submission.Presented`.

        Raises:
            BadInput: There is no such guest.
            WaitFailed: No frame of it came in time, or none can.
        """
        attachment = self._guests.find(guest)
        wait = self._wait(
            f"a frame of {attachment.name}", within, hopeless=partial(self._nowhere, attachment)
        )
        heard: list[Presented] = []

        def hear(_scanout: str, feedback: Feedback) -> None:
            if isinstance(feedback, Presented) and not heard:
                heard.append(feedback)
                wait.finish(StopReason.HAPPENED)

        attachment.display.listeners.append(hear)
        try:
            await self._happened(wait)
        finally:
            attachment.display.listeners.remove(hear)
        return heard[0]

    async def fence(self, fence: Fence, *, within: float | None = WITHIN_S) -> int:
        """Wait until a fence has signalled.

        Args:
            fence: It signals in this loop's thread.
            within: The deadline, seconds on the run's clock; None: none.

        Returns:
            Its status: 1, or the negative errno of work that failed.

        Raises:
            WaitFailed: It has not signalled in time; the message names who holds it.
        """
        check_type("fence", fence, Fence, "a virtio.fence.Fence")
        owner = f", held by {fence.producer.owner}" if fence.producer and fence.producer.owner else ""
        wait = self._wait(f"{fence.describe()}{owner}", within)

        def signaled(_fence: Fence) -> None:
            wait.finish(StopReason.HAPPENED)

        fence.add_callback(signaled)
        try:
            await self._happened(wait)
        finally:
            fence.remove_callback(signaled)
        return fence.status

    # What they have in common.

    def _running(self) -> tuple[Runs, Clock]:
        if self._clock is None:
            raise Misuse("the machine is not running: use it as `async with Machine(...) as machine`")
        if self._runs is None:
            raise Misuse("the machine is closed")
        return self._runs, self._clock

    def _wait(
        self,
        what: str,
        within: float | None,
        *,
        ready: Callable[[], bool] | None = None,
        hopeless: Callable[[], bool] | None = None,
    ) -> Wait:
        _, clock = self._running()
        end_ns = None if within is None else clock.now_ns() + _nanoseconds("within", within)
        wait = Wait(what, end_ns, ready=ready, hopeless=hopeless)
        wait.within_s = within
        return wait

    async def _happened(self, wait: Wait, so_far: Callable[[], str] = str) -> None:
        """Let time pass until it has happened.

        Raises:
            WaitFailed: It has not.
        """
        runs, clock = self._running()
        reason = await runs.until(wait)
        if reason is not StopReason.HAPPENED:
            late = reason is StopReason.SECONDS
            why = f"not within {wait.within_s:g} s of the run's clock" if late else reason.value
            raise WaitFailed(
                f"waited for {wait.what}: {why}{so_far()}",
                parties([wait, *runs.waits], self._outputs.all, self._guests.all, clock),
            )

    def _unseen(self, output: Output) -> bool:
        """Whether no guest that there is can bring about a frame of an output."""
        guests = [guest for guest in self._guests.all if not guest.closed]
        return not output.frame_is_due and not any(guest.display.reaches(output) for guest in guests)

    def _nowhere(self, guest: Attachment) -> bool:
        return not any(guest.display.reaches(output) for output in self._outputs.all)


def _nanoseconds(name: str, seconds: float) -> int:
    """A length of time that a caller gave."""
    check_seconds(name, seconds)
    return round(seconds * NANOSECONDS)


def _place(predicate: Callable[..., object]) -> str:
    """What to call a predicate in messages."""
    code = getattr(predicate, "__code__", None)
    if code is None:
        return repr(predicate)
    file = code.co_filename.rpartition("/")[2]
    return f"{predicate.__name__} at {file}:{code.co_firstlineno}"
