"""Fences that wait for each other in a circle would never signal: found before anybody waits.

An edge says that a producer will not signal one fence before another has signalled. Within a context there
are edges that nobody has to mention: a fence never signals before an earlier one of its context. The kernel
forbids such circles by rule (Documentation/driver-api/dma-buf.rst, "Indefinite DMA Fences") and cannot find
them; a simulator of guests that break rules can.
"""

from __future__ import annotations

from virtio.errors import Misuse
from virtio.fence.array import unwrap
from virtio.fence.fence import Fence


class WaitCycle(Misuse):
    """A wait that would never end.

    Attributes:
        fences: The circle: each waits for the next, the last for the first.
    """

    def __init__(self, fences: tuple[Fence, ...]) -> None:
        self.fences = fences
        chain = " waits for ".join(_named(fence) for fence in (*fences, fences[0]))
        super().__init__(f"a circle of fences never signals: {chain}")


class WaitGraph:
    """Which fences wait for which. An edge goes away when the fence that is waited for signals."""

    __slots__ = ("_edges",)

    def __init__(self) -> None:
        # By context of the fence that waits: context -> [(fence that waits, fence that it waits for)].
        self._edges: dict[int, list[tuple[Fence, Fence]]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._edges.values()))

    def add(self, fence: Fence, waits_for: Fence) -> None:
        """The producer of `fence` will not signal it before `waits_for` has signalled.

        For an array, that means each of its members. An array that any member signals is taken as one fence:
        circles through its members are not found.

        Raises:
            WaitCycle: `waits_for` itself waits for `fence`, directly or through others; nothing is added.
        """
        if fence.signaled:
            return
        pending = [leaf for leaf in unwrap(waits_for) if not leaf.signaled]
        for leaf in pending:
            cycle = self.find_cycle(fence, leaf)
            if cycle:
                raise WaitCycle(cycle)
        for leaf in pending:
            self._edges.setdefault(fence.context, []).append((fence, leaf))
            leaf.add_callback(self._forget)

    def find_cycle(self, fence: Fence, waits_for: Fence) -> tuple[Fence, ...]:
        """The circle that a wait would close, starting at `fence`; empty when there is none."""
        # Depth first; each entry is a fence and the way to it. Coming to a context again at a seqno not
        # above one that was explored finds nothing new.
        todo: list[tuple[Fence, tuple[Fence, ...]]] = [(waits_for, (fence,))]
        explored: dict[int, int] = {}
        while todo:
            current, way = todo.pop()
            if current.context == fence.context and not fence.is_later_than(current):
                return way if current is fence else (*way, current)
            if current.seqno <= explored.get(current.context, current.seqno - 1):
                continue
            explored[current.context] = current.seqno
            for blocked, on in self._edges.get(current.context, ()):
                if not (blocked.signaled or on.signaled or blocked.is_later_than(current)):
                    todo.append((on, (*way, current)))
        return ()

    def _forget(self, signaled: Fence) -> None:
        for context, edges in list(self._edges.items()):
            kept = [edge for edge in edges if edge[1] is not signaled]
            if kept:
                self._edges[context] = kept
            else:
                del self._edges[context]


def _named(fence: Fence) -> str:
    owner = fence.producer.owner if fence.producer else ""
    return f"{fence.describe()} ({owner})" if owner else fence.describe()
