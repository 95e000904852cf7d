"""Kicks and interrupts that are lost, late or out of order: what driver and device make of it."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from compositor.faults import (
    DelayInterrupts,
    DelayKicks,
    Hotplug,
    LoseInterrupts,
    LoseKicks,
    Reboot,
    ReorderInterrupts,
    ReorderKicks,
)
from compositor.faults.hook import Hook
from virtio.features import RingFeature

Play = Callable[..., Any]
PERIOD = 1 / 60


def gaps(times: list[int]) -> list[int]:
    """From frame to frame, in refreshes."""
    return [round((after - before) / 1e9 / PERIOD) for before, after in pairwise(times)]


def spy(heard: list[Any], owner: object, name: str, what: Callable[..., object]) -> None:
    """Note the calls of a method."""

    def noted(call: Callable[..., object], *arguments: object) -> object:
        heard.append(what(*arguments))
        return call(*arguments)

    Hook(owner, name, noted)


async def test_with_event_idx_a_lost_kick_is_the_last_one(scene: Play) -> None:
    """The device has asked for a kick at this index, and the driver has kicked (virtio 1.3, 2.7.10)."""
    async with scene() as it:
        it.inject(LoseKicks("gears", at=0.5), Reboot("gears", at=0.8))
        await it.machine.run(seconds=0.79)
        assert len(it.times["left"]) == 30
        assert it.gears.guest.driver.commands["RESOURCE_FLUSH"] == 31
        assert it.machine.stats()["guests"][0]["commands"]["RESOURCE_FLUSH"] == 30
        await it.machine.run(seconds=0.5)
        assert len(it.times["left"]) > 55, "the reboot brought it back"


async def test_without_event_idx_the_flush_comes_with_the_next_kick(scene: Play) -> None:
    async with scene(render_ns=1_000_000, patience_ns=50_000_000) as it:
        it.gears.guest.transport.device_features &= ~RingFeature.EVENT_IDX
        it.gears.guest.start()
        await it.machine.run(frames=10)
        it.inject(LoseKicks("gears"))
        before = it.gears.guest.frames_submitted
        await it.machine.run(seconds=0.5)
        assert max(gaps(it.times["left"])) == 4, (
            "the driver gave up after 50 ms, and kicked with another frame"
        )
        assert it.gears.guest.frames_submitted > before + 20
        assert it.frames()["submitted"] == it.gears.guest.frames_submitted, "the device got all flushes"


async def test_a_late_kick_makes_a_late_frame(scene: Play) -> None:
    async with scene() as it:
        it.inject(DelayKicks("gears", ms=20, at=0.5))
        await it.machine.run(seconds=1)
        assert sorted(gaps(it.times["left"]))[-2:] == [1, 2]
        assert it.frames()["discarded"] == 0


async def test_kicks_that_are_late_by_less_than_a_refresh_cost_nothing(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(DelayKicks("gears", ms=10, count=20, at=0.5))
        await it.machine.run(seconds=1)
        assert set(gaps(it.times["left"])) == {1}
        assert it.machine.stats()["guests"][0]["latency_ms"]["p50"] < 17
        assert len(injection.happened) == 1


async def test_kicks_of_both_queues_come_in_the_other_order(scene: Play) -> None:
    async with scene() as it:
        heard: list[int] = []
        transport = it.gears.guest.transport
        spy(heard, transport, "_serve", lambda index: index)
        await it.machine.run(frames=3)
        heard.clear()
        it.inject(ReorderKicks("gears", ms=50))
        driver = it.gears.guest.driver
        driver.set_scanout(5, 0, (0, 0, 0, 0))  # refused, and answered: no such scanout
        driver.update_cursor(0, 0, (0, 0))
        driver.notify()
        await it.machine.run(seconds=0)
        assert heard[:2] == [1, 0]
        assert driver.errors == {"ERR_INVALID_SCANOUT_ID": 1}


async def test_a_kick_that_no_other_follows_comes_after_its_time(scene: Play) -> None:
    async with scene() as it:
        it.inject(ReorderKicks("gears", ms=20, at=0.5))
        await it.machine.run(seconds=1)
        assert sorted(gaps(it.times["left"]))[-2:] == [1, 2]


async def test_a_lost_interrupt_stops_a_guest_that_waits_for_ever(scene: Play) -> None:
    """The flush is answered in the used ring; the driver does not look, and is not told again."""
    async with scene() as it:
        it.inject(LoseInterrupts("gears", frame=30))
        await it.machine.run(seconds=1)
        assert len(it.times["left"]) == 30
        assert it.frames()["presented"] == it.frames()["submitted"] == 30
        assert it.machine.stats()["guests"][0]["late_fences"] == 0, "the host has not been late"
        it.gears.guest.driver._interrupted(0)  # a driver that polls finds it
        await it.machine.run(seconds=0.5)
        assert len(it.times["left"]) > 58


async def test_a_guest_with_a_watchdog_goes_on_without_its_interrupts(scene: Play) -> None:
    async with scene(render_ns=1_000_000, patience_ns=50_000_000) as it:
        await it.machine.run(frames=30)
        it.inject(LoseInterrupts("gears"))
        await it.machine.run(seconds=0.5)
        later = gaps(it.times["left"][30:])
        assert set(later) == {3}, "a frame whenever it has waited 50 ms in vain"


async def test_a_late_interrupt_costs_the_frames_of_its_time(scene: Play) -> None:
    async with scene() as it:
        it.inject(DelayInterrupts("gears", ms=40, frame=30))
        await it.machine.run(seconds=1)
        assert sorted(gaps(it.times["left"]))[-2:] == [1, 4]


async def test_a_lost_change_of_the_config_space_is_made_good_by_the_next(scene: Play) -> None:
    """The monitor comes back with another mode; the guest has slept through its going away."""
    async with scene() as it:
        it.inject(
            LoseInterrupts("gears", queue="config", at=0.3), Hotplug("left", ms=100, mode="80x60@60", at=0.3)
        )
        await it.machine.run(seconds=0.35)
        assert it.gears.guest.size == (64, 48), "it does not know"
        await it.machine.run(seconds=0.5)
        assert it.gears.guest.size == (80, 60)
        assert it.machine.screenshot(0).shape == (60, 80, 4)


async def test_an_interrupt_comes_behind_a_change_of_the_config_space(scene: Play) -> None:
    async with scene() as it:
        heard: list[str] = []
        transport = it.gears.guest.transport
        spy(heard, transport, "on_interrupt", lambda _index: "queue")
        spy(heard, transport, "on_config_change", lambda: "config")
        await it.machine.run(seconds=0.09)
        heard.clear()
        it.inject(ReorderInterrupts("gears", ms=100))
        await it.machine.run(seconds=0.015)
        assert heard == []
        it.machine.set_mode("left", "80x60@60")
        await it.machine.run(seconds=0)
        assert heard[:2] == ["config", "queue"]


@pytest.mark.parametrize("queue", ["control", "cursor"])
async def test_faults_are_for_one_queue(scene: Play, queue: Any) -> None:
    async with scene() as it:
        it.inject(LoseKicks("gears", queue=queue, at=0.5))
        await it.machine.run(seconds=1)
        assert len(it.times["left"]) == (30 if queue == "control" else 60)
