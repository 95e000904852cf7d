"""A storm of moderate size; the great one is `scanout run hotplug-storm`."""

import json
from pathlib import Path

import pytest

from compositor.commands.options import RunOptions
from compositor.commands.studies import hotplug_storm as study
from compositor.commands.studies.hotplug_storm import Storm, check, hotplug_storm, storm
from compositor.errors import RunFailed

EVENTS = 100


async def test_sixteen_outputs_and_eight_guests_come_through_and_leave_nothing() -> None:
    await storm(events=20)  # what is loaded and compiled once is no leak
    one, again, other = [await storm(events=EVENTS, seed=seed) for seed in (1, 1, 2)]
    for result in (one, again, other):
        assert result.astray == ()
        assert result.errors == 0
        assert result.leaked[0] == 0
    assert (one.digest, one.frames, one.config_changes) == (again.digest, again.frames, again.config_changes)
    assert other.digest != one.digest
    assert one.config_changes > EVENTS / 4
    assert again.leaked[1] <= 0


RESULT = Storm(10, 20, "sha256:1", 8, 5, (), 0, (0, 0), 0)


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (RESULT._replace(digest="sha256:2"), "the digests of equal storms differ"),
        (
            RESULT._replace(astray=("guest-1: shows a picture, and has no monitor",)),
            "guest-1: shows a picture, and has no monitor",
        ),
        (RESULT._replace(leaked=(1, 2)), "1 descriptors and 2 mappings leaked"),
    ],
)
def test_a_broken_promise_is_named(second: Storm, message: str) -> None:
    check([RESULT, RESULT])
    with pytest.raises(RunFailed, match=message):
        check([RESULT, second])


def test_the_command_prints_a_table_and_writes_the_statistics(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    async def small(*, events: int = 10, seed: int = 0) -> Storm:
        return RESULT._replace(events=events)

    monkeypatch.setattr(study, "storm", small)
    hotplug_storm(RunOptions(stats=tmp_path / "s.json"))
    assert "16 outputs, 8 guests" in capsys.readouterr().out
    written = json.loads((tmp_path / "s.json").read_text())
    assert [result["events"] for result in written["results"]] == [10, 10, 10]
