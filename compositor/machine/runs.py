"""The runs of a machine, one after the other: time passes until there is a reason to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from compositor.machine.attachment import Attachment
from compositor.machine.run import Run, StopReason
from compositor.output.frame import Frame
from compositor.output.output import Output
from virtio.clock import Calendar, Clock


class Runs:
    """Whoever has a reason to stop the current run tells it to this.

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
