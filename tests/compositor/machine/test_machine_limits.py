"""Limits reach the devices of all kinds of guest: from Python, from a scene, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compositor import Limits, Machine, Totals
from compositor.cli import main
from compositor.scene_file.read import parse_scene
from guest import SimulatedGuest

FRAME = 64 * 48 * 4
SCENE = """
[limits]
host_memory = "1M"
total_resources = 50

[[outputs]]
mode = "64x48"

[[guests]]
kind = "simulated"
workload = "plasma"

[[guests]]
kind = "simulated"
workload = "gears"
limits = { resources = 7, turn = "1ms" }
"""


async def test_a_machine_has_limits_and_a_guest_may_have_others(tmp_path: Path) -> None:
    usual, own = Limits(resources=9), Limits(resources=2)
    async with Machine(outputs=["64x48@60"], clock="real", repaint="flush", limits=usual) as machine:
        guests = [
            await machine.attach(SimulatedGuest("plasma")),
            await machine.attach(SimulatedGuest("plasma"), limits=own),
            machine.serve(tmp_path / "one"),
            machine.serve(tmp_path / "other", limits=own),
        ]
        assert [guest.ledger.limits for guest in guests] == [usual, own, usual, own]


async def test_a_guest_beyond_its_limit_is_told_of_once_and_the_other_goes_on() -> None:
    lines: list[str] = []
    async with Machine(outputs=["64x48@60"], report=lines.append) as machine:
        honest = await machine.attach(SimulatedGuest("plasma"))
        await machine.attach(SimulatedGuest("gears"), limits=Limits(resources=0))
        await machine.run(frames=30)
        assert machine.stats()["guests"][0]["frames"]["presented"] == 30
        assert honest.ledger.resources.used > 0
    assert [line for line in lines if "limit" in line] == [
        "gears: limit resources reached: resource 1 cannot be created, and the guest has 0 of 0 already; "
        "--limit resources=... sets another"
    ]


async def test_what_all_guests_use_is_bounded_and_given_back() -> None:
    lines: list[str] = []
    async with Machine(outputs=["64x48@60"], totals=Totals(resources=2), report=lines.append) as machine:
        guests = [await machine.attach(SimulatedGuest("plasma")) for _ in range(3)]
        await machine.run(frames=3)
        assert sum(guest.ledger.resources.used for guest in guests) == 2
    assert any("limit total-resources reached" in line for line in lines)
    assert sum(guest.ledger.resources.used for guest in guests) == 0


async def test_a_scene_has_limits_and_its_guests_may_have_others() -> None:
    scene = parse_scene(SCENE, "scene")
    assert scene.limits == {"host_memory": "1M", "total_resources": 50}
    async with Machine(outputs=scene.outputs, limits=Limits(host_memory=1 << 20)) as machine:
        await scene.start(machine)
        plasma, gears = (guest.ledger.limits for guest in machine.guests)
    assert plasma == Limits(host_memory=1 << 20)
    assert gears == Limits(host_memory=1 << 20, resources=7, turn=1000)


def test_the_command_line_has_the_last_word_on_a_scenes_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.toml").write_text(SCENE)
    for options, said in (["--limit", "total-resources=1"], True), ([], False):
        with pytest.raises(SystemExit) as end:
            main(["run", "a.toml", "--frames", "2", *options])
        assert not end.value.code
        assert ("limit total-resources reached" in capsys.readouterr().err) is said


@pytest.mark.parametrize("command", [["serve"], ["demo"], ["run"], ["replay"], ["boot", "uml"]])
def test_every_running_command_lists_the_limits(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main([*command, "--limit", "list", "--json"])
    assert not end.value.code
    listed = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert listed["host-memory"]["default"] == 1 << 30
    assert listed["host-memory"]["beyond"] == "ERR_OUT_OF_MEMORY"
    assert set(listed["total-fences"]) == {"name", "default", "unit", "meaning", "beyond"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("fences", "--limit fences: give it as NAME=VALUE; --limit list says which there are"),
        ("fences=3", "--limit: fences: 3 is not a whole number of answers, 32 or more"),
        ("fences=", "--limit: fences: '' is no number of answers"),
        ("lists=3", "--limit: there is no limit 'lists'; there are: host-memory"),
    ],
)
def test_a_limit_that_makes_no_sense_is_one_line(
    text: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["demo", "--limit", text])
    assert end.value.code == 2
    assert said in capsys.readouterr().err
