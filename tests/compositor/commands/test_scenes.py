from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from compositor import Machine
from compositor.commands.options import RunOptions
from compositor.commands.scenes import run_scene
from compositor.compare import load_png
from compositor.errors import BadInput
from compositor.pixels.screenshot import save_png
from compositor.scene_file import builtin
from guest.workloads import WORKLOADS


async def test_the_scene_of_all_workloads_has_each_once_in_tiles_that_fill_the_output() -> None:
    scene = builtin("workloads")
    assert sorted(scene.guests) == sorted(WORKLOADS)
    async with Machine(outputs=scene.outputs) as machine:
        await scene.start(machine)
        found = [guest.display.place(0) for guest in machine.guests]
    places = {(place.x, place.y, place.width, place.height) for place in found}
    assert places == {(x, y, 640, 360) for x in (0, 640, 1280) for y in (0, 360)}


@pytest.mark.parametrize("workload", WORKLOADS)
async def test_every_workload_is_a_scene_that_is_scanned_out_without_a_copy(workload: str) -> None:
    scene = builtin(workload, ["160x120@60"])
    async with Machine(outputs=scene.outputs) as machine:
        await scene.start(machine)
        await machine.run(frames=3)
        stats = machine.stats()
    assert [guest["name"] for guest in stats["guests"]] == [workload]
    assert stats["outputs"][0]["direct_scanout"] == 3
    assert sum(stats["guests"][0]["bytes"].values()) == 0


def test_an_unknown_scene_is_refused_with_those_that_exist() -> None:
    with pytest.raises(BadInput, match="no scene 'pong'; there are: demo, workloads, gears"):
        run_scene("pong", RunOptions())


# Workloads of the user's own.

MODULE = """
class Grey:
    name, opaque = "grey", True

    def draw(self, frame, pixels):
        pixels[:] = 40 + frame
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is no part of the module search path, with a module in it."""
    (tmp_path / "grey_workload.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


SMALL = RunOptions(outputs="96x64@60", frames=3, screenshot=Path("shot.png"))


def test_a_module_in_the_working_directory_is_a_scene(here: Path) -> None:
    run_scene("grey_workload:Grey", SMALL)
    assert (load_png("shot.png")[..., :3] == 42).all()


def test_a_scene_file_with_leave_finds_it_too(here: Path) -> None:
    Path("own.toml").write_text('[[guests]]\nkind = "simulated"\nworkload = "grey_workload:Grey"\n')
    with pytest.raises(BadInput, match="add --allow-programs"):
        run_scene("own.toml", SMALL)
    run_scene("own.toml", SMALL, allow_programs=True)
    assert (load_png("shot.png")[..., :3] == 42).all()


def test_a_png_is_a_scene_of_one_frame(here: Path) -> None:
    rgba = np.full((64, 96, 4), 255, np.uint8)
    rgba[10:20] = (1, 2, 3, 255)
    save_png("logo.png", rgba)
    run_scene("logo.png", replace(SMALL, frames=None))
    assert np.array_equal(load_png("shot.png"), rgba)


def test_a_workload_of_an_installed_package_is_a_scene_and_is_listed(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = here / "site/grey-1.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Name: grey\nVersion: 1\n")
    (package / "entry_points.txt").write_text("[scanout.workloads]\nfog = grey_workload:Grey\n")
    monkeypatch.syspath_prepend(here / "site")
    monkeypatch.syspath_prepend(here)
    run_scene("fog", SMALL)
    assert (load_png("shot.png")[..., :3] == 42).all()
    run_scene(None, SMALL)
    assert "fog" in capsys.readouterr().out
    Path("own.toml").write_text('[[guests]]\nkind = "simulated"\nworkload = "fog"\n')
    run_scene("own.toml", SMALL)  # what is installed needs no leave
    with pytest.raises(BadInput, match=r"no scene 'pong'; there are: .*soak, fog; "):
        run_scene("pong", SMALL)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("grey_workload:White", "grey_workload has no 'White'"),
        ("nowhere:X", "there is no module 'nowhere'"),
        ("missing.png", "cannot read missing.png: No such file"),
    ],
)
def test_what_is_no_workload_is_refused_in_one_line(here: Path, name: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        run_scene(name, SMALL)
