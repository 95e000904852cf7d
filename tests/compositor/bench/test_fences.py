"""The fences' benchmark measures what it says, on few fences."""

from __future__ import annotations

import pytest

from compositor.bench import BENCHMARKS, fences, load


def test_it_measures_every_step_of_a_fences_life(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, few in {"_COUNT": 200, "_RUNS": 1, "_MEASURED": 40, "_AWAITED": 20, "_BATCH": 10}.items():
        monkeypatch.setattr(fences, name, few)
    assert "fences" in BENCHMARKS
    rows = {row.case: row for row in load("fences")().rows}
    assert list(rows) == [
        "create", "signal", "wait-callback", "wait-coroutine", "timeline", "timeline-batch", "memory-alive",
        "memory-after-1M",
    ]  # fmt: skip
    assert all(row.ours > 0 for row in rows.values() if row.unit in ("ns", "B"))
    assert {"asyncio.Event", "asyncio.Future", "concurrent.futures.Future"} == rows["create"].peers.keys()


def test_the_life_of_a_fence_leaves_nothing_allocated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fences, "_COUNT", 5_000)
    assert fences._left().ours < 50
