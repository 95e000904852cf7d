"""The command line: every mistake is one line on standard error, and an exit status."""

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from compositor.cli import main
from compositor.compare import load_png
from compositor.pixels.screenshot import save_png

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        try:
            main(list(arguments))
            status: object = 0
        except SystemExit as end:
            status = end.code or 0
        assert isinstance(status, int)
        return status, *capsys.readouterr()

    return call


def test_a_workload_runs_and_leaves_a_picture_and_statistics(run: Run) -> None:
    status, out, err = run(
        "run",
        "plasma",
        "--frames",
        "3",
        "--outputs",
        "160x120@60",
        "--screenshot",
        "a.png",
        "--stats",
        "a.json",
    )
    assert (status, err) == (0, "")
    assert "3 frames" in out
    assert "0 bytes copied" in out
    assert load_png("a.png").shape == (120, 160, 4)
    stats = json.loads(Path("a.json").read_text())
    assert stats["outputs"][0]["presented"] == 3
    assert stats["digest"].startswith("sha256:")


def test_the_same_seed_gives_the_same_digest_another_one_another(run: Run) -> None:
    digests = []
    for seed in ("1", "1", "2"):
        run("run", "demo", "--frames", "3", "--outputs", "160x120", "--stats", "s.json", "--seed", seed)
        digests.append(json.loads(Path("s.json").read_text())["digest"])
    assert digests[0] == digests[1] != digests[2]


def test_the_demo_without_a_display_is_a_picture_and_says_so(run: Run) -> None:
    status, out, _ = run("demo", "--frames", "2")
    assert status == 0
    assert "wrote demo.png" in out
    assert load_png("demo.png").shape == (720, 1280, 4)


def test_a_frame_can_be_photographed_by_its_number(run: Run) -> None:
    for wanted in ("2", "3"):
        run("run", "plasma", "--frames", "4", "--outputs", "64x64", "--screenshot", f"{wanted}.png",
            "--screenshot-at", wanted)  # fmt: skip
    run("run", "plasma", "--frames", "3", "--outputs", "64x64", "--screenshot", "last.png")
    assert run("compare", "3.png", "last.png")[0] == 0
    assert run("compare", "2.png", "last.png")[0] == 1


def test_seconds_are_those_of_the_virtual_clock(run: Run) -> None:
    run("run", "plasma", "--seconds", "0.5", "--outputs", "64x64", "--stats", "s.json")
    stats = json.loads(Path("s.json").read_text())
    assert (stats["duration_s"], stats["outputs"][0]["presented"]) == (0.5, 30)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("run nosuch", "there is no scene 'nosuch'; there are: demo, workloads, gears, plasma"),
        ("run gears --outputs 10x10", 'mode "10x10": width 10 is not in 16 to 8192'),
        ("run gears --outputs 640", 'mode "640" is not of the form'),
        ("run gears --outputs " + ",".join(["64x64"] * 17), "17 outputs: a machine has 1 to 16"),
        ("run gears --seconds 0", "--seconds 0: must be above 0"),
        ("run gears --frames -1", "--frames -1: must be above 0"),
        ("run gears --patience 0", "--patience 0: must be above 0"),
        ("run gears --screenshot-at 2", "--screenshot-at needs --screenshot"),
        ("run gears --screenshot nowhere/a.png", "there is no directory nowhere"),
        ("run gears --stats .", "is a directory; name a file"),
        ("run gears --window --clock virtual", "a window lives in real time"),
        ("run gears --renderer gl", "--renderer gl: OpenGL composes what windows show"),
        ("run gears --pacing soon", '--pacing: pacing "soon": use delay=MS'),
        ("run sync-study --overlays 2", "sync-study runs on the virtual clock"),
        ("serve gpu.sock --clock virtual", "keeps its own time"),
        ("bench nosuch", "there is no benchmark 'nosuch'; there are: "),
        ("compare a.png b.png", "cannot read a.png: No such file or directory"),
        ("boot uml", "boot uml: nothing to run"),
        ("boot qemu", "boot qemu: nothing to run"),
        (
            "boot uml --program hotplug --hotplug 5",
            "--hotplug 5: not of the form S:MODE, as in 2.5:800x600@60",
        ),
        ("boot uml --program hotplug --hotplug x:off", "--hotplug x:off: not of the form S:MODE"),
        ("boot uml --program hotplug --hotplug 1:9x9", 'mode "9x9": width 9 is not in 16 to 8192'),
        ("run nowhere.toml", "nowhere.toml: No such file or directory"),
        ("run wall --outputs 64x64", "1 outputs: this scene has 3"),
        ("boot uml --program pageflip --memory 1", "--memory 1: a Linux guest needs at least 64"),
    ],
)
def test_bad_input_is_one_line_and_status_2(run: Run, arguments: str, message: str) -> None:
    status, out, err = run(*arguments.split())
    assert message in err
    assert err.startswith("scanout: ")
    assert err.count("\n") == 1
    assert (status, out) == (2, "")


def test_half_a_png_is_named(run: Run) -> None:
    save_png("whole.png", np.zeros((64, 64, 4), np.uint8))
    Path("half.png").write_bytes(Path("whole.png").read_bytes()[:60])
    status, _, err = run("compare", "half.png", "whole.png")
    assert status == 2
    assert "half.png" in err
    assert err.count("\n") == 1


def test_a_socket_path_in_use_is_named_and_left_alone(run: Run) -> None:
    Path("gpu.sock").write_text("mine")
    status, _, err = run("serve", "gpu.sock")
    assert status == 2
    assert "cannot listen on gpu.sock: it exists and is no socket" in err
    assert Path("gpu.sock").read_text() == "mine"


def test_what_was_asked_for_and_did_not_happen_is_status_1(run: Run) -> None:
    status, _, err = run("run", "plasma", "--outputs", "64x64", "--frames", "9", "--seconds", "0.05")
    assert status == 1
    assert err == "scanout: --frames 9: only 3 were presented: the time was up\n"
    status, _, err = run(
        "run",
        "plasma",
        "--outputs",
        "64x64",
        "--frames",
        "2",
        "--screenshot",
        "a.png",
        "--screenshot-at",
        "5",
    )
    assert status == 1
    assert "frame 5 was never presented, only 2 were" in err
    assert not Path("a.png").exists()


@pytest.mark.parametrize("command", ["run", "replay", "serve"])
def test_a_screenshot_of_a_run_without_a_frame_is_status_1_and_no_file(run: Run, command: str) -> None:
    Path("empty.toml").write_text("seconds = 0.1")
    run("run", "empty.toml", "--record", "empty.rec")
    what = {
        "run": ["run", "empty.toml"],
        "replay": ["replay", "empty.rec"],
        "serve": ["serve", "gpu.sock", "--seconds", "0.001"],
    }[command]
    status, out, err = run(*what, "--screenshot", "a.png")
    assert status == 1
    assert err.startswith("scanout: --screenshot a.png: a frame was never presented, only 0 were: ")
    assert err.count("\n") == 1
    assert "wrote" not in out
    assert not Path("a.png").exists()


def test_an_older_screenshot_is_not_called_written(run: Run) -> None:
    Path("empty.toml").write_text("seconds = 0.1")
    Path("a.png").write_text("of yesterday")
    status, out, _ = run("run", "empty.toml", "--screenshot", "a.png", "--stats", "s.json")
    assert status == 1
    assert [line for line in out.splitlines() if line.startswith("wrote")] == ["wrote s.json"]


def test_debug_shows_the_traceback(run: Run) -> None:
    with pytest.raises(Exception, match="there is no scene"):
        run("run", "nosuch", "--debug")


def test_doctor_says_what_is_there(run: Run) -> None:
    status, out, _ = run("doctor")
    assert status == 0
    assert "numpy" in out
    assert "UML kernel" in out


def test_without_a_scene_the_command_says_which_there_are(run: Run) -> None:
    status, out, err = run("run")
    assert (status, err) == (0, "")
    assert all(name in out for name in ("demo", "gears", "wall", "hotplug-storm"))


def test_a_scene_file_is_run_and_its_mistakes_are_named(run: Run) -> None:
    Path("a.toml").write_text('seconds = 0.1\n[[outputs]]\nmode = "64x48"\n[[guests]]\nkind = "simulated"\n')
    status, _, err = run("run", "a.toml")
    assert (status, err) == (2, "scanout: a.toml: guests[0]: table missing required field workload\n")
    with Path("a.toml").open("a") as scene:
        scene.write('workload = "plasma"\n')
    assert run("run", "a.toml", "--stats", "s.json")[::2] == (0, "")
    stats = json.loads(Path("s.json").read_text())
    assert (stats["duration_s"], stats["outputs"][0]["presented"]) == (0.1, 6)


def test_a_run_is_recorded_and_replayed_with_the_same_digest(run: Run) -> None:
    small = ("--outputs", "160x120", "--frames", "3", "--stats")
    status, out, _ = run("run", "demo", *small, "a.json", "--record", "f.rec")
    assert status == 0
    assert "wrote f.rec" in out
    assert run("replay", "f.rec", "--stats", "b.json", "--screenshot", "b.png")[::2] == (0, "")
    a, b = (json.loads(Path(name).read_text()) for name in ("a.json", "b.json"))
    assert a["digest"] == b["digest"]
    assert [guest["name"] for guest in a["guests"]] == [guest["name"] for guest in b["guests"]]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("replay", "nothing.rec"), "nothing.rec: No such file or directory"),
        (("replay", "text.rec"), "text.rec: not a recording; `--record F` makes one"),
        (("replay", "."), ".: Is a directory"),
        (
            ("replay", "text.rec", "--record", "text.rec"),
            "--record text.rec: that is the recording to replay",
        ),
        (("replay", "text.rec", "--outputs", "64x64"), "a replay has the outputs of its recording"),
        (("run", "gears", "--record", "no/f.rec"), "--record no/f.rec: there is no directory no"),
    ],
)
def test_what_cannot_be_replayed_or_recorded_is_one_line(
    run: Run, arguments: tuple[str, ...], line: str
) -> None:
    Path("text.rec").write_text("no recording")
    status, _, err = run(*arguments)
    assert status == 2
    assert line in err
    assert err.count("\n") == 1


def test_a_run_takes_a_sync_policy_or_refuses_it_by_name(run: Run) -> None:
    assert run("run", "gears", "--frames", "2", "--outputs", "64x64", "--sync", "queue")[0] == 0
    status, _, err = run("run", "gears", "--frames", "2", "--outputs", "64x64", "--sync", "vsync")
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("scanout: guest gears: sync 'vsync' is not for it; there are none, blocking")


def test_a_command_that_is_told_to_end_ends_as_if_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not at once: what it holds is given back on the way."""
    given_back: list[bool] = []

    def command(*_arguments: object, **_options: object) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            given_back.append(True)

    monkeypatch.setattr("compositor.cli.app", command)
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as end:
        main([])
    assert (end.value.code, given_back, signal.getsignal(signal.SIGTERM)) == (130, [True], before)
