"""Scene files, played: their outputs, guests and events."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from compositor import Machine
from compositor.commands.options import RunOptions
from compositor.commands.scenes import run_scene
from compositor.errors import BadInput
from compositor.faults import DropVblanks, Kill, Script
from compositor.machine.run import StopReason
from compositor.scene_file import SCENES, SceneFile, builtin, title
from compositor.scene_file.read import parse_scene
from guest.linux.tool import no_progress
from guest.real import QemuGuest, UmlGuest
from guest.simulated import SimulatedGuest
from guest.workloads import WORKLOADS
from virtio.limits import Limits


async def play(scene: SceneFile, seconds: float) -> tuple[dict[str, Any], list[Any], list[str]]:
    """Statistics, a screenshot of every output that showed something, and what was reported."""
    reported: list[str] = []
    async with Machine(
        outputs=scene.outputs,
        seed=scene.seed,
        repaint=scene.repaint,
        timing=scene.timing,
        repaint_delay_ns=scene.repaint_delay_ns,
        report=reported.append,
    ) as machine:
        await scene.start(machine)
        assert await machine.run(seconds=seconds) is StopReason.SECONDS
        shots = [
            machine.screenshot(index)
            for index, output in enumerate(machine.outputs)
            if machine.pictures.has(output.name)
        ]
        return machine.stats(), shots, reported


SMALL = """
seed = 5
[[outputs]]
name = "left"
mode = "96x64@60"
background = "#102030"
[[outputs]]
name = "right"
mode = "96x64@60"
background = "#102030"
[[guests]]
kind = "simulated"
name = "mural"
workload = "plasma"
[[guests.places]]
span = true
x = 48
width = 96
height = 0.5
[[guests]]
kind = "simulated"
name = "window"
workload = "plasma"
seed = 9
[[guests.places]]
output = "left"
mirrors = ["right"]
x = 8
y = 8
width = 48
height = 32
"""


async def test_guests_span_and_are_mirrored_where_the_file_says() -> None:
    _, (left, right), _ = await play(parse_scene(SMALL, "small.toml"), 0.11)
    assert np.array_equal(left[8:40, 8:56], right[8:40, 8:56]), "mirrored"
    assert (left[50:] == [0x10, 0x20, 0x30, 0xFF]).all(), "background"
    assert (left[:32, :8] == [0x10, 0x20, 0x30, 0xFF]).all()
    assert not (left[:8, 60:] == [0x10, 0x20, 0x30, 0xFF]).all(axis=2).any(), "the mural begins here"
    assert not (right[:8, :40] == [0x10, 0x20, 0x30, 0xFF]).all(axis=2).any(), "and goes on there"


async def test_events_happen_at_their_times() -> None:
    text = (
        SMALL
        + """
[[events]]
at = 0.1
do = "move"
guest = "window"
output = "right"
x = 40
y = 20
[[events]]
at = 0.2
do = "unplug"
output = "left"
[[events]]
at = 0.3
do = "plug"
output = "left"
mode = "128x80@75"
[[events]]
at = 0.35
do = "sync"
guest = "window"
policy = "queue"
[[events]]
at = 0.35
do = "raise"
guest = "mural"
"""
    )
    stats, (left, right), reported = await play(parse_scene(text, "events.toml"), 0.5)
    assert reported == []
    assert stats["outputs"][0]["mode"] == "128x80@75"
    assert left.shape == (80, 128, 4)
    assert (left[8:40, 8:40] == [0x10, 0x20, 0x30, 0xFF]).all(), "the window has moved away"
    assert not (right[40:50, 45:80] == [0x10, 0x20, 0x30, 0xFF]).all(axis=2).any()
    assert stats["digest"] == (await play(parse_scene(text, "events.toml"), 0.5))[0]["digest"]


async def test_a_fault_is_refused_by_name_and_the_others_last_good_frames_go_on() -> None:
    text = """
[[outputs]]
mode = "96x64@60"
[[guests]]
kind = "simulated"
name = "bad"
workload = "plasma"
[[events]]
at = 0.1
do = "fault"
guest = "bad"
fault = "scanout-beyond-blob"
[[events]]
at = 0.2
do = "fault"
guest = "bad"
fault = "looped-chain"
[[events]]
at = 0.25
do = "fault"
guest = "bad"
fault = "looped-chain"
[[events]]
at = 0.3
do = "reboot"
guest = "bad"
"""
    stats, (before,), reported = await play(parse_scene(text, "hostile.toml"), 0.28)
    assert before[..., :3].any(), "the last good frame stays"
    assert [line.split(":")[:2] for line in reported] == [
        ["bad", " scanout-beyond-blob"], ["bad", " looped-chain"], ["bad", " looped-chain"],
    ]  # fmt: skip
    assert "ERR_INVALID_PARAMETER: SET_SCANOUT_BLOB: an image that ends at byte" in reported[0]
    assert "the device needs a reset" in reported[1]
    assert "its driver is lost; reboot it first" in reported[2]
    after, _, _ = await play(parse_scene(text, "hostile.toml"), 0.5)
    assert after["guests"][0]["frames"]["presented"] > stats["guests"][0]["frames"]["presented"]


async def test_faults_are_events_at_times_and_at_moments() -> None:
    text = """
[[outputs]]
mode = "96x64@60"
[[guests]]
kind = "simulated"
workload = "plasma"
[[events]]
do = "drop-vblanks"
output = "output-0"
count = 2
frame = 5
[[events]]
do = "reboot"
guest = "plasma"
ms = 50
command = "RESOURCE_FLUSH"
nth = 20
[[events]]
do = "mode"
at = 0.6
output = "output-0"
mode = "80x60@60"
"""
    stats, (shot,), reported = await play(parse_scene(text, "faults.toml"), 1)
    assert stats["outputs"][0]["missed_vblanks"] == 2
    assert stats["guests"][0]["commands"]["GET_DISPLAY_INFO"] == 3
    assert shot.shape == (60, 80, 4)
    assert reported == []


async def test_a_script_of_faults_goes_with_any_scene(tmp_path: Path) -> None:
    scene = builtin("plasma", ["96x64@60"])
    scene.add_faults(Script((DropVblanks("output-0", at=0.1),)), "worst.toml")
    stats, _, _ = await play(scene, 0.5)
    assert stats["outputs"][0]["missed_vblanks"] == 1
    with pytest.raises(BadInput, match=r'worst\.toml: events\[0\]\.guest: there is no guest "x"'):
        scene.add_faults(Script((Kill("x"),)), "worst.toml")


def test_the_command_takes_a_script_of_faults(tmp_path: Path) -> None:
    script, stats = tmp_path / "worst.toml", tmp_path / "stats.json"
    Script((DropVblanks("output-0", count=3, frame=4),)).save(script)
    run_scene("plasma", RunOptions(outputs="96x64@60", frames=10, stats=stats), faults=script)
    assert json.loads(stats.read_text())["outputs"][0]["missed_vblanks"] == 3
    with pytest.raises(BadInput, match="a study has no use for them"):
        run_scene("sync-study", RunOptions(), faults=script)
    with pytest.raises(BadInput, match=r"none\.toml: No such file"):
        run_scene("plasma", RunOptions(), faults=tmp_path / "none.toml")


async def test_timing_and_limits_are_taken_from_the_file() -> None:
    scene = parse_scene(
        "seconds = 2.5\nframes = 7\n[timing]\ncompose_ms = 3.5\nrepaint_delay_ms = 9.0", "t.toml"
    )
    assert (scene.seconds, scene.frames) == (2.5, 7)
    assert (scene.timing.compose_ns, scene.repaint_delay_ns) == (3_500_000, 9_000_000)


def test_a_real_guest_is_repainted_on_flush_and_qemu_has_the_real_clock() -> None:
    uml = parse_scene('[[guests]]\nkind = "uml"\nprogram = "pattern"', "u.toml")
    qemu = parse_scene('[[guests]]\nkind = "qemu"\nprogram = "pattern"', "q.toml")
    assert (uml.clock, uml.repaint) == ("virtual", "flush")
    assert (qemu.clock, qemu.repaint) == ("real", "flush")


def test_other_modes_may_be_more_but_not_fewer_than_the_scenes_outputs() -> None:
    scene = parse_scene(SMALL, "small.toml", ["64x48", "80x60", "32x32"])
    assert [str(output.mode) for output in scene.outputs] == ["64x48@60", "80x60@60", "32x32@60"]
    with pytest.raises(BadInput, match="1 outputs: this scene has 2"):
        parse_scene(SMALL, "small.toml", ["64x48"])


KINDS = """
[[guests]]
kind = "simulated"
workload = "plasma"
[[guests]]
kind = "simulated"
workload = "plasma"
render_ms = 2.0
[[guests]]
kind = "uml"
program = "pattern"
[[guests]]
kind = "qemu"
program = "pattern"
"""


async def test_every_guest_is_made_once_and_that_one_is_attached(monkeypatch: pytest.MonkeyPatch) -> None:
    made, attached = count_guests(monkeypatch), []

    class Outlet:
        """The part of a machine that a scene needs; it starts nothing."""

        async def attach(self, guest: Any, places: Any, limits: Any) -> Any:
            attached.append(guest)
            return SimpleNamespace(set_sync=lambda _policy: None)

        clock = SimpleNamespace(now_ns=lambda: 0)
        limits = Limits()

    scene = parse_scene(KINDS, "kinds.toml", ["64x48"])
    for kind in (UmlGuest, QemuGuest):
        monkeypatch.setattr(kind, "prepare", lambda _guest, _progress: None)
    scene.prepare(no_progress)
    await scene.start(cast(Machine, Outlet()))
    assert made == attached == [guest for _, guest, _ in scene.guests.values()]
    assert [guest.name for guest in attached] == ["plasma", "plasma-2", "uml", "qemu"]


def test_a_run_of_a_file_makes_every_guest_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = count_guests(monkeypatch)
    (tmp_path / "small.toml").write_text(SMALL)
    run_scene(str(tmp_path / "small.toml"), RunOptions(frames=2, outputs="64x48,64x48"))
    assert [guest.name for guest in made] == ["mural", "window"]


def count_guests(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """From now on: every guest of any kind that is made."""
    made: list[Any] = []

    def counted(kind: type[Any]) -> Callable[..., None]:
        make = kind.__init__

        def init(guest: Any, *arguments: Any, **options: Any) -> None:
            make(guest, *arguments, **options)
            made.append(guest)

        return init

    for kind in (SimulatedGuest, UmlGuest, QemuGuest):
        monkeypatch.setattr(kind, "__init__", counted(kind))
    return made


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_that_ships_is_sound_and_has_a_title(name: str) -> None:
    assert builtin(name).title == title(name) != ""


def test_every_workload_is_a_scene() -> None:
    assert set(WORKLOADS) < set(SCENES)
    with pytest.raises(BadInput, match="there is no scene 'nosuch'; there are: demo, workloads, gears"):
        builtin("nosuch")


async def test_the_scenes_that_ship_run_without_an_error() -> None:
    for name in ("hotplug", "wall"):
        stats, shots, reported = await play(builtin(name), 0.05)
        assert reported == []
        assert shots
        assert all(guest["errors"] == {} for guest in stats["guests"])


async def test_the_scene_of_planes_composes_nothing_there_and_follows_its_game() -> None:
    stats, _, _ = await play(builtin("planes"), 0.25)
    planes, variable, light = stats["outputs"]
    assert planes["direct_scanout"] == planes["presented"] == 15
    assert {entry["plane"] for entry in planes["planes"]} == {"primary", "overlay-0", "overlay-1"}
    assert variable["interval_ms"] == {"p50": 9.5, "p99": 9.5, "max": 9.5}
    assert light["presented"] == 7
    copied = {guest["name"]: sum(guest["bytes"].values()) for guest in stats["guests"]}
    assert {name for name, count in copied.items() if count} == {"glass"}
