"""What an IGT test prints, and what was expected of it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

_SUBTEST = re.compile(r"^Subtest (\S+): ([A-Z]+) \(", re.MULTILINE)
_FILE = Path(__file__).with_name("expected.toml")


class Expected(NamedTuple):
    """What a test does.

    Attributes:
        passes: Number of subtests that pass.
        fails: Why a subtest fails, by its name.
    """

    passes: int
    fails: Mapping[str, str]


def expectations() -> dict[str, Expected]:
    """By test."""
    tables = tomllib.loads(_FILE.read_text())
    return {name: Expected(table["pass"], table.get("fail", {})) for name, table in tables.items()}


def outcomes(console: str) -> dict[str, str]:
    """Each subtest's outcome: SUCCESS, SKIP, FAIL, CRASH or TIMEOUT."""
    return dict(_SUBTEST.findall(console.replace("\r", "")))


def surprises(found: Mapping[str, str], expected: Expected) -> list[str]:
    """What is not as expected: a line each."""
    failed = {name for name, outcome in found.items() if outcome not in {"SUCCESS", "SKIP"}}
    passed = sum(outcome == "SUCCESS" for outcome in found.values())
    lines = [
        f"{name}: {found[name]}, and no failure was expected" for name in sorted(failed - set(expected.fails))
    ]
    lines += [
        f"{name}: {found.get(name, 'missing')}, and it was expected to fail: {why}"
        for name, why in expected.fails.items()
        if name not in failed
    ]
    if passed != expected.passes:
        lines.append(f"{passed} subtests passed, expected were {expected.passes}")
    return lines
