"""A real Linux kernel sees monitors come, go and change, and its program follows by the kernel's uevents."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor import Machine, Output, Placement
from guest import UmlGuest
from guest.linux import expected

pytestmark = pytest.mark.real
Run = Callable[..., Any]

SWAPPED = ("boot", "uml", "--clock", "virtual", "--program", "hotplug", "--hotplug", "1:800x600@75")
SCENE = """
[[outputs]]
name = "desk"
mode = "640x480@60"
[[outputs]]
name = "beamer"
mode = "1024x768@60"
plugged = false
[[guests]]
kind = "uml"
program = "hotplug"
[[guests.places]]
output = "desk"
[[guests.places]]
output = "beamer"
[[events]]
at = 1.0
do = "plug"
output = "beamer"
mode = "800x600@75"
[[events]]
at = 1.5
do = "unplug"
output = "desk"
"""


def test_a_kernel_sees_a_hotplug_switches_mode_and_the_picture_is_right(scanout: Run) -> None:
    done = scanout(*SWAPPED, "--seconds", "1.2")
    assert (done.status, done.err) == (0, "")
    (output,), (guest,) = done.stats["outputs"], done.stats["guests"]
    assert output["mode"] == "800x600@75"
    assert guest["errors"] == {}
    assert guest["commands"]["GET_DISPLAY_INFO"] == 2
    assert np.array_equal(done.picture, expected.pattern(800, 600)[..., 2::-1])
    again = scanout(*SWAPPED, "--seconds", "1.2")
    assert again.stats["digest"] == done.stats["digest"]


def test_a_monitor_that_goes_and_another_that_comes_are_followed(scanout: Run) -> None:
    done = scanout(*SWAPPED, "--hotplug", "1.5:off", "--hotplug", "2:1280x720", "--seconds", "2.5")
    assert (done.status, done.err) == (0, "")
    assert done.stats["guests"][0]["errors"] == {}
    assert np.array_equal(done.picture, expected.pattern(1280, 720)[..., 2::-1])


async def test_a_millisecond_after_the_mode_switch_the_picture_is_the_new_one() -> None:
    async with Machine(repaint="flush") as machine:
        await machine.attach(UmlGuest("hotplug"))
        await machine.run(seconds=1)
        assert np.array_equal(machine.screenshot()[..., :3], expected.pattern(1024, 768)[..., 2::-1])
        machine.set_mode(0, "800x600@60")
        await machine.run(seconds=0.001)
        assert np.array_equal(machine.screenshot()[..., :3], expected.pattern(800, 600)[..., 2::-1])


def test_a_scene_file_plugs_a_second_monitor_into_a_kernel(scanout: Run, tmp_path: Path) -> None:
    (tmp_path / "scene.toml").write_text(SCENE)
    done = scanout("run", "scene.toml", "--seconds", "1.4")
    assert (done.status, done.err) == (0, "")
    assert np.array_equal(done.picture, expected.pattern(640, 480)[..., 2::-1])
    later = scanout("run", "scene.toml", "--seconds", "2")
    assert [output["presented"] > 0 for output in later.stats["outputs"]] == [True, True]
    assert later.stats["guests"][0]["errors"] == {}


async def test_both_monitors_of_one_kernel_have_their_own_picture() -> None:
    outputs = [Output("640x480@60"), Output("800x600@60", plugged=False)]
    async with Machine(outputs=outputs, repaint="flush") as machine:
        await machine.attach(UmlGuest("hotplug"), [Placement(), Placement(output=1)])
        await machine.run(seconds=1)
        machine.plug(1)
        await machine.run(seconds=0.2)
        machine.unplug(0)
        await machine.run(seconds=0.2)
        machine.plug(0, "320x240@60")
        await machine.run(seconds=0.2)
        for output, size in ((0, (320, 240)), (1, (800, 600))):
            assert np.array_equal(machine.screenshot(output)[..., :3], expected.pattern(*size)[..., 2::-1]), (
                output
            )
