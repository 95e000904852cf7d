from __future__ import annotations

import pytest

from compositor import Machine
from compositor.commands.options import RunOptions
from compositor.commands.scenes import run_scene
from compositor.errors import BadInput
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
