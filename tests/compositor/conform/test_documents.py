"""The table in the documents is made of runs; they have to be runs of today's checks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compositor.conform.check import REGISTER
from compositor.conform.checks import load

load()

RUNS = sorted((Path(__file__).parents[3] / "docs" / "conformance").glob("*.json"))


def test_there_are_runs() -> None:
    assert [run.stem for run in RUNS] == ["qemu-10.0", "qemu-11.1", "qemu-7.2", "scanout"]


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.stem)
def test_a_run_is_of_these_checks(run: Path) -> None:
    """Otherwise run `scanout conform --json` on that device again."""
    checks = {check["name"]: check for check in json.loads(run.read_text())["checks"]}
    assert {name: (check["section"], check["level"]) for name, check in checks.items()} == {
        check.name: (check.section, check.level) for check in REGISTER.values()
    }


def test_our_run_has_no_failure() -> None:
    (run,) = (run for run in RUNS if run.stem == "scanout")
    assert json.loads(run.read_text())["totals"]["must"]["fail"] == 0
    assert json.loads(run.read_text())["totals"]["should"]["fail"] == 0
