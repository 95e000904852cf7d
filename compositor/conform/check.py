"""What a check is, and the register of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from compositor.conform.rig import Rig
from compositor.errors import BadInput

Level = Literal["must", "should"]
Play = Callable[[Rig], None]


@dataclass(frozen=True, slots=True)
class Check:
    """One requirement, and how it is played.

    Attributes:
        name: `group/what-is-required`.
        section: Where the requirement stands: "virtio 1.3, 2.7.4.1", or "vhost-user, Ring states".
        level: "must" decides the exit status. "should" is advice: a SHOULD of the specification, or the
            error code that a device had best answer where the specification leaves the choice.
        requirement: The requirement, in our words.
        play: Plays it; raises a verdict unless it passes.
    """

    name: str
    section: str
    level: Level
    requirement: str
    play: Play


REGISTER: dict[str, Check] = {}
"""Every check by its name, in the order in which they run."""


class Group:
    """Checks on one subject; decorates the functions that play them.

    Args:
        name: First part of the checks' names.
        book: Where their sections are found: "virtio 1.3", "vhost-user".
    """

    def __init__(self, name: str, book: str = "virtio 1.3") -> None:
        self._name = name
        self._book = book

    def check(self, section: str, level: Level = "must") -> Callable[[Play], Play]:
        """Enter the decorated function: its name is the check's, its docstring the requirement."""

        def enter(play: Play) -> Play:
            self.enter(
                play.__name__.replace("_", "-"), section, " ".join((play.__doc__ or "").split()), level, play
            )
            return play

        return enter

    def enter(self, name: str, section: str, requirement: str, level: Level, play: Play) -> None:
        """Enter a check that is made, not written: a row of a table."""
        check = Check(f"{self._name}/{name}", f"{self._book}, {section}", level, requirement, play)
        assert check.requirement, check.name
        assert check.name not in REGISTER, check.name
        REGISTER[check.name] = check


def choose(patterns: Sequence[str]) -> Iterator[Check]:
    """The checks whose name or section fits one of the shell patterns, or has it as a part; all without any.

    Raises:
        BadInput: A pattern fits none.
    """
    for pattern in patterns:
        if not any(_fits(check, pattern) for check in REGISTER.values()):
            raise BadInput(f"--only {pattern}: no check has this name or section; --list shows them")
    for check in REGISTER.values():
        if not patterns or any(_fits(check, pattern) for pattern in patterns):
            yield check


def _fits(check: Check, pattern: str) -> bool:
    return any(fnmatchcase(text, pattern) or pattern in text for text in (check.name, check.section))
