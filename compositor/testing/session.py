"""What the tests of one process share: the options, the folder of results, and which goldens are taken."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from compositor.errors import BadInput
from compositor.testing.goldens import claim
from compositor.testing.unused import tests_in

if TYPE_CHECKING:
    import pytest


@dataclass(slots=True)
class Session:
    """The options, and what is counted over tests.

    Attributes:
        update: Which golden pictures are written: "missing", "changed" or "all"; None: those that are
            missing, and then the test fails.
        record: Keep recordings of failing tests.
        require_real: A real guest that cannot run fails its test.
        results: Where failing tests leave what they have, absolute.
        root: Where paths are told from.
        claims: Where xdist's workers say which golden they use; None: there is one process.
        owners: Golden picture, in lower case -> the test that uses it, in this process.
        partial: Files of which tests were deselected.
    """

    update: str | None
    record: bool
    require_real: bool
    results: Path
    root: Path
    claims: Path | None = None
    owners: dict[str, str] = field(default_factory=dict)
    partial: set[Path] = field(default_factory=set)
    _tests: dict[Path, int] | None = None

    @classmethod
    def of(cls, config: pytest.Config) -> Session:
        """From a run's options."""
        return cls(
            update=config.getoption("--update-screenshots"),
            record=config.getoption("--scanout-record"),
            require_real=config.getoption("--require-real-guests"),
            results=config.rootpath / config.getoption("--scanout-results"),
            root=config.rootpath,
            claims=claims_of(config),
        )

    def tests_in(self, item: pytest.Item) -> int:
        """How many tests of the item's file use the fixtures; -1 where some of the file's were left out."""
        if self._tests is None:
            self._tests = tests_in(item.config, item.session.items, self.partial)
        return self._tests[item.path]

    def claim(self, golden: Path, test: str) -> None:
        """Let a test own a golden picture for this run.

        Raises:
            BadInput: Another test owns it.
        """
        __tracebackhide__ = True
        owner = claim(self.owners, self.claims, golden, test)
        if owner != test:
            raise BadInput(
                f"{self.told(golden)} belongs to {owner}: two tests cannot use one golden picture; "
                "name this one otherwise, with name="
            )

    def told(self, path: Path) -> str:
        """A path as it is told to the user: from where pytest has its root, if it lies there."""
        return str(path.relative_to(self.root)) if path.is_relative_to(self.root) else str(path)


def claims_of(config: pytest.Config) -> Path | None:
    """The folder in which the workers of one xdist run say which golden they use; the controller made it."""
    claims = getattr(config, "workerinput", {}).get("scanout_claims")
    return None if claims is None else Path(claims)
