"""That the study measures what it says; how fast this machine is, no test asks."""

import json
from pathlib import Path

import pytest

from compositor.commands.options import RunOptions
from compositor.commands.scenes import run_scene
from compositor.commands.studies import hostile_neighbour as study
from compositor.commands.studies.hostile_neighbour import (
    END_S,
    FPS,
    NO_ATTACK,
    P99_MS,
    Result,
    end_s,
    measured,
)
from compositor.errors import BadInput, RunFailed
from guest.process.hostile import ATTACKS, Attack

GOOD = Result("displays", FPS, 16.7, P99_MS - 1, 0.2, 1.0, 9000.0, 0.0, END_S / 2)


async def test_the_honest_guest_and_the_attack_are_measured_side_by_side() -> None:
    none, attacked = await measured(["displays"], 0.3)
    assert (none.attack, attacked.attack) == (NO_ATTACK, "displays")
    assert none.commands == 0 < attacked.commands
    for result in (none, attacked):
        assert result.fps > 0
        assert 0 < result.interval_p50_ms <= result.interval_p99_ms
        assert 0 < result.latency_p50_ms <= result.latency_p99_ms


async def test_an_attack_that_ends_by_itself_is_no_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    # The process that is started does not know it.
    monkeypatch.setitem(ATTACKS, "gives-up", Attack("nothing", lambda _attacker: None))
    with pytest.raises(RunFailed, match=r"the attack gives-up ended by itself: .*KeyError: 'gives-up'"):
        await measured(["gives-up"], 0.05)


async def test_sigint_ends_a_serve_under_attack() -> None:
    assert 0 < await end_s("displays", 0.3) < study._PATIENCE_S


async def test_a_serve_that_does_not_start_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_SERVE", "raise SystemExit('no')")
    with pytest.raises(RunFailed, match="scanout serve does not start: no"):
        await end_s("displays", 0.3)


@pytest.mark.parametrize(
    ("result", "broken"),
    [
        (GOOD, []),
        (GOOD._replace(fps=FPS - 1), ["displays: 54.0 fps, not 55"]),
        (GOOD._replace(interval_p99_ms=P99_MS), ["displays: p99 of the intervals is 34.0 ms"]),
        (GOOD._replace(end_s=END_S), ["displays: SIGINT took 1.0 s"]),
        (GOOD._replace(end_s=None), []),
    ],
)
def test_each_promise_is_held_by_itself(result: Result, broken: list[str]) -> None:
    assert result.broken() == broken


def test_only_strict_makes_speed_a_matter_of_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def slow(*_: object) -> list[Result]:
        return [GOOD._replace(attack=NO_ATTACK, end_s=None), GOOD._replace(fps=12.0)]

    monkeypatch.setattr(study, "_all", slow)
    run_scene("hostile-neighbour", RunOptions(stats=tmp_path / "s.json"))
    assert "12.0" in capsys.readouterr().out
    assert [row["fps"] for row in json.loads((tmp_path / "s.json").read_text())["results"]] == [55.0, 12.0]
    with pytest.raises(RunFailed, match=r"^hostile-neighbour: displays: 12\.0 fps, not 55$"):
        run_scene("hostile-neighbour", RunOptions(), strict=True)


def test_strict_is_for_what_promises_speed() -> None:
    with pytest.raises(BadInput, match="--strict: hotplug-storm runs on the virtual clock"):
        run_scene("hotplug-storm", RunOptions(), strict=True)
    with pytest.raises(BadInput, match="--strict: hostile-neighbour alone promises speed"):
        run_scene("plasma", RunOptions(), strict=True)
