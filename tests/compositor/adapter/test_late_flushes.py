"""Flushes that are out for longer than a guest waits, in whole runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from compositor import Machine
from compositor.adapter.late import LINUX_PATIENCE
from guest import SimulatedGuest
from guest.workloads.flat import Flat

MS = 1_000_000


async def late(hold_ms: int, patience_ms: int | None, mode: str = "64x48@60") -> tuple[int, list[str], str]:
    """How many flushes of ten were late, the lines about it, and the digest."""
    lines: list[str] = []
    patience_ns = None if patience_ms is None else patience_ms * MS
    async with Machine(outputs=[mode], report=lines.append) as machine:
        guest = SimulatedGuest(Flat(), name="flat", render_ns=1, patience_ns=patience_ns)
        attachment = await machine.attach(guest)
        attachment.display.hold_ns = hold_ms * MS
        await machine.run(frames=10)
        stats = machine.stats()
    return stats["guests"][0]["late_fences"], lines, stats["digest"]


@pytest.mark.parametrize("mode", ["64x48@60", "64x48@24"])
async def test_who_is_answered_in_time_hears_nothing(mode: str) -> None:
    assert (await late(0, 50, mode))[:2] == (0, [])


async def test_a_guest_that_is_less_patient_than_its_host_takes_is_told_of_once() -> None:
    count, lines, _ = await late(0, 30, "64x48@24")
    assert count > 1
    assert lines == [
        line for line in lines if "early reuse" in line or line.startswith("flat: its flush fence 1, held by")
    ]
    assert sum("its flush fence" in line for line in lines) == 1


async def test_watching_changes_no_frame() -> None:
    assert (await late(0, 1000))[2] == (await late(0, None))[2]


async def test_a_guest_that_waits_for_ever_is_never_late() -> None:
    assert (await late(200, None))[:2] == (0, [])


async def test_a_guest_that_a_vmm_brings_is_taken_for_linux(tmp_path: Path) -> None:
    async with Machine(clock="real") as machine:
        assert machine.serve(tmp_path / "gpu").display.late.patience == LINUX_PATIENCE
