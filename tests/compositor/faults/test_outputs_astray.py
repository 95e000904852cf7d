"""Vblanks that are missed, and monitors that come and go at the worst moments."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Literal

import pytest

from compositor import Machine, Output, Placement
from compositor.faults import DropVblanks, Hotplug, inject
from compositor.output.submission import Feedback
from guest import SimulatedGuest

Play = Callable[..., Any]
PACINGS = [None, "delay=5", "adaptive", "triple"]


@pytest.mark.parametrize("pacing", PACINGS)
async def test_a_dropped_vblank_is_counted_and_its_frame_comes_with_the_next(
    scene: Play, pacing: str | None
) -> None:
    async with scene(pacing=pacing) as it:
        it.inject(DropVblanks("left", count=3, at=0.5))
        await it.machine.run(seconds=1)
        times = it.times["left"]
        assert max(b - a for a, b in pairwise(times)) == pytest.approx(4e9 / 60, rel=1e-6)
        assert it.machine.stats()["outputs"][0]["missed_vblanks"] == 3
        assert it.machine.stats()["outputs"][1]["missed_vblanks"] == 0
        frames = it.frames()
        assert frames["discarded"] == frames["torn"] == frames["early_reuse"] == 0


async def test_a_dropped_vblank_where_guests_have_a_clock_of_their_own() -> None:
    async with Machine(outputs=["64x48@60"], repaint="flush") as machine:
        await machine.attach(SimulatedGuest("gears"))
        times: list[int] = []
        machine.listen(0, lambda frame: times.append(frame.present_time_ns))
        inject(machine, DropVblanks("output-0", at=0.25))
        await machine.run(seconds=0.5)
        assert machine.outputs[0].grid.vblank_ns(15) not in times
        assert len(times) == 31, "it is shown a refresh later"


MOMENTS: list[dict[str, Any]] = [
    {"commit": 20},
    {"frame": 20},
    {"command": "RESOURCE_FLUSH", "nth": 20},
    {"command": "SET_SCANOUT_BLOB", "nth": 20},
    {"command": "RESOURCE_FLUSH", "nth": 1},
    {"frame": 20, "at": 0.005},
]


@pytest.mark.parametrize("sync", ["none", "blocking", "release", "queue", "out-fence"])
@pytest.mark.parametrize("moment", MOMENTS, ids=lambda moment: "-".join(map(str, moment.values())))
@pytest.mark.parametrize("pacing", PACINGS)
async def test_a_monitor_that_goes_at_the_worst_moment_costs_its_frames_alone(
    scene: Play, pacing: str | None, moment: dict[str, Any], sync: str
) -> None:
    """Before the host's commit, between that and the vblank, between a flush and its fence."""
    async with scene(pacing=pacing, sync=sync) as it:
        answers: list[Feedback] = []
        it.gears.display.listeners.append(lambda _name, feedback: answers.append(feedback))
        injection = it.inject(Hotplug("left", ms=50, mode="80x60@60", **moment))
        await it.machine.run(seconds=1)
        assert len(injection.happened) == 1
        assert it.machine.outputs[0].plugged
        assert it.gears.guest.size == (80, 60)
        assert it.machine.screenshot(0).shape == (60, 80, 4)
        frames = it.frames()
        numbers = [answer.commit for answer in answers]
        assert len(set(numbers)) == len(numbers) == frames["presented"] + frames["discarded"]
        assert frames["submitted"] - len(numbers) <= 2, "those that are on their way now"
        assert frames["presented"] > 45
        assert (frames["torn"], frames["early_reuse"]) == (0, 0) or sync == "none"


async def test_a_monitor_that_has_gone_already_is_skipped(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(Hotplug("left", ms=100, at=0.1), Hotplug("left", ms=10, at=0.15))
        await it.machine.run(seconds=0.5)
        assert [why for _, why in injection.skipped] == ["left is not plugged in"]
        assert it.machine.outputs[0].plugged


@pytest.mark.parametrize("moment", [{"frame": 10}, {"commit": 10}], ids=str)
@pytest.mark.parametrize("repaint", ["vblank", "flush"])
async def test_a_mirrored_picture_waits_for_no_monitor_that_has_gone(
    repaint: Literal["vblank", "flush"], moment: dict[str, Any]
) -> None:
    """Also where the host repaints within the guest's flush, before the other monitor has got the picture."""
    outputs = [Output("64x48@60", name="left"), Output("64x48@60", name="right")]
    async with Machine(outputs=outputs, repaint=repaint) as machine:
        await machine.attach(SimulatedGuest("gears"), [Placement(output=0, mirrors=(1,))])
        inject(machine, Hotplug("right", ms=100, of="left", **moment), DropVblanks("right", at=0.3))
        await machine.run(seconds=1)
        frames = machine.stats()["guests"][0]["frames"]
    assert frames["presented"] > 50
    assert frames["torn"] == frames["early_reuse"] == 0


async def test_a_monitor_for_which_there_is_no_room_does_not_come_back(scene: Play) -> None:
    async with scene() as it:
        it.machine.outputs[0].position, it.machine.outputs[1].position = (0, 0), (64, 0)
        it.inject(Hotplug("left", ms=10, mode="128x48@60", at=0.1))
        await it.machine.run(seconds=0.3)
        assert not it.machine.outputs[0].plugged
        assert "the monitor could not come back: " in it.lines[0]
