"""The figures of the 30 / 60 discussion, from a run of the real parts; and tears, which policies prevent."""

import json
from pathlib import Path

import pytest

from compositor.adapter.sync_policy import SyncPolicy
from compositor.cli import main
from compositor.commands.studies.sync_study import RENDER_MS, measure

TIED = (SyncPolicy.BLOCKING, SyncPolicy.RELEASE)
APART = (SyncPolicy.OUT_FENCE, SyncPolicy.QUEUE)


@pytest.mark.parametrize("policy", TIED)
@pytest.mark.parametrize("render_ms", [9, 10, 11, 12])
async def test_a_guest_tied_to_the_release_of_its_buffer_misses_every_second_vblank(
    policy: SyncPolicy, render_ms: int
) -> None:
    result = await measure(policy, render_ms, frames=60)
    assert (result.fps, round(result.interval_p99_ms, 1)) == (30.0, 33.3)
    assert (result.torn, result.early_reuse) == (0, 0)


@pytest.mark.parametrize("policy", APART)
@pytest.mark.parametrize("render_ms", [9, 10, 11, 12, 16])
async def test_with_two_events_or_two_flips_it_makes_every_vblank(policy: SyncPolicy, render_ms: int) -> None:
    result = await measure(policy, render_ms, frames=60)
    assert (result.fps, round(result.interval_p99_ms, 1)) == (60.0, 16.7)
    assert (result.torn, result.early_reuse) == (0, 0)


@pytest.mark.parametrize("policy", SyncPolicy)
async def test_a_guest_that_is_quick_enough_makes_every_vblank(policy: SyncPolicy) -> None:
    result = await measure(policy, 8.999, frames=60)
    assert (result.fps, round(result.interval_p99_ms, 1)) == (60.0, 16.7)


@pytest.mark.parametrize("policy", SyncPolicy)
async def test_none_tears_and_is_found_and_no_other_policy_does(policy: SyncPolicy) -> None:
    result = await measure(policy, 11.3, frames=300)
    assert (result.torn > 0) is (result.early_reuse > 0) is (policy is SyncPolicy.NONE)


async def test_equal_runs_are_equal() -> None:
    assert await measure(SyncPolicy.NONE, 10, frames=50) == await measure(SyncPolicy.NONE, 10, frames=50)


def test_the_command_prints_a_table_and_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "study.json"
    with pytest.raises(SystemExit) as end:
        main(["run", "sync-study", "--frames", "12", "--stats", str(path)])
    assert end.value.code == 0
    printed = capsys.readouterr().out
    assert all(policy in printed for policy in SyncPolicy)
    results = json.loads(path.read_text())["results"]
    assert len(results) == len(SyncPolicy) * len(RENDER_MS)
    assert {"policy", "render_ms", "frames", "fps", "interval_p99_ms", "torn", "early_reuse"} == set(
        results[0]
    )


def test_options_that_mean_nothing_to_a_study_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["run", "sync-study", "--clock", "real"])
    assert end.value.code == 2
    assert "--clock: sync-study runs on the virtual clock" in capsys.readouterr().err
