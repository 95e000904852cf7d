"""Golden pictures that no test uses any more; found where every test of a file ran, and passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from compositor.testing.goldens import is_approved
from compositor.testing.naming import FOLDER, folder_of

if TYPE_CHECKING:
    import pytest


def tests_in(config: pytest.Config, items: Sequence[pytest.Item], partial: set[Path]) -> dict[Path, int]:
    """How many tests of each file use the fixtures; -1 where some of the file's tests were left out."""
    counts = Counter(item.path for item in items if "scanout_harness" in getattr(item, "fixturenames", ()))
    named = {
        (config.invocation_params.dir / arg.partition("::")[0]).resolve()
        for arg in config.args
        if "::" in arg
    }
    return {path: -1 if path in partial | named else count for path, count in counts.items()}


class Census:
    """What the tests of a run used.

    Args:
        notes: Their reports', as `Harness.reported` makes them.
    """

    def __init__(self, notes: Sequence[dict[str, Any]]) -> None:
        passed: Counter[str] = Counter(note["file"] for note in notes if note["outcome"] == "passed")
        self._complete = [
            Path(file) for file, of in {n["file"]: n["of"] for n in notes}.items() if passed[file] == of
        ]
        self._used = {Path(golden) for note in notes for golden in note["goldens"]}

    def unused(self) -> Iterator[Path]:
        """Golden pictures of files that ran as a whole, and of files that are gone from beside them."""
        for file in self._complete:
            for path in sorted(folder_of(file).glob("*.png")):
                if not is_approved(path, self._used):
                    yield path
        for folder in sorted({file.parent / FOLDER for file in self._complete}):
            for of_file in sorted(folder.glob("*/")):
                if not (folder.parent / f"{of_file.name}.py").exists():
                    yield from sorted(of_file.glob("*.png"))
