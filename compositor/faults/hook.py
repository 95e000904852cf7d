"""A callable of one object, replaced for a while.

A fault that waits replaces a method on the one object that it concerns, and puts it back when it has
happened. So a run pays nothing for faults that it does not have: the classes know nothing of them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Hook:
    """Replaces `owner.name`, until `remove`.

    Hooks on one callable lie over each other. One that is removed while another lies over it passes calls on.

    Args:
        owner: The object.
        name: Of its method, or of an attribute that is called.
        call: Is called instead, with what was there before as its first argument.
    """

    def __init__(self, owner: object, name: str, call: Callable[..., Any]) -> None:
        self._owner, self._name, self._call = owner, name, call
        self._before = getattr(owner, name)
        self._own = name in vars(owner)  # otherwise the class has it
        self._replacement: Callable[..., Any] = self._replaced
        self._removed = False
        setattr(owner, name, self._replacement)

    def _replaced(self, *arguments: Any) -> Any:
        if self._removed:
            return self._before(*arguments)
        return self._call(self._before, *arguments)

    def remove(self) -> None:
        """Put back what was there; once more does nothing."""
        if self._removed:
            return
        self._removed = True
        if vars(self._owner).get(self._name) is self._replacement:
            if self._own:
                setattr(self._owner, self._name, self._before)
            else:
                delattr(self._owner, self._name)
