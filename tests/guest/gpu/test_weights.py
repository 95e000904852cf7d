"""GVT-g's scheduler against its rules: shares by weight, carry-over, a forgotten past, and its old fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from guest.gpu import CostModel
from guest.gpu.commands import Area, Dispatch
from guest.gpu.weights import PERIOD_NS, TICK_NS, WeightedSlices
from guest.memory import GuestRam

if TYPE_CHECKING:
    from guest.driver.render import RenderDriver
    from tests.guest.gpu.conftest import Bench

MS = 1_000_000
PLAIN = CostModel(
    clock_hz=1_000_000, lanes=1, command_ns=0, doorbell_ns=0, switch_ns=0,
    vram_bytes_per_s=10**18, bus_bytes_per_s=10**18,
)  # fmt: skip


class Busy:
    """Submits jobs of 1 ms for ever, two at a time; remembers how long each took."""

    def __init__(self, driver: RenderDriver) -> None:
        self.latencies: list[int] = []
        self.driver = driver
        driver.programs.append(lambda argument, pixels, rect, surface: None)
        self._surface = driver.allocate(4096).surface(10, 10)
        driver.on_job = self._done
        for _ in range(2):
            self._submit()

    def _submit(self) -> None:
        self.driver.submit([Dispatch(self._surface, Area(0, 0, 10, 10), 0, 0, 10)])

    def _done(self, latency_ns: int) -> None:
        self.latencies.append(latency_ns)
        self._submit()

    @property
    def busy_ms(self) -> float:
        return self.driver.function.client.busy_ns / MS


def started(bench: Bench, weights: Sequence[int], mode: str = "mediated") -> list[Busy]:
    bench.share(mode, PLAIN)
    return [Busy(bench.driver(f"weight-{weight}", weight=weight)) for weight in weights]


@pytest.mark.parametrize("weights", [(1, 1), (1, 2, 4), (16, 2), (8, 4, 2, 2)])
def test_within_a_second_time_is_shared_by_weight(bench: Bench, weights: tuple[int, ...]) -> None:
    guests = started(bench, weights)
    bench.run_to(1000 * MS)
    for guest, weight in zip(guests, weights, strict=True):
        assert guest.busy_ms == pytest.approx(1000 * weight / sum(weights), rel=0.05)


def test_a_share_is_a_cap_when_others_are_idle(bench: Bench) -> None:
    bench.share("mediated", PLAIN)
    bench.driver("idle", weight=3)
    busy = Busy(bench.driver("busy", weight=1))
    bench.run_to(1000 * MS)
    assert busy.busy_ms == pytest.approx(250, rel=0.05)


def test_the_first_job_waits_for_a_tick(bench: Bench) -> None:
    (guest,) = started(bench, [1])
    bench.run_to(3 * MS + 100_000)
    assert guest.latencies[0] >= TICK_NS
    assert guest.latencies[0] < TICK_NS + 2 * MS


def test_one_that_was_busy_alone_is_not_punished_for_it(bench: Bench) -> None:
    (busy,) = started(bench, [1])
    bench.run_to(1050 * MS)
    Busy(bench.driver("newcomer"))
    bench.run_to(2500 * MS)
    assert max(busy.latencies) < 20 * MS


def test_with_accounting_at_switches_only_it_stands_still_for_hundreds_of_milliseconds(bench: Bench) -> None:
    (busy,) = started(bench, [1], "mediated-original")
    bench.run_to(1050 * MS)
    Busy(bench.driver("newcomer"))
    bench.run_to(2500 * MS)
    assert max(busy.latencies) > 500 * MS


def test_debt_and_credit_are_forgotten_every_tenth_period(bench: Bench) -> None:
    (busy,) = started(bench, [1], "mediated-original")
    scheduler = bench.gpu._arbiter
    assert isinstance(scheduler, WeightedSlices)
    bench.run_to(9 * PERIOD_NS + TICK_NS)
    client = busy.driver.function.client
    assert scheduler.left_ns(client) == 10 * PERIOD_NS
    bench.run_to(10 * PERIOD_NS + TICK_NS)
    assert scheduler.left_ns(client) == PERIOD_NS


def test_a_guest_that_leaves_gives_its_share_back_when_the_past_is_forgotten(bench: Bench) -> None:
    bench.share("mediated", PLAIN)
    busy = Busy(bench.driver("busy"))
    with GuestRam(1 << 20) as ram:
        other = bench.gpu.attach("other", ram.memory, bench.calendar)
        bench.run_to(950 * MS)
        assert busy.busy_ms < 600
        bench.gpu.detach(other)
    before = busy.busy_ms
    bench.run_to(1950 * MS)
    assert busy.busy_ms - before == pytest.approx(975, rel=0.05)
