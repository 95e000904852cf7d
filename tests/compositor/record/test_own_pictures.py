"""Recordings of guests that say what they changed: a replay believes them as the run did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor import Machine, Output
from compositor.output.frame import Frame
from compositor.record.recording import Recording
from guest import CommandedGuest, Picture, SimulatedGuest
from virtio.gpu.wire import Rect

MODE = "96x64@60"
Damages = list[list[tuple[int, ...]]]


def follow(machine: Machine) -> Damages:
    found: Damages = []

    def hear(frame: Frame) -> None:
        found.append([tuple(rect) for rect in frame.damage])

    machine.listen(0, hear)
    return found


async def replayed(path: Path) -> tuple[str, Damages]:
    with Recording(path) as recording:
        async with Machine(outputs=recording.outputs, repaint="recorded") as machine:
            damages = follow(machine)
            player = machine.replay(recording)
            await machine.run()
            assert player.differences == []
            return machine.stats()["digest"], damages


@pytest.mark.parametrize("resource", ["blob", "2d"])
@pytest.mark.parametrize("direct", [True, False])
@pytest.mark.parametrize("truthful", [True, False])
async def test_a_picture_that_changes_replays_with_its_damage(
    tmp_path: Path, resource: Any, direct: bool, truthful: bool
) -> None:
    content = np.random.default_rng(1).integers(0, 256, (64, 96, 4), np.uint8)
    picture = Picture(content, resource=resource)
    outputs = [Output(MODE, direct_scanout=direct)]
    async with Machine(outputs=outputs, record=tmp_path / "a.rec") as machine:
        damages = follow(machine)
        await machine.attach(SimulatedGuest(picture))
        for step in range(5):
            await machine.run(seconds=0.05)
            content[step : step + 8, 10:30] += 9
            damage = [(10, step, 20, 8)] if truthful else [(0, 0, 3, 3)]
            picture.show(content, damage=damage)
        await machine.run(seconds=0.05)
        digest = machine.stats()["digest"]
    assert len(damages) == 6
    assert await replayed(tmp_path / "a.rec") == (digest, damages)


async def test_a_driver_without_care_is_believed_no_more_than_before(tmp_path: Path) -> None:
    async with Machine(outputs=[MODE], record=tmp_path / "a.rec") as machine:
        damages = follow(machine)
        guest = CommandedGuest()
        await machine.attach(guest)
        await machine.run(seconds=0)
        for resource in (1, 2):
            guest.picture(resource, 96, 64)[...] = 50 * resource
            guest.scan_out(resource, 96, 64)
            guest.flush(resource, Rect(0, 0, 96, 64) if resource == 1 else Rect(0, 0, 1, 1))
            await machine.run(seconds=0.05)
        assert (machine.screenshot()[..., :3] == 100).all()
        digest = machine.stats()["digest"]
    assert damages == [[(0, 0, 96, 64)]] * 2
    assert await replayed(tmp_path / "a.rec") == (digest, damages)
