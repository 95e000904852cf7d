"""One fence: signalled once, never unsignalled.

Modelled on `struct dma_fence` (linux/dma-fence.h, drivers/dma-buf/dma-fence.c): identified by (context,
seqno); the error is set before or while signalling, never after; callbacks run once, in the order of their
registration. Seqnos are plain integers here and never wrap around.

No wake-up is lost: a callback that comes late runs at once, one that comes while others run takes its turn
behind them, and one that raises does not keep the rest from running. Fences are not locked: all that
touches one belongs to one thread. Between processes there is `virtio.fence.sync_file`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from virtio.errors import Misuse
from virtio.fence.state import Event, State, after

Callback = Callable[["Fence"], None]

_AFTER_SIGNAL = after(Event.SIGNAL)
_AFTER_ERROR = after(Event.SET_ERROR)
# Names of this module, and tuples: an enumeration's members are slow to look up, and slow to hash.
_ACTIVE = State.ACTIVE
_SIGNALED = State.SIGNALED

_contexts = itertools.count(1)


def allocate_context() -> int:
    """The number of a new context, unique in this process (`dma_fence_context_alloc`)."""
    return next(_contexts)


class Producer(NamedTuple):
    """Who will signal a fence, for messages.

    Attributes:
        timeline: Name of the fence's timeline.
        owner: Who drives that: a guest, an output, a process; empty where that is unknown.
    """

    timeline: str
    owner: str = ""


class Fence:
    """A promise that some work will be done.

    Attributes:
        context: Timeline that the fence belongs to; seqnos compare within one context only.
        seqno: Position on that timeline.
        producer: Who will signal it, where that is known.
        state: See `virtio.fence.state`.
        error: None, or the negative errno that the work ends or ended with.
        timestamp_ns: When it signalled, on its producer's clock; None before, and where it is unknown.
    """

    __slots__ = ("context", "seqno", "producer", "state", "error", "timestamp_ns", "_callbacks")

    def __init__(
        self, context: int | None = None, seqno: int = 0, *, producer: Producer | None = None
    ) -> None:
        """A fence that has not signalled.

        Args:
            context: Its timeline; None: one of its own, so that it is neither earlier nor later than others.
            seqno: Its position there.
            producer: Who will signal it.
        """
        self.context = next(_contexts) if context is None else context
        self.seqno = seqno
        self.producer = producer
        self.state = _ACTIVE
        self.error: int | None = None
        self.timestamp_ns: int | None = None
        # None: there are none, or all have run. Most fences never have one.
        self._callbacks: list[Callback] | None = None

    @property
    def signaled(self) -> bool:
        """Whether the work has ended, well or not."""
        return self.state >= _SIGNALED

    @property
    def status(self) -> int:
        """As a sync file reports it: 0 active, 1 signalled, negative: the errno of work that failed."""
        if self.state < _SIGNALED:
            return 0
        return 1 if self.error is None else self.error

    def set_error(self, error: int) -> None:
        """Say what the work will end with; the fence stays active. A later error replaces an earlier one.

        Raises:
            Misuse: The fence has signalled, or `error` is not negative.
        """
        following = _AFTER_ERROR[self.state]
        if following is None:
            raise Misuse(f"{self.describe()} has signalled: its error cannot be set any more")
        check_error(error, self.describe())
        self.error = error
        self.state = following

    def signal(self, error: int | None = None, *, now_ns: int | None = None) -> None:
        """Mark the work as ended and run the callbacks.

        Every callback runs, also when an earlier one raised; what they raised is raised at the end.

        Args:
            error: A negative errno when the work failed.
            now_ns: The time, for `timestamp_ns`.

        Raises:
            Misuse: The fence has been signalled before, or `error` is not negative.
        """
        if error is not None and self.state < _SIGNALED:
            self.set_error(error)
        following = _AFTER_SIGNAL[self.state]
        if following is None:
            raise Misuse(f"{self.describe()} is signalled twice")
        self.state = following
        self.timestamp_ns = now_ns
        failures: list[BaseException] = []
        for callback in self._callbacks or ():  # it grows when one of them adds another
            try:
                callback(self)
            except BaseException as failure:
                failures.append(failure)
        self._callbacks = None
        if failures:
            raise_together(failures)

    def add_callback(self, callback: Callback) -> None:
        """Call `callback(fence)` once when the fence signals; at once when it has already."""
        if self._callbacks is not None:
            self._callbacks.append(callback)
        elif self.state >= _SIGNALED:
            callback(self)
        else:
            self._callbacks = [callback]

    def remove_callback(self, callback: Callback) -> bool:
        """Never run `callback`; of equal ones, the first that was added.

        Returns:
            False when it was not there, or when the fence has signalled: then it has run, or is about to.
        """
        if self._callbacks is None or self.state >= _SIGNALED or callback not in self._callbacks:
            return False
        self._callbacks.remove(callback)
        return True

    def is_later_than(self, other: Fence) -> bool:
        """Whether this fence comes after `other` on their timeline, and so signals after it.

        Raises:
            Misuse: They are of different contexts, whose seqnos have nothing to do with each other.
        """
        if self.context != other.context:
            raise Misuse(f"{self.describe()} and {other.describe()} are of different contexts: no order")
        return self.seqno > other.seqno

    def describe(self) -> str:
        """Its name in messages."""
        return f"fence {self._label()}"

    def _label(self) -> str:
        timeline = f"{self.producer.timeline} " if self.producer else ""
        return f"{timeline}{self.context}:{self.seqno}"

    def __repr__(self) -> str:
        ended = "signaled" if self.error is None else f"error {self.error}"
        return f"<Fence {self._label()} {ended if self.signaled else 'active'}>"


def check_error(error: int, whose: str) -> None:
    """Raises `Misuse` where `error` is not a negative errno."""
    if error >= 0:
        raise Misuse(f"{whose}: error {error} is not a negative errno")


def raise_together(failures: Sequence[BaseException]) -> NoReturn:
    """Raise what several callbacks raised: one failure as it is, several as a group."""
    if len(failures) == 1:
        raise failures[0]
    raise BaseExceptionGroup("callbacks of fences failed", failures)
