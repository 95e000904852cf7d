"""Several fences as one: all of them, or any of them.

Modelled on dma-fence-array.c and dma-fence-unwrap.c.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from virtio.errors import Misuse
from virtio.fence.fence import Fence, Producer

_PRODUCER = Producer("array")


class FenceArray(Fence):
    """Signals when all of its fences have, or when the first one has.

    It ends with the first error among the fences that it waited for, and carries the latest of their times.
    Its fences hold it until it signals.

    Attributes:
        fences: Its members.
        any_of: Whether one of them is enough.
    """

    __slots__ = ("fences", "any_of", "_missing")

    def __init__(self, fences: Iterable[Fence], *, any_of: bool = False) -> None:
        """An array of its own context.

        Raises:
            Misuse: There is no fence in it, so that nothing would ever signal it.
        """
        super().__init__(producer=_PRODUCER)
        self.fences = tuple(fences)
        self.any_of = any_of
        if not self.fences:
            raise Misuse("an array of no fences would never signal")
        self._missing = 1 if any_of else len(self.fences)
        for fence in self.fences:
            if not self.signaled:
                fence.add_callback(self._one_done)

    def _one_done(self, fence: Fence) -> None:
        if self.signaled:
            return
        self._missing -= 1
        if fence.error is not None and self.error is None:
            self.set_error(fence.error)
        if self._missing:
            return
        for other in self.fences:
            other.remove_callback(self._one_done)
        self.signal(now_ns=latest(self.fences))

    def set_deadline(self, deadline_ns: int) -> None:
        """As `Fence.set_deadline`, for every member too."""
        super().set_deadline(deadline_ns)
        for fence in self.fences:
            fence.set_deadline(deadline_ns)


def latest(fences: Iterable[Fence]) -> int | None:
    """The latest time at which one of them signalled; None where none has one."""
    return max((fence.timestamp_ns for fence in fences if fence.timestamp_ns is not None), default=None)


def unwrap(fence: Fence) -> Iterator[Fence]:
    """The fences that `fence` waits for: itself, or the members of an array, arrays in arrays too.

    An array that any member signals is one fence: its members mean something else by themselves.
    """
    if isinstance(fence, FenceArray) and not fence.any_of:
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
