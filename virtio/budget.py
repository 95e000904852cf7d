"""An amount that is taken from and given back."""

from __future__ import annotations


class Budget:
    """An amount that is taken from and given back, up to a limit."""

    __slots__ = ("limit", "used")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0

    def has(self, amount: int) -> bool:
        """Whether `amount` more is within the limit."""
        return self.used + amount <= self.limit

    def take(self, amount: int) -> None:
        """Count `amount`; the caller has asked `has`."""
        self.used += amount

    def give(self, amount: int) -> None:
        """Count `amount` as free again."""
        self.used -= amount

    @property
    def left(self) -> int:
        """What can still be taken."""
        return self.limit - self.used
