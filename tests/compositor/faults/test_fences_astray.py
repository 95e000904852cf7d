"""Fences that signal late, never, or with an error: flushes' on the host, and in-fences of a guest's GPU."""

from __future__ import annotations

import errno
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from compositor.faults import DelayFences, FailFences, LoseFences, Reboot
from guest.driver.render import JOB_TIMEOUT_HANGS
from guest.gpu import CostModel, Gpu

Play = Callable[..., Any]


def latest(times: list[int]) -> float:
    """The longest time from one frame to the next, ms."""
    return max(after - before for before, after in pairwise(times)) / 1e6


async def test_a_late_fence_makes_the_guest_late(scene: Play) -> None:
    async with scene() as it:
        it.inject(DelayFences("gears", ms=40, at=0.5))
        await it.machine.run(seconds=1)
        assert latest(it.times["left"]) == pytest.approx(4 * 1000 / 60, abs=0.01)
        assert it.frames()["torn"] == it.frames()["early_reuse"] == 0


async def test_a_guest_that_waits_50_ms_draws_over_what_the_host_keeps_longer(scene: Play) -> None:
    """Linux's race: the watchdog on the host names the fence, and the reuse is found."""
    async with scene(render_ns=1_000_000, patience_ns=50_000_000) as it:
        it.inject(DelayFences("gears", ms=80, at=0.5))
        await it.machine.run(seconds=1)
        stats = it.machine.stats()["guests"][0]
        assert (stats["late_fences"], stats["frames"]["early_reuse"]) == (1, 1)
        assert "its flush fence" in it.lines[0]
        assert "the guest waits 50" in it.lines[0]
        assert "early reuse" in it.lines[1]


async def test_a_fence_that_never_signals_stops_a_guest_that_waits_for_ever(scene: Play) -> None:
    async with scene() as it:
        it.inject(LoseFences("gears", at=0.5), Reboot("gears", at=1.0))
        await it.machine.run(seconds=0.9)
        assert it.frames()["submitted"] == it.frames()["presented"] == 30
        assert it.gears.device is not None
        assert it.gears.device.parked == 1
        await it.machine.run(seconds=0.6)
        assert it.frames()["presented"] > 55, "a reset drops what is parked"
        assert it.gears.device.parked <= 1


async def test_a_fence_that_never_signals_is_reported_where_the_guest_has_a_watchdog(scene: Play) -> None:
    async with scene(render_ns=1_000_000, patience_ns=50_000_000) as it:
        it.inject(LoseFences("gears", at=0.5))
        await it.machine.run(seconds=1)
        assert it.machine.stats()["guests"][0]["late_fences"] >= 1
        assert "held by left, is out for" in it.lines[0]
        assert it.frames()["presented"] > 30, "it goes on without"


async def test_a_fence_that_fails_is_answered_all_the_same(scene: Play) -> None:
    """virtio-gpu has no word for it: the driver gets its answer, and counts no error."""
    async with scene() as it:
        it.inject(FailFences("gears", count=5, at=0.5))
        await it.machine.run(seconds=1)
        assert it.frames()["presented"] == 60
        assert it.machine.stats()["guests"][0]["errors"] == {}


async def test_under_out_fence_it_is_the_release_that_comes_late(scene: Play) -> None:
    async with scene(sync="out-fence") as it:
        it.inject(DelayFences("gears", ms=40, count=3, at=0.5))
        await it.machine.run(seconds=1)
        assert 55 <= it.frames()["presented"] < 60
        assert it.frames()["torn"] == it.frames()["early_reuse"] == 0


async def test_two_faults_of_one_fence_add_up(scene: Play) -> None:
    async with scene() as it:
        it.inject(DelayFences("gears", ms=30, at=0.5), DelayFences("gears", ms=40, at=0.5))
        await it.machine.run(seconds=1)
        assert latest(it.times["left"]) == pytest.approx(6 * 1000 / 60, abs=0.01)
        assert it.gears.display.keep is None, "nothing is left of them"


# In-fences: the guest's flips wait for its GPU.


def gpu(hang_ns: int = 50_000_000) -> Gpu:
    return Gpu("native", cost=CostModel(hang_ns=hang_ns))


async def test_a_late_in_fence_makes_a_late_flip(scene: Play) -> None:
    async with scene(gpu=gpu()) as it:
        it.inject(DelayFences("gears", source="gpu", ms=40, count=1, at=0.5))
        await it.machine.run(seconds=1)
        assert 30 < latest(it.times["left"]) < 70
        assert it.frames()["torn"] == 0


async def test_a_lost_in_fence_ends_with_the_drivers_timeout(scene: Play) -> None:
    """As drm_sched's: its timeout handler looks how far the GPU is, and finds that nothing hangs."""
    async with scene(gpu=gpu()) as it:
        it.inject(LoseFences("gears", source="gpu", at=0.5))
        await it.machine.run(seconds=1)
        assert latest(it.times["left"]) == pytest.approx(JOB_TIMEOUT_HANGS * 50, abs=2 * 1000 / 60)
        assert it.frames()["presented"] == it.frames()["submitted"] == 54, "no flip is left over"
        assert it.frames()["torn"] == 0


async def test_a_failed_in_fence_does_not_stop_its_flip(scene: Play) -> None:
    """`drm_atomic_helper_wait_for_fences` does not look at errors: the frame is shown as it is."""
    async with scene(gpu=gpu()) as it:
        it.inject(FailFences("gears", source="gpu", at=0.5))
        await it.machine.run(seconds=1)
        failed = it.gears.guest.flips._chain._crtc.failed_fences
        assert sum(failed.values()) >= 1
        assert set(failed) <= {errno.errorcode[errno.ETIME], errno.errorcode[errno.ECANCELED]}
        assert it.gears.guest.renderer.driver.function._engine.resets == 1
        assert it.frames()["presented"] > 55


async def test_a_guest_without_a_gpu_has_no_fences_of_one(scene: Play) -> None:
    async with scene() as it:
        injection = it.inject(DelayFences("gears", source="gpu"))
        assert injection.happened == []
        assert injection.skipped[0][1] == "gears: it has no GPU, and so no fences of one"
        assert it.lines[0].startswith("DelayFences(guest='gears', source='gpu'): it could not happen: ")
