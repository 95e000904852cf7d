"""The study that counts torn frames, and says whether that is as it should be."""

import json
from pathlib import Path

import pytest

from compositor.adapter.sync_policy import SyncPolicy
from compositor.cli import main
from compositor.commands.studies import torn_study
from compositor.commands.studies.sync_study import SyncFigures
from compositor.commands.studies.torn_study import holds


def run(*arguments: str) -> int | str | None:
    with pytest.raises(SystemExit) as end:
        main(["run", "torn-study", *arguments])
    return end.value.code


def measured(policy: str, *, torn: int = 0, early_reuse: int = 0) -> SyncFigures:
    return SyncFigures(policy, 11, 100, 60.0, 16.67, torn, early_reuse)


def test_none_tears_and_every_other_policy_does_not(tmp_path: Path) -> None:
    path = tmp_path / "study.json"
    assert run("--frames", "100", "--stats", str(path)) == 0
    results = json.loads(path.read_text())["results"]
    assert [(result["policy"], result["torn"] > 0, result["early_reuse"] > 0) for result in results] == [
        (policy, policy == "none", policy == "none") for policy in SyncPolicy
    ]


@pytest.mark.parametrize("found", [{"torn": 1}, {"early_reuse": 1}])
@pytest.mark.parametrize("policy", [policy for policy in SyncPolicy if policy != SyncPolicy.NONE])
def test_one_torn_frame_breaks_the_promise(policy: str, found: dict[str, int]) -> None:
    assert holds(measured(policy))
    assert not holds(measured(policy, **found))


def test_a_study_in_which_nothing_tears_proves_nothing() -> None:
    assert not holds(measured("none"))


def test_a_broken_promise_is_named_and_is_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torn_study, "_all", lambda _frames, _seed: [measured("queue", torn=3)])
    assert run() == 1
    assert "torn-study: not as it should be: queue" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--clock", "real"], "torn-study runs on the virtual clock"),
        (["--kernel", "/bin/true"], "--kernel: torn-study"),
    ],
)
def test_what_makes_no_sense_is_one_line(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    assert line in capsys.readouterr().err
