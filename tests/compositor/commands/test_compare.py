"""`scanout compare`, as it is called."""

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from compositor.cli import main
from compositor.compare import load_png, write_golden
from compositor.pixels.screenshot import save_png
from tests.compositor.compare.pngs import GREY, made, picture

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        status: object = 0
        try:
            main(["compare", *arguments])
        except SystemExit as end:
            status = end.code or 0
        assert isinstance(status, int)
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def two(tmp_path: Path) -> None:
    """a.png and b.png of 8x4, different in the pixel (2, 1), whose red is 9 more."""
    first = picture(8, 4)
    first[1, 2, 0] = 10
    save_png(tmp_path / "a.png", first)
    first[1, 2, 0] = 19
    save_png(tmp_path / "b.png", first)


pytestmark = pytest.mark.usefixtures("two")
SAID = "1 of 32 pixels differ, by up to 9, within 1x1 at (2, 1) (red +9)"


def test_what_differs_is_said_and_painted(run: Run) -> None:
    assert run("a.png", "b.png") == (1, "", f"scanout: a.png and b.png differ: {SAID}\n")
    status, out, _ = run("a.png", "b.png", "--difference", "d.png")
    assert (status, out) == (1, "wrote d.png\n")
    assert load_png("d.png").shape == (4, 8, 4)
    assert run("a.png", "a.png") == (0, "a.png and a.png are equal\n", "")


@pytest.mark.parametrize(
    "options",
    [
        ["--fuzz", "9"],
        ["--fuzz", "255"],
        ["--tolerance", "red=0:9"],
        ["--tolerance", "pixels=1"],
        ["--tolerance", "channel=2,ratio=5%"],
        ["--mask", "2,1,1,1"],
        ["--mask", "0,0,1,1", "--mask", "mask.png"],
        ["--clip", "0,2,8,2"],
        ["--clip", "0,0,8,4", "--mask", "mask.png"],
    ],
)
def test_options_say_what_does_not_count(run: Run, options: list[str]) -> None:
    mask = np.zeros((4, 8, 4), np.uint8)
    mask[1, 2] = 255
    save_png("mask.png", mask)
    assert run("a.png", "b.png", *options)[0] == 0


@pytest.mark.parametrize(
    "options", [["--fuzz", "8"], ["--tolerance", "red=-9:8"], ["--mask", "3,1,1,1"], ["--clip", "-5,-5,20,7"]]
)
def test_what_the_options_do_not_cover_differs(run: Run, options: list[str]) -> None:
    assert run("a.png", "b.png", *options)[0] == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("a.png nosuch.png", "cannot read nosuch.png: No such file or directory"),
        ("a.png text.png", "text.png is not a PNG"),
        ("a.png b.png --fuzz -1", "--fuzz -1: must be 0 to 255"),
        ("a.png b.png --fuzz 300", "--fuzz 300: must be 0 to 255"),
        ("a.png b.png --fuzz 1 --tolerance pixels=1", "write --tolerance pixels=1,channel=1"),
        ("a.png b.png --tolerance chanel=1", "tolerance 'chanel=1': unknown; there are: "),
        ("a.png b.png --mask 9,9,1,1", "mask (9, 9, 1, 1) has no pixel of a picture of 8x4"),
        ("a.png b.png --mask nosuch.png", "cannot read nosuch.png"),
        ("a.png b.png --mask 0,0,8,4", "the mask and the clip leave nothing to compare"),
        ("a.png b.png --difference a.png", "--difference a.png: is a.png, which is compared"),
        ("a.png b.png --difference link.png", "--difference link.png: is b.png, which is compared"),
        ("a.png b.png --difference nosuch/d.png", "there is no directory nosuch"),
        ("a.png .", "a.png and .: one is a directory"),
        ("- -", "standard input has one picture"),
        ("empty empty", "neither empty nor empty has a PNG file"),
        ("here there --difference here/sub", "--difference here/sub: lies in here, which is compared"),
        ("here there --difference a.png", "--difference a.png: is a file"),
    ],
)
def test_bad_input_is_one_line_and_changes_nothing(run: Run, arguments: str, message: str) -> None:
    Path("text.png").write_text("no picture")
    Path("link.png").symlink_to("b.png")
    for directory in ("here", "there", "empty"):
        Path(directory).mkdir()
    save_png("here/a.png", picture(2, 2))
    before = {path: path.read_bytes() for path in Path().rglob("*.png")}
    status, out, err = run(*arguments.split())
    assert message in err
    assert err.startswith("scanout: ")
    assert err.count("\n") == 1
    assert (status, out) == (2, "")
    assert {path: path.read_bytes() for path in Path().rglob("*.png")} == before


def test_an_input_is_not_overwritten_by_way_of_another_name(run: Run) -> None:
    os.link("a.png", "hard.png")
    before = Path("a.png").read_bytes()
    for name in ("./a.png", "hard.png"):
        assert run("a.png", "b.png", "--difference", name)[0] == 2
        assert Path("a.png").read_bytes() == before


def test_json_says_all_of_it(run: Run) -> None:
    status, out, _ = run("a.png", "b.png", "--json", "--difference", "d.png")
    document = json.loads(out)
    assert status == 1
    assert document["first"] == "a.png"
    assert document["difference"] == "d.png"
    assert (document["equal"], document["kind"], document["differing"]) == (False, "pixels", 1)
    assert document["bounds"] == [2, 1, 1, 1]
    assert document["largest"]["red"] == [0, 9]
    document = json.loads(run("a.png", "a.png", "--json")[1])
    assert (document["equal"], document["kind"], document["difference"]) == (True, "equal", None)


def test_colours_stored_differently_are_equal_and_named(run: Run) -> None:
    Path("grey.png").write_bytes(made(np.full((2, 2, 1), 0x0707), 16, GREY))
    Path("rgb.png").write_bytes(made(np.full((2, 2, 3), 7), 8, 2))
    status, out, _ = run("grey.png", "rgb.png")
    assert status == 0
    assert out == (
        "grey.png and rgb.png are equal; stored differently: grey against RGB, 16 bits against 8\n"
    )


def piped(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(content)))


def test_a_picture_comes_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    piped(monkeypatch, Path("a.png").read_bytes())
    assert run("-", "a.png")[0] == 0
    piped(monkeypatch, Path("a.png").read_bytes())
    assert run("b.png", "-")[0] == 1
    piped(monkeypatch, b"no picture")
    assert run("-", "a.png") == (2, "", "scanout: standard input is not a PNG\n")


# Directories


@pytest.fixture
def trees(tmp_path: Path) -> None:
    for tree in ("old", "new"):
        (tmp_path / tree / "sub").mkdir(parents=True)
        write_golden(tmp_path / tree / "same.png", picture(4, 4))
        write_golden(tmp_path / tree / "sub" / "other.PNG", picture(4, 4))
        (tmp_path / tree / "notes.txt").write_text("no picture")


@pytest.mark.usefixtures("trees")
def test_equal_directories_are_equal(run: Run) -> None:
    assert run("old", "new") == (0, "old and new are equal: 2 pictures\n", "")


@pytest.mark.usefixtures("trees")
def test_directories_are_compared_by_name(run: Run) -> None:
    changed = picture(4, 4)
    changed[0, 0, 1] ^= 255
    write_golden("new/sub/other.PNG", changed)
    write_golden("old/gone.png", picture(2, 2))
    write_golden("new/come.png", picture(2, 2))
    status, out, err = run("old", "new", "--difference", "out/differences")
    lines = out.splitlines()
    assert status == 1
    assert lines[:2] == ["come.png: in new alone", "gone.png: in old alone"]
    assert lines[2].startswith("sub/other.PNG: 1 of 16 pixels differ, ")
    assert len(lines) == 3
    assert err == "scanout: old and new differ: 1 equal, 1 different, 2 in one alone\n"
    written = [str(path) for path in Path("out").rglob("*") if path.is_file()]
    assert written == ["out/differences/sub/other.PNG"]
    document = json.loads(run("old", "new", "--json")[1])
    assert (document["equal"], document["first_alone"], document["second_alone"]) == (
        False,
        ["gone.png"],
        ["come.png"],
    )
    assert {name: found["equal"] for name, found in document["pictures"].items()} == {
        "same.png": True,
        "sub/other.PNG": False,
    }


@pytest.mark.usefixtures("trees")
def test_a_file_that_cannot_be_read_does_not_hide_the_others(run: Run) -> None:
    Path("new/same.png").write_bytes(b"no picture")
    os.mkfifo("new/fifo.png")
    os.mkfifo("old/fifo.png")
    write_golden("old/sub/other.PNG", picture(5, 4))
    status, out, err = run("old", "new")
    assert status == 2
    assert "same.png: new/same.png is not a PNG\n" in out
    assert "fifo.png: cannot read old/fifo.png: not a regular file\n" in out
    assert "sub/other.PNG: sizes 5x4 and 4x4" in out
    assert err == "scanout: old and new: 1 different, 2 unreadable\n"


@pytest.mark.usefixtures("trees")
def test_a_link_does_not_lead_a_difference_into_what_is_compared(run: Run) -> None:
    write_golden("new/same.png", picture(4, 4, seed=1))
    Path("out").mkdir()
    Path("out/same.png").symlink_to(Path("old/same.png").resolve())
    before = Path("old/same.png").read_bytes()
    status, _, err = run("old", "new", "--difference", "out")
    assert (status, Path("old/same.png").read_bytes()) == (2, before)
    assert "--difference out/same.png: lies in old, which is compared" in err
