"""Several fences as one.

Modelled on dma-fence-array.c and dma-fence-unwrap.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from virtio.errors import Misuse
from virtio.fence.fence import Fence, Producer

_PRODUCER = Producer("array")


class FenceArray(Fence):
    """Signals when all of its fences have.

    It ends with the first error among its fences, and carries the latest of their times.
    Its fences hold it until it signals.

    Attributes:
        fences: Its members.
    """

    __slots__ = ("fences", "_missing")

    def __init__(self, fences: Iterable[Fence]) -> None:
        """An array of its own context.

        Raises:
            Misuse: There is no fence in it, so that nothing would ever signal it.
        """
        super().__init__(producer=_PRODUCER)
        self.fences = tuple(fences)
        if not self.fences:
            raise Misuse("an array of no fences would never signal")
        self._missing = len(self.fences)
        for fence in self.fences:
            fence.add_callback(self._one_done)

    def _one_done(self, fence: Fence) -> None:
        if self.signaled:
            return
        self._missing -= 1
        if fence.error is not None and self.error is None:
            self.set_error(fence.error)
        if not self._missing:
            self.signal(now_ns=latest(self.fences))


def latest(fences: Iterable[Fence]) -> int | None:
    """The latest time at which one of them signalled; None where none has one."""
    return max((fence.timestamp_ns for fence in fences if fence.timestamp_ns is not None), default=None)


def unwrap(fence: Fence) -> Iterator[Fence]:
    """The fences that `fence` waits for: itself, or the members of an array, arrays in arrays too."""
    if isinstance(fence, FenceArray):
        for member in fence.fences:
            yield from unwrap(member)
    else:
        yield fence


def merge(*fences: Fence) -> Fence:
    """One fence that signals when all of `fences` have.

    As `dma_fence_unwrap_merge`: signalled ones are dropped, with their errors, and of each context only the
    latest is kept, since it signals last. What is left is one fence as it is, or an array in the order of the
    contexts. Nothing left makes a fence that has signalled, at the latest time among them.
    """
    done: list[Fence] = []
    pending: dict[int, Fence] = {}
    for fence in (leaf for given in fences for leaf in unwrap(given)):
        known = pending.get(fence.context)
        if fence.signaled:
            done.append(fence)
        elif known is None or fence.is_later_than(known):
            pending[fence.context] = fence
    if len(pending) > 1:
        return FenceArray(pending[context] for context in sorted(pending))
    if pending:
        return next(iter(pending.values()))
    stub = Fence()
    stub.signal(now_ns=latest(done))
    return stub
