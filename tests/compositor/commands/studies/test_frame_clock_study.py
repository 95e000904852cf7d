"""The published effect of triple buffering, from a run of the real parts."""

import json
from pathlib import Path

import pytest

from compositor.cli import main
from compositor.commands.studies.frame_clock_study import ONE_STAGE, PACINGS, RENDER_PERIODS, measure

FIXED, ADAPTIVE, TRIPLE = PACINGS


@pytest.mark.parametrize("render_periods", [1.1, 1.5, 1.9])
async def test_work_of_one_to_two_refreshes_halves_the_rate_unless_triple_buffered(
    render_periods: float,
) -> None:
    """30 and 60: Mutter !1441, KWin !4833."""
    adaptive = await measure(ADAPTIVE, render_periods, frames=60)
    triple = await measure(TRIPLE, render_periods, frames=60)
    assert (adaptive.fps, triple.fps) == (30.0, 60.0)
    assert triple.latency_p50_ms < adaptive.latency_p50_ms
    assert (adaptive.missed_vblanks, triple.missed_vblanks) == (60, 0)


async def test_latency_grows_by_what_the_work_grows() -> None:
    short, long = [await measure(TRIPLE, periods, frames=60) for periods in (0.5, 1.5)]
    assert long.latency_p50_ms - short.latency_p50_ms == pytest.approx(1000 / 60, abs=0.2)


async def test_an_adaptive_deadline_beats_a_window_that_is_too_short() -> None:
    fixed, adaptive = [await measure(pacing, 0.75, frames=60) for pacing in (FIXED, ADAPTIVE)]
    assert (fixed.fps, adaptive.fps) == (30.0, 60.0)
    assert fixed.missed_vblanks == 60
    assert adaptive.latency_p99_ms < fixed.latency_p99_ms


async def test_buffers_do_not_make_a_gpu_faster() -> None:
    result = await measure(ONE_STAGE, 2.0, frames=60)
    assert result.fps <= 30.01


async def test_equal_runs_are_equal() -> None:
    assert await measure(TRIPLE, 1.25, frames=50) == await measure(TRIPLE, 1.25, frames=50)


def test_the_command_prints_a_table_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.json"
    with pytest.raises(SystemExit) as end:
        main(["run", "frame-clock-study", "--frames", "4", "--stats", str(path)])
    assert end.value.code == 0
    assert "commit to" in capsys.readouterr().out
    document = json.loads(path.read_text())
    assert document["study"] == "frame-clock"
    assert len(document["results"]) == (len(PACINGS) + 1) * len(RENDER_PERIODS)


@pytest.mark.parametrize("option", [["--seconds", "1"], ["--kernel", "linux"], ["--clock", "real"]])
def test_what_a_study_has_no_use_for_is_refused(
    option: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "frame-clock-study", *option])
    assert end.value.code == 2
    assert "frame-clock-study" in capsys.readouterr().err
