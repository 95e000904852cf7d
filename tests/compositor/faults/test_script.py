"""Scripts as data: read, written, shown, and refused where they make no sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from compositor import Machine, Output, Placement
from compositor.errors import BadInput, Misuse
from compositor.faults import KINDS, Hotplug, Kill, LoseInterrupts, LoseKicks, Script, inject
from compositor.scene_file.read import parse_scene
from compositor.testing import faults
from guest import SimulatedGuest

SCRIPT = Script(
    (
        LoseInterrupts("gears", frame=30),
        Kill("plasma", at=0.5),
        Hotplug("left", ms=20, mode="80x60@60", command="RESOURCE_FLUSH", nth=3, of="gears"),
    )
)
TEXT = """\
[[events]]
do = "lose-interrupts"
guest = "gears"
frame = 30

[[events]]
do = "kill"
guest = "plasma"
at = 0.5

[[events]]
do = "hotplug"
output = "left"
ms = 20
mode = "80x60@60"
command = "RESOURCE_FLUSH"
nth = 3
of = "gears"
"""
GUESTS = '[[guests]]\nkind = "simulated"\nworkload = "gears"\n'


def test_a_script_is_the_same_in_python_and_in_toml() -> None:
    assert SCRIPT.toml() == TEXT
    assert Script.parse(TEXT) == SCRIPT


def test_its_repr_is_python_and_short() -> None:
    assert repr(SCRIPT.events[0]) == "LoseInterrupts(guest='gears', frame=30)"
    assert repr(Script(SCRIPT.events[1:2])) == "Script((Kill(guest='plasma', at=0.5),))"
    assert repr(Script()) == "Script(())"
    names: dict[str, Any] = {"Script": Script} | {kind.__name__: kind for kind in KINDS.values()}
    assert eval(repr(SCRIPT), names) == SCRIPT


@given(script=faults(guests=["gears", 'pla"sma\\ü'], outputs=["left"]))
def test_every_script_survives_its_text(script: Script) -> None:
    assert Script.parse(script.toml()) == script


def test_a_script_is_kept_in_a_file(tmp_path: Path) -> None:
    SCRIPT.save(tmp_path / "worst.toml")
    assert Script.load(tmp_path / "worst.toml") == SCRIPT


def test_the_text_of_a_script_goes_into_a_scene() -> None:
    scene = '[[outputs]]\nname = "left"\n' + GUESTS + GUESTS.replace("gears", "plasma") + TEXT
    assert tuple(parse_scene(scene, "scene.toml")._events) == SCRIPT.events


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[events]", "x.toml: no script of faults: "),
        ('[[events]]\ndo = "explode"', "x.toml: no script of faults: Invalid value 'explode'"),
        ('[[events]]\ndo = "kill"', "missing required field `guest`"),
        ('[[events]]\ndo = "kill"\nguest = "a"\nwhen = 3', "unknown field `when`"),
        ('[[outputs]]\nname = "left"', "unknown field `outputs`"),
        ("\xff", "x.toml: no script of faults: "),
    ],
)
def test_a_text_that_is_no_script_is_refused_in_one_line(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(BadInput) as refused:
        Script.load(path)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"none\.toml: No such file"):
        Script.load(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BadInput, match=r"bytes\.toml: not a text"):
        Script.load(tmp_path / "bytes.toml")
    with pytest.raises(BadInput, match="cannot write"):
        SCRIPT.save(tmp_path / "nowhere" / "x.toml")


@pytest.mark.parametrize(
    ("event", "says"),
    [
        ('do = "kill"\nguest = "x"', 'events[0].guest: there is no guest "x"; there are gears'),
        ('do = "drop-vblanks"\noutput = "x"', 'events[0].output: there is no output "x"; there are output-0'),
        ('do = "kill"\nguest = "gears"\nat = -1', "events[0].at: -1.0 is no time of a run"),
        ('do = "kill"\nguest = "gears"\nat = nan', "events[0].at: nan is no time of a run"),
        ('do = "stall"\nguest = "gears"\nms = -1', "events[0].ms: -1.0 is not in 0 to"),
        ('do = "lose-kicks"\nguest = "gears"\ncount = 0', "events[0].count: 0 is not in 1 to"),
        ('do = "kill"\nguest = "gears"\nframe = 0', "events[0].frame: 0 is not in 1 to"),
        ('do = "kill"\nguest = "gears"\nframe = 1\ncommit = 1', "events[0].commit: a fault has one moment"),
        ('do = "kill"\nguest = "gears"\ncommand = "X"', 'events[0].command: there is no command "X"'),
        ('do = "kill"\nguest = "gears"\nof = "gears"', "events[0].of: of which moment?"),
        ('do = "kill"\nguest = "gears"\nframe = 1\nof = "x"', 'events[0].of: there is no output "x"'),
        (
            'do = "kill"\nguest = "gears"\ncommand = "GET_EDID"\nof = "x"',
            'events[0].of: there is no guest "x"',
        ),
        ('do = "hotplug"\noutput = "output-0"\nmode = "1x1"', 'events[0].mode: mode "1x1": width 1 is'),
        ('do = "lose-kicks"\nguest = "gears"\nqueue = "x"', "events[0].queue: Invalid enum value 'x'"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused_before_anything_starts(event: str, says: str) -> None:
    with pytest.raises(BadInput) as refused:
        parse_scene(f"{GUESTS}[[events]]\n{event}\n", "scene.toml")
    assert f"scene.toml: {says}" in str(refused.value)


@pytest.mark.parametrize("do", ["lose-kicks", "reboot", "needs-reset", "scribble"])
def test_what_a_real_guests_driver_does_cannot_be_scripted(do: str) -> None:
    guest = '[[guests]]\nkind = "uml"\nprogram = "pattern"\n'
    with pytest.raises(BadInput, match=r"events\[0\]\.guest: uml is no simulated guest"):
        parse_scene(f'{guest}[[events]]\ndo = "{do}"\nguest = "uml"\n', "scene.toml")


async def test_a_fault_that_cannot_happen_is_refused_at_its_injection() -> None:
    outputs = [Output("64x48@60", name="left")]
    async with Machine(outputs=outputs) as machine:
        with pytest.raises(BadInput, match=r"events\[0\]\.command: there is no guest that could send it"):
            inject(machine, Hotplug("left", command="RESOURCE_FLUSH"))
        await machine.attach(SimulatedGuest("gears"), [Placement(output=0)])
        with pytest.raises(BadInput, match=r'events\[1\]\.guest: there is no guest "x"'):
            inject(machine, LoseKicks("gears"), Script((Kill("x"),)))
        await machine.run(frames=3)
    with pytest.raises(Misuse):
        inject(Machine(), Hotplug("output-0"))
