"""Several flushes of one buffer within one refresh, each with a damage of its own: all of it is shown."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine, Output
from compositor.adapter.sync_policy import SyncPolicy
from compositor.output.frame import Frame
from compositor.record.recording import Recording
from guest.commanded import CommandedGuest
from virtio.gpu.wire import Rect

WIDTH, HEIGHT = 160, 120


async def burst(machine: Machine, sync: SyncPolicy, count: int) -> None:
    """Bars are painted and flushed, all in one refresh; then the guest rests."""
    guest = CommandedGuest(sync=sync)
    await machine.attach(guest)
    await machine.run(seconds=0)
    pixels = guest.picture(1, WIDTH, HEIGHT)
    guest.scan_out(1, WIDTH, HEIGHT)
    guest.flush(1, Rect(0, 0, WIDTH, HEIGHT), fence=True)
    await machine.run(seconds=0.1)
    for number in range(count):
        pixels[20 * number : 20 * number + 10, 10:30] = 100 + number
        guest.flush(1, Rect(10, 20 * number, 20, 10), fence=True)
        await machine.run(seconds=0.0001)
    await machine.run(seconds=0.2)


def missing(picture: NDArray[np.uint8], count: int) -> list[int]:
    return [n for n in range(count) if not (picture[20 * n : 20 * n + 10, 10:30, :3] == 100 + n).all()]


@pytest.mark.parametrize("sync", list(SyncPolicy))
@pytest.mark.parametrize("count", [2, 3, 6])
async def test_the_damage_of_a_superseded_flush_is_shown_by_the_next(sync: SyncPolicy, count: int) -> None:
    async with Machine(outputs=[Output(f"{WIDTH}x{HEIGHT}@60", direct_scanout=False)]) as machine:
        await burst(machine, sync, count)
        assert missing(machine.screenshot(), count) == []


@pytest.mark.parametrize("sync", list(SyncPolicy))
async def test_a_reader_that_follows_the_damage_of_frames_has_it_all(sync: SyncPolicy) -> None:
    followed = np.zeros((HEIGHT, WIDTH, 4), np.uint8)

    def follow(frame: Frame) -> None:
        picture = frame.snapshot()
        for rect in frame.damage:
            rows, columns = slice(rect.y, rect.bottom), slice(rect.x, rect.right)
            followed[rows, columns] = picture[rows, columns]

    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"]) as machine:
        machine.listen(0, follow)
        await burst(machine, sync, 5)
    assert missing(followed, 5) == []


async def test_a_recording_of_superseded_flushes_replays(tmp_path: Path) -> None:
    path, outputs = tmp_path / "burst.rec", [Output(f"{WIDTH}x{HEIGHT}@60", direct_scanout=False)]
    async with Machine(outputs=outputs, record=path) as machine:
        await burst(machine, SyncPolicy.QUEUE, 6)
        digest = machine.stats()["digest"]
    with Recording(path) as recording:
        async with Machine(outputs=recording.outputs, repaint="recorded") as machine:
            player = machine.replay(recording)
            await machine.run()
            assert player.differences == []
            assert machine.stats()["digest"] == digest
