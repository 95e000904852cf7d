from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guest.gpu.slices import SLICE_NS
from tests.guest.gpu.test_weights import PLAIN, Busy

if TYPE_CHECKING:
    from tests.guest.gpu.conftest import Bench

MS = 1_000_000


def test_every_function_has_its_slots_and_no_more(bench: Bench) -> None:
    bench.share("sriov", PLAIN)
    busy = Busy(bench.driver("busy"))
    bench.driver("idle")
    bench.driver("idle too")
    bench.run_to(900 * MS)
    assert busy.busy_ms == pytest.approx(300, rel=0.02)


def test_slots_come_in_turn(bench: Bench) -> None:
    bench.share("sriov", PLAIN)
    first, second = Busy(bench.driver("first")), Busy(bench.driver("second"))
    bench.run_to(SLICE_NS)
    assert (first.busy_ms, second.busy_ms) == (2, 0)
    bench.run_to(2 * SLICE_NS)
    assert (first.busy_ms, second.busy_ms) == (2, 2)


def test_weights_are_not_heeded(bench: Bench) -> None:
    bench.share("sriov", PLAIN)
    light, heavy = Busy(bench.driver("light", weight=1)), Busy(bench.driver("heavy", weight=9))
    bench.run_to(400 * MS)
    assert light.busy_ms == heavy.busy_ms == 200
