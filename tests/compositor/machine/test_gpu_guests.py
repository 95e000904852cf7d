"""Guests with a GPU on a machine: two share one, monitors are chosen freely, and faults are named."""

from __future__ import annotations

import pytest

from compositor.adapter.placement import Placement
from compositor.machine import Machine
from guest.gpu import FramebufferMemory, Gpu
from guest.gpu.commands import Jump
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat

OUTPUT = "160x120@60"
SLOW = 4_000  # cycles a pixel: 3.2 ms a frame


@pytest.mark.parametrize("mode", ["remoting", "mediated", "sriov"])
@pytest.mark.parametrize("monitors", [(0, 1), (1, 0)])
async def test_two_guests_on_one_gpu_each_on_a_monitor_of_its_own(
    mode: str, monitors: tuple[int, int]
) -> None:
    gpu = Gpu(mode)
    async with Machine(outputs=[OUTPUT] * 2) as machine:
        for name, monitor in zip(("left", "right"), monitors, strict=True):
            memory = FramebufferMemory.PEER if name == "left" else FramebufferMemory.SYSTEM
            slot = gpu.slot(cycles=SLOW, placement=memory)
            await machine.attach(SimulatedGuest(Flat(), name=name, gpu=slot), [Placement(output=monitor)])
        await machine.run(seconds=0.5)
        stats = machine.stats()
    for guest in stats["guests"]:
        assert guest["frames"]["torn"] == guest["frames"]["early_reuse"] == 0
        assert guest["frames"]["presented"] >= 28
        assert sum(guest["bytes"].values()) == 0
        assert guest["gpu"]["sharing"] == mode
        assert guest["gpu"]["job_ms"]["p50"] >= 3.2


async def test_the_digest_does_not_depend_on_anything_but_the_run() -> None:
    digests = set()
    for _ in range(2):
        gpu = Gpu("mediated")
        async with Machine(outputs=[OUTPUT] * 2, seed=3) as machine:
            await machine.attach(SimulatedGuest("gears", gpu=gpu.slot(cycles=SLOW)))
            await machine.attach(SimulatedGuest("plasma", gpu=gpu.slot(cycles=SLOW)), [Placement(output=1)])
            await machine.run(seconds=0.2)
            digests.add(machine.stats()["digest"])
    assert len(digests) == 1


async def test_migrated_frames_are_counted_as_copied() -> None:
    async with Machine(outputs=[OUTPUT]) as machine:
        await machine.attach(SimulatedGuest(Flat(), gpu=Gpu().slot(placement=FramebufferMemory.MIGRATED)))
        await machine.run(frames=10)
        (guest,) = machine.stats()["guests"]
    assert guest["bytes"]["migrate"] == guest["frames"]["submitted"] * 160 * 120 * 4


async def test_flushing_before_the_gpu_is_done_is_found_as_torn_frames_or_early_reuse() -> None:
    reports: list[str] = []
    async with Machine(outputs=[OUTPUT] * 2, report=reports.append) as machine:
        gpu = Gpu("sriov")
        hasty = SimulatedGuest(Flat(), name="hasty", gpu=gpu.slot(cycles=12_000), flush_early=True)
        await machine.attach(hasty)
        await machine.attach(
            SimulatedGuest(Flat(), name="other", gpu=gpu.slot(cycles=SLOW)), [Placement(output=1)]
        )
        await machine.run(seconds=1.0)
        guests = {guest["name"]: guest["frames"] for guest in machine.stats()["guests"]}
    assert guests["hasty"]["torn"] + guests["hasty"]["early_reuse"] > 0
    assert guests["other"]["torn"] == guests["other"]["early_reuse"] == 0
    assert reports
    assert all(line.startswith("hasty: ") for line in reports)


async def test_a_hang_is_reported_and_the_other_guest_does_not_notice() -> None:
    reports: list[str] = []
    gpu = Gpu("sriov")
    async with Machine(outputs=[OUTPUT] * 2, report=reports.append) as machine:
        culprit = SimulatedGuest(Flat(), name="culprit", gpu=gpu)
        await machine.attach(culprit)
        await machine.attach(SimulatedGuest(Flat(), name="other", gpu=gpu), [Placement(output=1)])
        await machine.run(seconds=0.1)
        driver = culprit.renderer.driver
        driver.submit([Jump(driver.next_batch)])
        await machine.run(seconds=1.5)
        guests = {guest["name"]: guest for guest in machine.stats()["guests"]}
    assert reports == ["culprit: gpu-hang: culprit: its batch does not end; reset after 500 ms"]
    assert guests["culprit"]["gpu"]["faults"] == {"gpu-hang": 1}
    assert guests["other"]["gpu"]["faults"] == {}
    assert guests["other"]["frames"]["presented"] >= 95
