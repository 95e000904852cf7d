"""What one guest uses at the moment, what all of them use, and who hears that a limit was reached."""

from __future__ import annotations

from collections.abc import Callable

from virtio.budget import Budget
from virtio.limits import Limits, Totals


class Notices:
    """Lines for the user, told once each, and so many at most; a peer that errs without end is heard.

    Args:
        tell: Gets the lines.
        most: How many.
    """

    def __init__(self, tell: Callable[[str], None], most: int) -> None:
        self._tell, self._most = tell, most
        self._told: set[str] = set()

    def __call__(self, line: str, kind: str | None = None) -> None:
        """Tell a line, unless one of its kind has been told; without a kind, unless it has itself."""
        kind = kind or line
        if kind not in self._told and len(self._told) < self._most:
            self._told.add(kind)
            self._tell(line)


class AtMost:
    """So many lines for the user, then one that says so.

    Args:
        tell: Gets the lines.
        most: How many.
    """

    def __init__(self, tell: Callable[[str], None], most: int) -> None:
        self._tell, self._left = tell, most

    def __call__(self, line: str) -> None:
        """Tell a line."""
        self._left -= 1
        if self._left >= 0:
            self._tell(line)
        elif self._left == -1:
            self._tell("limit total-lines reached: no further line about guests is told in this run")


class Together:
    """What all guests of a machine use.

    Args:
        totals: How much they may.

    Attributes:
        totals: As given.
        host_memory: As in `Account`, like all that follow.
    """

    def __init__(self, totals: Totals | None = None) -> None:
        self.totals = totals = totals or Totals()
        self.host_memory = Budget(totals.host_memory)
        self.resources = Budget(totals.resources)
        self.mappings = Budget(totals.mappings)
        self.address_space = Budget(totals.address_space)
        self.fences = Budget(totals.fences)
        self.descriptors = Budget(totals.descriptors)
        self.connections = Budget(totals.connections)


class Account:
    """What one guest uses, in all the lives of its driver and its VMM.

    Args:
        limits: How much it may.
        together: Of which this is one share; None: of nothing else.
        tell: Gets one line for each limit that was reached.

    Attributes:
        limits: As given.
        host_memory: Bytes.
        resources: Live ones.
        mappings: Kernel mappings for backings.
        mapped: Bytes of address space for backings.
        address_space: Bytes of address space for all.
        fences: Answers that wait for the display.
        descriptors: Those that messages of its front end left here.
        connections: Those that have said nothing yet.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        together: Together | None = None,
        tell: Callable[[str], None] = lambda _line: None,
    ) -> None:
        self.limits = limits = limits or Limits()
        together = together or Together()
        self.host_memory = Budget(limits.host_memory, together.host_memory)
        self.resources = Budget(limits.resources, together.resources)
        self.mappings = Budget(limits.mappings, together.mappings)
        self.mapped = Budget(limits.mapped)
        self.address_space = Budget(limits.address_space, together.address_space)
        self.fences = Budget(limits.fences, together.fences)
        self.descriptors = Budget(limits.descriptors, together.descriptors)
        self.connections = Budget(limits.connections, together.connections)
        self._tell_once = Notices(tell, limits.lines)

    def held(self) -> str:
        """What is used, for a message; empty when all has been given back."""
        budgets = {
            "bytes of host memory": self.host_memory,
            "resources": self.resources,
            "mappings": self.mappings,
            "answers": self.fences,
            "descriptors": self.descriptors,
        }
        return ", ".join(f"{budget.used} {name}" for name, budget in budgets.items() if budget.used)

    def reached(self, name: str, what: str, budget: Budget | None = None) -> str:
        """Say that a limit was reached, once for each limit.

        Args:
            name: The limit's, as in `virtio.limits.TABLE`.
            what: What would have gone beyond it.
            budget: What it is a limit of: it may be that of all guests that was reached.

        Returns:
            `what`, and what is used.
        """
        if budget is not None:
            name = f"total-{name}" if budget.is_whole_short else name
            what = f"{what}, and {budget.state()} already"
        self._tell_once(f"limit {name} reached: {what}; --limit {name}=... sets another", name)
        return what
