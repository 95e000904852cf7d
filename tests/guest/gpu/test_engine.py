"""The engine on a calendar: what runs when, for how long, and what becomes of those that do not end."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import numpy as np

from guest.gpu import CostModel
from guest.gpu.commands import Area, Dispatch, Fill, Jump, Store, Wait
from guest.gpu.cost import Work
from guest.gpu.faults import GpuFault, Hang

if TYPE_CHECKING:
    from guest.driver.render import RenderDriver
    from tests.guest.gpu.conftest import Bench

MS = 1_000_000
# Round figures: a fill of 1000 pixels takes 1 ms, and everything else nothing.
PLAIN = CostModel(
    clock_hz=1_000_000,
    lanes=1,
    command_ns=0,
    doorbell_ns=0,
    switch_ns=0,
    reset_ns=2 * MS,
    hang_ns=100 * MS,
    vram_bytes_per_s=10**18,
    bus_bytes_per_s=10**18,
)


def work(driver: RenderDriver, ms: int) -> Dispatch:
    """A command that takes so many milliseconds."""
    if not driver.programs:
        driver.programs.append(lambda argument, pixels, rect, surface: pixels.fill(argument))
    buffer = driver.allocate(4096)
    return Dispatch(buffer.surface(10, 10), Area(0, 0, 10, 10), 0, 1, 10 * ms)


def test_a_job_takes_the_time_that_the_model_says(bench: Bench) -> None:
    bench.share("native", PLAIN)
    driver = bench.driver()
    latencies: list[int] = []
    driver.on_job = latencies.append
    fence = driver.submit([work(driver, 3), work(driver, 4)])
    assert bench.finish() == 7 * MS
    assert latencies == [7 * MS]
    assert fence.timestamp_ns == 7 * MS
    assert driver.function.client.busy_ns == bench.gpu.engine.busy_ns == 7 * MS


def test_the_pixels_are_there_when_the_time_is_over_and_not_before(bench: Bench) -> None:
    bench.share("native", PLAIN)
    driver = bench.driver()
    buffer = driver.allocate(4096)
    pixels = buffer.memory.map_scattered(buffer.runs).data[:400].view(np.uint32)
    driver.submit([Fill(buffer.surface(10, 10), Area(0, 0, 10, 10), 7)])
    bench.run_to(99_999)
    assert not pixels.any()
    bench.run_to(100_000)
    assert (pixels == 7).all()


def test_the_slowest_of_shader_vram_and_bus_counts() -> None:
    cost = CostModel(clock_hz=10, lanes=1, vram_bytes_per_s=100, bus_bytes_per_s=50, command_ns=5)
    assert cost.duration_ns(Work(cycles=10, vram_bytes=100, bus_bytes=50)) == 10**9 + 5
    assert cost.duration_ns(Work(cycles=10, vram_bytes=100, bus_bytes=100)) == 2 * 10**9 + 5
    assert cost.duration_ns(Work(extra_ns=7)) == 12


def test_jobs_of_one_context_run_in_order_and_the_ring_holds_only_so_many(bench: Bench) -> None:
    bench.share("native", CostModel(queue_depth=2, doorbell_ns=0))
    driver = bench.driver()
    fences = [driver.submit([work(driver, 1)]) for _ in range(7)]
    bench.run_to(0)
    assert driver.function.client.busy_ns == 0
    bench.finish()
    times = [fence.timestamp_ns for fence in fences]
    assert None not in times
    assert times == sorted(times, key=lambda ns: ns or 0)
    assert driver.jobs == 7


def test_one_guest_waits_for_a_semaphore_while_another_works(bench: Bench) -> None:
    bench.share("remoting", PLAIN)
    left, right = bench.driver("left"), bench.driver("right")
    semaphore = left.allocate(4096)
    waiting = left.submit([Store(semaphore.address, 0), Wait(semaphore.address, 3), work(left, 1)])
    other = right.submit([work(right, 5)])
    bench.run_to(50 * MS)
    assert other.signaled
    assert not waiting.signaled
    semaphore.memory.store(semaphore.runs[0][0], 4, 3)
    left.function.poke()
    bench.run_to(60 * MS)
    assert waiting.signaled
    assert waiting.error is None


def test_a_semaphore_is_looked_at_again_with_every_command(bench: Bench) -> None:
    bench.share("remoting", PLAIN)
    left, right = bench.driver("left"), bench.driver("right")
    shared = left.allocate(4096)
    shared.memory.store(shared.runs[0][0], 4, 0)
    waiting = left.submit([Wait(shared.address, 1)])
    right.submit([Store(right.allocate(4096).address, 1)])  # memory of its own
    bench.run_to(10 * MS)
    assert not waiting.signaled
    shared.memory.store(shared.runs[0][0], 4, 1)
    right.submit([work(right, 1)])
    bench.run_to(20 * MS)
    assert waiting.signaled


def test_a_batch_that_does_not_end_is_reset_and_no_other_guest_loses_work(bench: Bench) -> None:
    bench.share("remoting", PLAIN)
    bad, good = bench.driver("bad"), bench.driver("good")
    faults: list[GpuFault] = []
    bad.on_fault = faults.append
    endless = bad.submit([Jump(bad.next_batch)])
    behind = bad.submit([work(bad, 1)])
    innocent = good.submit([work(good, 1)])
    bench.run_to(200 * MS)
    assert endless.error == -errno.ETIME
    assert behind.error == -errno.ECANCELED
    assert innocent.signaled
    assert innocent.error is None
    assert bench.gpu.engine.resets == 1
    assert [type(fault) for fault in faults] == [Hang]
    assert str(faults[0]) == "bad: its batch does not end; reset after 100 ms"


def test_after_a_reset_the_driver_goes_on_with_another_context(bench: Bench) -> None:
    bench.share("native", PLAIN)
    driver = bench.driver()
    driver.submit([Jump(driver.next_batch)])
    bench.run_to(150 * MS)
    fence = driver.submit([work(driver, 1)])
    bench.run_to(160 * MS)
    assert fence.signaled
    assert fence.error is None


def test_a_long_batch_that_shares_the_engine_is_not_taken_for_hung(bench: Bench) -> None:
    bench.share("sriov", PLAIN)
    left, right = bench.driver("left"), bench.driver("right")
    long = left.submit([work(left, 1) for _ in range(90)])  # 90 ms of the engine, 180 ms by the clock
    right.submit([work(right, 1) for _ in range(90)])
    bench.run_to(250 * MS)
    assert long.signaled
    assert long.error is None
    assert (long.timestamp_ns or 0) > 100 * MS
    assert bench.gpu.engine.resets == 0


def test_fences_of_a_guest_that_goes_away_end_with_an_error(bench: Bench) -> None:
    driver = bench.driver()
    fence = driver.submit([work(driver, 1)])
    driver.close()
    assert fence.error == -errno.ECANCELED
    bench.finish()
