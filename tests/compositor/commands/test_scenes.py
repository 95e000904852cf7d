from __future__ import annotations

import pytest

from compositor import Machine
from compositor.commands.scenes import cast
from compositor.errors import BadInput
from guest.workloads import WORKLOADS


def test_the_scene_of_all_workloads_has_each_once_in_tiles_that_fill_the_output() -> None:
    machine = Machine(outputs=["1920x720@60"])
    scene = cast("workloads", machine)
    assert sorted(guest.name for guest, _ in scene) == sorted(WORKLOADS)
    places = {(place.x, place.y, place.width, place.height) for _, place in scene}
    assert places == {(x, y, 640, 360) for x in (0, 640, 1280) for y in (0, 360)}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_every_workload_is_a_scene_that_fills_the_output(workload: str) -> None:
    ((guest, place),) = cast(workload, Machine(outputs=["640x480@60"]))
    assert guest.name == workload
    assert (place.x, place.y, place.width, place.height) == (0, 0, None, None)


async def test_a_workload_is_scanned_out_without_a_copy() -> None:
    for workload in WORKLOADS:
        async with Machine(outputs=["160x120@60"]) as machine:
            for guest, place in cast(workload, machine):
                await machine.attach(guest, [place])
            await machine.run(frames=3)
            stats = machine.stats()
        assert stats["outputs"][0]["direct_scanout"] == 3
        assert sum(stats["guests"][0]["bytes"].values()) == 0


def test_an_unknown_scene_is_refused_with_those_that_exist() -> None:
    from compositor.commands.options import RunOptions  # noqa: PLC0415
    from compositor.commands.scenes import run_scene  # noqa: PLC0415

    with pytest.raises(BadInput, match="no scene 'pong'; there are: demo, workloads, gears"):
        run_scene("pong", RunOptions())
