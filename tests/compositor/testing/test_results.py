"""What failing tests leave, what no test uses any more, and both with xdist's workers."""

import asyncio
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor.compare import load_png, write_golden
from compositor.machine import Machine
from compositor.record.recording import Recording
from tests.compositor.testing.conftest import Run

pytest_plugins = ["pytester"]

RESULTS = Path("scanout-results")

FAILS = """
async def test_it(machine, guest, screenshot):
    m = await machine(outputs=["64x48@60", "48x48@60"], seed=7)
    await m.attach(guest("plasma"))
    await m.run(frames=3)
    screenshot.check(m)
    assert m.presented == 4, "too few"
"""


def result(folder: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / folder / "result.json").read_text())
    return found


def index() -> list[dict[str, str]]:
    tests: list[dict[str, str]] = json.loads((RESULTS / "index.json").read_text())["tests"]
    return tests


def test_a_failing_test_leaves_what_explains_it(run: Run) -> None:
    run(FAILS, "--update-screenshots")
    (entry,) = index()
    assert entry["test"] == "test_it.py::test_it"
    found = result(entry["folder"])
    assert (found["file"], found["line"], found["checks"]) == ("test_it.py", 2, [])
    assert found["message"].startswith("AssertionError: too few")
    assert ">       assert m.presented == 4" in found["text"]
    (machine,) = found["machines"]
    assert machine["seed"] == 7
    assert machine["stats"]["outputs"][0]["presented"] == 3
    assert [frame["commit"] for frame in machine["timeline"]] == [1, 2, 3]
    assert machine["timeline"][0]["present_time_ns"] == 16_666_667
    assert machine["timeline"][2]["guest_frames"] == {"plasma": 2}
    shown = load_png(RESULTS / entry["folder"] / machine["pictures"]["output-0"])
    assert np.array_equal(shown, load_png(Path("golden/test_it/test_it.png")))
    assert (RESULTS / ".gitignore").read_text() == "*\n"


def test_a_failed_check_has_its_pictures(run: Run) -> None:
    run(FAILS, "--update-screenshots")
    write_golden("golden/test_it/test_it.png", np.zeros((48, 64, 4), np.uint8))
    run(None)
    folder = index()[0]["folder"]
    (check,) = result(folder)["checks"]
    assert check["golden"] == "golden/test_it/test_it.png"
    assert check["says"].startswith("3072 of 3072 pixels differ")
    assert set(check["pictures"]) == {"expected", "actual", "difference"}
    assert all(load_png(RESULTS / folder / name).shape == (48, 64, 4) for name in check["pictures"].values())


async def replay(path: Path) -> None:
    with Recording(path) as recording:
        async with Machine(outputs=recording.outputs, repaint="recorded") as machine:
            player = machine.replay(recording)
            await machine.run()
            assert player.differences == []
            assert machine.presented == 3


def test_a_recording_of_a_failing_test_replays(run: Run) -> None:
    failing = run(FAILS, "--update-screenshots", "--scanout-record")
    folder = index()[0]["folder"]
    failing.stdout.fnmatch_lines([f"replay:  scanout replay scanout-results/{folder}/machine-0.rec"])
    assert result(folder)["recordings"] == ["machine-0.rec"]
    asyncio.run(replay(RESULTS / folder / "machine-0.rec"))


def test_a_passing_test_leaves_no_recording(run: Run) -> None:
    run(FAILS.replace("== 4", "== 3"), "--update-screenshots", "--scanout-record").assert_outcomes(passed=1)
    assert list(RESULTS.glob("*/")) == []


def test_the_next_run_begins_with_a_clean_folder(run: Run) -> None:
    run(FAILS)
    assert index()
    run("def test_it():\n    pass\n")
    assert not RESULTS.exists()


def test_a_folder_of_other_things_is_left_alone(run: Run) -> None:
    Path("mine").mkdir()
    Path("mine/index.json").write_text('{"kind": "something else"}')
    run("def test_it():\n    pass\n", "--scanout-results=mine")
    assert Path("mine/index.json").exists()


def test_results_that_cannot_be_kept_do_not_hide_the_failure(run: Run) -> None:
    RESULTS.write_text("in the way")
    failing = run(FAILS, "--update-screenshots")
    failing.assert_outcomes(failed=1)
    failing.stdout.fnmatch_lines(
        ["E *AssertionError: too few", "cannot keep results in *", "cannot list the results*"]
    )


# Golden pictures that no test uses.

TWO = """
import numpy as np
import pytest

def test_one(screenshot):
    screenshot.check(np.zeros((2, 3, 4), np.uint8))

@pytest.mark.parametrize("x", [1, 2])
def test_two(screenshot, x):
    screenshot.check(np.zeros((2, 3, 4), np.uint8))
"""
UNUSED = "scanout: golden pictures that no test used"


def say_unused(run: Run, *options: str) -> list[str]:
    lines: list[str] = run(None, *options).outlines
    titles = [number for number, line in enumerate(lines) if UNUSED in line]
    return (
        [line for line in lines[titles[0] + 1 :] if line.startswith(("golden", "removed", "to remove"))]
        if titles
        else []
    )


def plant() -> None:
    for name in ("test_it/test_gone.png", "test_it/test_one~2.png", "test_other/test_x.png"):
        path = Path("golden") / name
        path.parent.mkdir(exist_ok=True)
        write_golden(path, np.zeros((2, 3, 4), np.uint8))


def test_unused_pictures_are_named_and_removed_on_demand(run: Run) -> None:
    run(TWO, "--update-screenshots")
    assert say_unused(run) == []
    plant()
    gone = ["golden/test_it/test_gone.png", "golden/test_other/test_x.png"]
    assert say_unused(run) == [*gone, "to remove them: pytest --remove-unused-screenshots"]
    assert say_unused(run, "--remove-unused-screenshots") == [f"removed {path}" for path in gone]
    assert sorted(path.name for path in Path("golden").rglob("*.png")) == [
        "test_one.png",
        "test_one~2.png",
        "test_two--1.png",
        "test_two--2.png",
    ]


@pytest.mark.parametrize(
    "options", [("-k", "one"), ("test_it.py::test_one",), ("--deselect", "test_it.py::test_one")]
)
def test_a_part_of_a_file_says_nothing_about_unused_pictures(run: Run, options: tuple[str, ...]) -> None:
    run(TWO, "--update-screenshots")
    plant()
    assert say_unused(run, *options) == []


def test_neither_does_a_file_in_which_a_test_fails_or_is_skipped(run: Run) -> None:
    for line in ("assert False", 'pytest.skip("not now")'):
        run(f"{TWO}\ndef test_three(screenshot):\n    {line}\n", "--update-screenshots")
        plant()
        assert say_unused(run) == []


# xdist.

MANY = """
import numpy as np
import pytest

@pytest.mark.parametrize("x", range(8))
def test_it(screenshot, x):
    screenshot.check(np.full((2, 3, 4), x + OFFSET, np.uint8))

@pytest.mark.parametrize("x", ["a", "a.b"])
def test_shares(screenshot, x):
    screenshot.check(np.zeros((2, 3, 4), np.uint8), "b" if x == "a" else None)
"""


def test_updates_refusals_results_and_unused_pictures_are_the_same_with_xdist(
    run: Run, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("xdist")
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setenv("TMPDIR", str(temporary))
    workers = ("-n", "2", "--dist", "load", "--maxschedchunk", "1")
    first = run(MANY.replace("OFFSET", "0"), *workers, "--update-screenshots=missing", process=True)
    first.assert_outcomes(passed=9, failed=1)
    first.stdout.fnmatch_lines(
        ["E *test_shares--a.b.png belongs to *: two tests cannot use one golden picture*"]
    )
    again = run(MANY.replace("OFFSET", "1"), *workers, process=True)
    again.assert_outcomes(passed=1, failed=9)
    assert len(index()) == len({entry["folder"] for entry in index()}) == 9
    plant()
    text = MANY.partition('@pytest.mark.parametrize("x", ["a"')[0].replace("OFFSET", "0")
    last = run(text, *workers, process=True)
    last.assert_outcomes(passed=8)
    last.stdout.fnmatch_lines([f"*{UNUSED}*", "golden/test_it/test_gone.png"])
    assert not list(temporary.glob("scanout-*")), "the workers' common folder goes with the run"
