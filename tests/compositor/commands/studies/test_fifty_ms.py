"""A guest that gives up on a fence after 50 ms, as Linux does, and the host that notices."""

import json
from pathlib import Path

import pytest

from compositor.cli import main
from compositor.commands.studies.fifty_ms import HOLD_MS, measure


@pytest.mark.parametrize("hold_ms", [0, 20, 49, 50])
async def test_who_is_answered_in_time_waits_and_draws_over_nothing(hold_ms: int) -> None:
    held = await measure(hold_ms)
    assert (round(held.earliest_event_ms, 1), held.flips_outstanding) == (hold_ms, 1)
    assert (held.early_reuse, held.first) == (0, None)


@pytest.mark.parametrize(("hold_ms", "outstanding"), [(51, 2), (70, 2), (200, 4)])
async def test_who_gave_up_draws_over_what_the_host_still_has_and_is_found(
    hold_ms: int, outstanding: int
) -> None:
    held = await measure(hold_ms)
    assert (round(held.earliest_event_ms, 1), held.flips_outstanding) == (50, outstanding)
    assert held.early_reuse > 0
    assert isinstance(held.first, dict)
    assert held.first["owner"] == "output-0"
    assert held.first["held_ms"] == hold_ms


async def test_equal_runs_are_equal() -> None:
    assert await measure(51) == await measure(51)


def test_the_command_prints_a_table_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.json"
    with pytest.raises(SystemExit) as end:
        main(["run", "fifty-ms", "--stats", str(path)])
    assert end.value.code == 0
    assert "a simulated guest as patient as Linux" in capsys.readouterr().out
    results = json.loads(path.read_text())["results"]
    assert [(result["hold_ms"], result["early_reuse"] > 0) for result in results] == [
        (hold_ms, hold_ms > 50) for hold_ms in HOLD_MS
    ]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["fifty-ms", "--clock", "real"], "--clock: fifty-ms runs on the virtual clock"),
        (["fifty-ms", "--kernel", "/bin/true"], "not a UML kernel"),
        (["gears", "--kernel", "/bin/true"], "only sync-study, fifty-ms and soak boot one"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", *arguments])
    assert end.value.code == 2
    assert line in capsys.readouterr().err
