"""A suite such as an author writes on the plugin finds each mistake that is planted here."""

from collections.abc import Sequence
from typing import Any

import pytest

from compositor.adapter.flip_queue import FlipQueue
from compositor.output.panel import VblankGrid
from compositor.pixels.geometry import Rect
from compositor.render import cpu
from tests.compositor.testing.conftest import Run
from virtio.gpu.commands import resources

pytest_plugins = ["pytester"]

SUITE = """
import numpy as np
from compositor import Placement
from guest import Picture, SimulatedGuest


async def test_a_translucent_window(machine, guest, screenshot):
    m = await machine(outputs=["160x120@60"])
    await m.attach(guest("plasma"))
    await m.attach(guest("gears", size=(80, 60)), [Placement(x=40, y=30, z=1, opacity=0.5)])
    await screenshot.check_at(m, frame=4)


async def test_vblanks(machine, guest):
    m = await machine(outputs=["160x120@50"])
    await m.attach(guest("plasma"))
    frames = await m.frames(5)
    assert [frame.present_time_ns // 20_000_000 for frame in frames] == [1, 2, 3, 4, 5]


async def test_buffers_are_free_when_they_come_back(machine, guest):
    m = await machine(outputs=["160x120@60"])
    await m.attach(guest("plasma", render_ns=9_000_000))
    await m.run(seconds=0.5)
    frames = m.stats()["guests"][0]["frames"]
    assert (frames["torn"], frames["discarded"]) == (0, 0)


async def test_a_copied_picture(machine, screenshot):
    m = await machine(outputs=["64x48@60"])
    ramp = np.arange(64 * 48 * 3, dtype=np.uint8).reshape(48, 64, 3)
    await m.attach(SimulatedGuest(Picture(ramp, resource="2d")))
    await screenshot.check_at(m, frame=1)
"""


def in_the_renderer(patch: pytest.MonkeyPatch) -> None:
    """One channel of one pixel is off by one."""
    right = cpu.compose

    def wrong(target: Any, layers: Any, damage: Sequence[Rect], *rest: Any) -> Any:
        written = right(target, layers, damage, *rest)
        target[60, 80, 1] ^= 1
        return written

    patch.setattr(cpu, "compose", wrong)


def in_a_fence(patch: pytest.MonkeyPatch) -> None:
    """A flush is answered before its buffer is shown."""
    patch.setattr(FlipQueue, "_awaited", lambda _queue, _flip: None)


def in_the_device(patch: pytest.MonkeyPatch) -> None:
    """A transfer begins a pixel late."""
    right = resources._copy

    def wrong(session: Any, resource: Any, command: Any) -> Any:
        rect = command.rect._replace(height=command.rect.height - 1)
        return right(session, resource, command._replace(rect=rect, offset=command.offset + 4))

    patch.setattr(resources, "_copy", wrong)


def in_the_frame_clock(patch: pytest.MonkeyPatch) -> None:
    """Every third vblank is not seen."""

    def after(grid: VblankGrid, time_ns: int) -> int:
        index = grid.index_at(time_ns) + 1
        return grid.vblank_ns(index + (index % 3 == 0))

    patch.setattr(VblankGrid, "after", after)


MISTAKES = {
    in_the_renderer: "test_a_translucent_window",
    in_a_fence: "test_buffers_are_free_when_they_come_back",
    in_the_device: "test_a_copied_picture",
    in_the_frame_clock: "test_vblanks",
}


@pytest.mark.parametrize("plant", MISTAKES, ids=lambda plant: plant.__name__)
def test_a_mistake_is_found(plant: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    run(SUITE, "--update-screenshots").assert_outcomes(passed=4)
    run(None).assert_outcomes(passed=4)
    plant(monkeypatch)
    result = run(None)
    result.stdout.fnmatch_lines([f"FAILED test_it.py::{MISTAKES[plant]} - *"])
