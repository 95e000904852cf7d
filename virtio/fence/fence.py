"""One fence: signalled once, never unsignalled.

Modelled on `struct dma_fence` (linux/dma-fence.h): identified by (context, seqno); the error is set
before or while signalling, never after; callbacks run once, in the order of their registration.
"""

from __future__ import annotations

from collections.abc import Callable

from virtio.errors import Misuse


class Fence:
    """A promise that some work will be done.

    Attributes:
        context: Timeline that the fence belongs to; seqnos compare within one context only.
        seqno: Position on that timeline.
        error: None, or the negative errno that the work ended with.
    """

    __slots__ = ("context", "seqno", "error", "_signaled", "_callbacks")

    def __init__(self, context: int = 0, seqno: int = 0) -> None:
        self.context = context
        self.seqno = seqno
        self.error: int | None = None
        self._signaled = False
        self._callbacks: list[Callable[[Fence], None]] = []

    @property
    def signaled(self) -> bool:
        """Whether the work is done."""
        return self._signaled

    def signal(self, error: int | None = None) -> None:
        """Mark the work as done and run the callbacks.

        Args:
            error: A negative errno when the work failed.

        Raises:
            Misuse: The fence has been signalled before, or `error` is not negative.
        """
        if self._signaled:
            raise Misuse(f"fence {self.context}:{self.seqno} is signalled twice")
        if error is not None and error >= 0:
            raise Misuse(f"fence {self.context}:{self.seqno}: error {error} is not a negative errno")
        self.error = error
        self._signaled = True
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback(self)

    def add_callback(self, callback: Callable[[Fence], None]) -> None:
        """Call `callback(fence)` when the fence signals; at once when it has already."""
        if self._signaled:
            callback(self)
        else:
            self._callbacks.append(callback)

    def __repr__(self) -> str:
        ended = "signaled" if self.error is None else f"error {self.error}"
        return f"<Fence {self.context}:{self.seqno} {ended if self._signaled else 'active'}>"
