"""An amount that is taken from and given back."""

from __future__ import annotations

from collections.abc import Callable


class Budget:
    """An amount that is taken from and given back, up to a limit; perhaps a share of a whole.

    Args:
        limit: How much there is.
        whole: Of what this is one share: what is taken here is taken there, too.
    """

    __slots__ = ("limit", "used", "_whole", "_waiting")

    def __init__(self, limit: int, whole: Budget | None = None) -> None:
        self.limit = limit
        self.used = 0
        self._whole = whole
        self._waiting: list[Callable[[], None]] = []

    def has(self, amount: int) -> bool:
        """Whether `amount` more is within the limit, and within that of the whole."""
        budget: Budget | None = self
        while budget is not None:  # each command asks: no call for the whole
            if budget.used + amount > budget.limit:
                return False
            budget = budget._whole
        return True

    def take(self, amount: int) -> None:
        """Count `amount`; the caller has asked `has`."""
        self.used += amount
        if self._whole is not None:
            self._whole.take(amount)

    def give(self, amount: int) -> None:
        """Count `amount` as free again."""
        self.used -= amount
        if self._whole is not None:
            self._whole.give(amount)
        waiting, self._waiting = self._waiting, []
        for call in waiting:
            call()

    def hold(self, amount: int) -> None:
        """Take or give so much that `amount` is used here."""
        if amount != self.used:
            (self.take if amount > self.used else self.give)(abs(amount - self.used))

    def call_when_given(self, call: Callable[[], None]) -> None:
        """Call once when something is given back next, here or to the whole; one that waits already, once."""
        if self._whole is not None:  # which hears of everything
            self._whole.call_when_given(call)
        elif call not in self._waiting:
            self._waiting.append(call)

    @property
    def left(self) -> int:
        """What can still be taken."""
        own = self.limit - self.used
        return own if self._whole is None else min(own, self._whole.left)

    @property
    def is_whole_short(self) -> bool:
        """Whether it is the whole, and not this share of it, that has less left."""
        return self._whole is not None and self._whole.left < self.limit - self.used

    def state(self) -> str:
        """What is used of that which has less left, for a message."""
        if self._whole is not None and self.is_whole_short:
            return f"all guests together have {self._whole.used} of {self._whole.limit}"
        return f"the guest has {self.used} of {self.limit}"
