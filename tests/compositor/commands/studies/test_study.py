"""What studies have in common: the options that they take, their tables, what they count."""

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from compositor.commands.options import RunOptions
from compositor.commands.scenes import STUDIES, run_scene
from compositor.commands.studies.study import Holdings, Study, make_table, tell
from compositor.errors import BadInput

REFUSED = {
    "window": RunOptions(window=True),
    "screenshot": RunOptions(screenshot=Path("a.png")),
    "screenshot-at": RunOptions(screenshot_at=3),
    "record": RunOptions(record=Path("f")),
    "outputs": RunOptions(outputs="64x64"),
    "timeout": RunOptions(timeout=3),
    "sync": RunOptions(sync="queue"),
}


@pytest.mark.parametrize(
    ("study", "option"),
    [(name, option) for name, study in STUDIES.items() for option in REFUSED if option not in study.takes],
)
def test_an_option_that_means_nothing_to_a_study_is_refused_by_name(study: str, option: str) -> None:
    with pytest.raises(BadInput, match=rf"^--{option}: {study} runs on the .* it takes .* and --stats$"):
        run_scene(study, REFUSED[option])


def test_a_study_takes_what_it_says_and_its_own_clock() -> None:
    study = Study("", lambda _run, _kernel: None, takes=("seconds", "kernel"), clock="real")
    study.check(
        "s", RunOptions(seconds=3, seed=4, stats=Path("f"), clock="real", window=False), Path("linux")
    )
    for run, option in ((RunOptions(frames=3), "frames"), (RunOptions(clock="virtual"), "clock")):
        with pytest.raises(BadInput, match=f"--{option}: s runs on the real clock and shows no picture; it"):
            study.check("s", run, None)
    with pytest.raises(BadInput, match="--kernel: s runs on the virtual clock"):
        study._replace(takes=(), clock="virtual").check("s", RunOptions(), Path("linux"))


class Part(NamedTuple):
    share: float


class Row(NamedTuple):
    name: str
    parts: list[Part]


def test_results_are_printed_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Row("one", [Part(0.5)]), Row("one", []), Row("two", [])]
    shown = make_table(
        "title", {"who": lambda row: row.name, "n": lambda row: len(row.parts)}, rows, sections=True
    )
    tell("s", RunOptions(stats=tmp_path / "f"), shown, rows, best=Part(1.0))
    printed = capsys.readouterr().out
    assert (printed.count("one"), printed.count("two")) == (1, 1), "named once, over a line"
    written = json.loads((tmp_path / "f").read_text())
    assert (written["study"], written["best"]) == ("s", {"share": 1.0})
    assert written["results"][0] == {"name": "one", "parts": [{"share": 0.5}]}


def test_what_a_process_holds_is_counted() -> None:
    before = Holdings.now()
    with Path("/dev/null").open():
        assert Holdings.now().descriptors == before.descriptors + 1
    assert before.memory > 1 << 20
