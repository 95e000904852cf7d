"""Pictures of two directories, paired by their names."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from compositor.errors import BadInput


@dataclass(frozen=True, slots=True)
class Pairs:
    """What two directories hold, as names relative to them, in order.

    Attributes:
        both: In both.
        first: In the first alone.
        second: In the second alone.
    """

    both: tuple[str, ...]
    first: tuple[str, ...]
    second: tuple[str, ...]


def pair(first: Path, second: Path) -> Pairs:
    """Find the PNG files of two directories and of those below them; links to directories are not followed.

    Raises:
        BadInput: A directory cannot be read, or neither has a PNG file.
    """
    one, other = _names(first), _names(second)
    if not one | other:
        raise BadInput(f"neither {first} nor {second} has a PNG file")
    return Pairs(tuple(sorted(one & other)), tuple(sorted(one - other)), tuple(sorted(other - one)))


def _names(directory: Path) -> set[str]:
    def refuse(error: OSError) -> None:
        raise BadInput(f"cannot read {error.filename}: {error.strerror}")

    return {
        str((Path(where) / name).relative_to(directory))
        for where, _, names in os.walk(directory, onerror=refuse)
        for name in names
        if name.lower().endswith(".png")
    }
