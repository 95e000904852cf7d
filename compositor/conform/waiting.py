"""One deadline for all that a check waits for, and what it listens to meanwhile.

Rings are memory, which no poll can wait for: their indices are looked at every millisecond.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable

from compositor.conform.verdict import Overdue

_LOOK_S = 0.001


class Waiting:
    """Waits with a deadline, and serves descriptors while it does.

    Args:
        seconds: From now to the deadline.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds
        self._poll = select.poll()
        self._served: dict[int, Callable[[], None]] = {}

    def left(self) -> float:
        """Seconds to the deadline; 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    def serve(self, fd: int, readable: Callable[[], None]) -> None:
        """Call `readable` whenever there is something to read, or its peer is gone."""
        self._served[fd] = readable
        self._poll.register(fd, select.POLLIN)

    def leave(self, fd: int) -> None:
        """Serve it no longer."""
        if self._served.pop(fd, None) is not None:
            self._poll.unregister(fd)

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until `condition` holds.

        Raises:
            Overdue: The deadline passed first; the message names `what` was waited for.
        """
        while not condition():
            if not self.left():
                raise Overdue(f"{what}: nothing within {self._seconds:g} s")
            self._step(_LOOK_S)

    def for_a_while(self, seconds: float, *, unless: Callable[[], bool] = lambda: False) -> None:
        """Serve descriptors for some time, in which a wrong device would do what it must not."""
        end = time.monotonic() + min(seconds, self.left())
        while time.monotonic() < end and not unless():
            self._step(_LOOK_S)

    def _step(self, seconds: float) -> None:
        for fd, _ in self._poll.poll(seconds * 1000):
            served = self._served.get(fd)
            if served is not None:
                served()
