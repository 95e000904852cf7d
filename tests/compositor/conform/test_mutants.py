"""A check that cannot fail is worth nothing: each is shown a device that breaks its rule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from compositor.conform.check import REGISTER
from tests.compositor.conform import mutants_config, mutants_gpu, mutants_protocol, mutants_rings
from tests.compositor.conform.mutants import MUTANTS

if TYPE_CHECKING:
    from tests.compositor.conform.conftest import Judge

SECONDS = 0.5
BROKEN = (mutants_protocol, mutants_config, mutants_rings, mutants_gpu)  # importing them enters their mutants


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_rule_is_seen(name: str, judge: Judge, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name].breaks(monkeypatch)
    verdicts = [v for check in MUTANTS[name].seen_by for v in judge(check, seconds=SECONDS)]
    assert {v.check.name: v.outcome for v in verdicts} == dict.fromkeys(MUTANTS[name].seen_by, "fail")
    assert all(v.reason for v in verdicts)


ROWS = [name for name in REGISTER if name.startswith("errors/")]


def test_every_check_has_a_device_that_fails_it() -> None:
    seen = {check for mutant in MUTANTS.values() for check in mutant.seen_by}
    packed = {name for name in REGISTER if name.startswith("packed-ring/")}
    assert set(REGISTER) == seen | set(ROWS) | packed


@pytest.mark.parametrize("name", ["refuses_nothing", "has_one_error"])
def test_no_row_of_the_table_of_errors_passes(
    name: str, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    MUTANTS[name].breaks(monkeypatch)
    assert {v.outcome for v in judge(*ROWS, seconds=SECONDS)} == {"fail"}
