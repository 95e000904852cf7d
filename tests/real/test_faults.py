"""What Linux's own driver makes of signals and fences that go astray; the numbers are the kernel's."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from compositor import Machine, Output, Placement
from compositor.faults import (
    AnyFault,
    DelayFences,
    DelayInterrupts,
    Hotplug,
    Kill,
    LoseFences,
    LoseInterrupts,
    Stall,
    inject,
)
from guest import SimulatedGuest, UmlGuest

pytestmark = pytest.mark.real
GIVES_UP_MS = 66.67  # after 50 ms (virtgpu_plane.c), so that the frame comes with the fourth vblank


async def play(*faults: AnyFault) -> tuple[dict[str, Any], list[float], list[str]]:
    """The kernel's statistics, the times between its frames in ms, and what was reported.

    A simulated guest on another output notices nothing.
    """
    lines: list[str] = []
    times: dict[str, list[int]] = {"left": [], "right": []}
    outputs = [Output("320x240@60", name="left"), Output("64x48@60", name="right")]
    async with Machine(outputs=outputs, report=lines.append) as machine:
        await machine.attach(UmlGuest("pageflip"), [Placement(output=0)])
        await machine.attach(SimulatedGuest("plasma"), [Placement(output=1)])
        for output in machine.outputs:
            machine.listen(output, lambda frame: times[frame.output].append(frame.present_time_ns))
        inject(machine, *faults)
        await machine.run(seconds=1.5)
        stats: dict[str, Any] = machine.stats()["guests"][0]
    assert len(times["right"]) == 90
    assert stats["errors"] == {}
    return stats, [round((b - a) / 1e6, 2) for a, b in pairwise(times["left"])], lines


async def test_linux_goes_on_50_ms_after_a_late_interrupt() -> None:
    stats, gaps, lines = await play(DelayInterrupts("uml", ms=60, frame=30))
    assert max(gaps) == GIVES_UP_MS
    assert (stats["late_fences"], stats["frames"]["early_reuse"], lines) == (0, 0, []), "the host was in time"
    assert stats["frames"]["presented"] > 80


async def test_linux_stops_at_a_lost_interrupt_for_the_ring_says_it_once() -> None:
    """It gives up on one fence; the answer to the next flush lies in the used ring, and it never looks."""
    stats, gaps, _ = await play(LoseInterrupts("uml", frame=30))
    assert max(gaps) == GIVES_UP_MS
    assert stats["frames"]["presented"] == stats["frames"]["submitted"] == 31


async def test_linux_draws_over_what_the_host_keeps_for_longer() -> None:
    stats, gaps, lines = await play(DelayFences("uml", ms=60, frame=30))
    assert max(gaps) == GIVES_UP_MS
    assert (stats["late_fences"], stats["frames"]["early_reuse"]) == (1, 1)
    assert "Linux's driver waits 50" in lines[0]
    assert "early reuse: frame 28 was drawn over" in lines[1]


async def test_a_fence_that_never_signals_is_named() -> None:
    stats, _, lines = await play(LoseFences("uml", frame=30))
    assert stats["late_fences"] == 1
    assert lines == ["uml: its flush fence 30, held by left, is out for 66.7 ms; Linux's driver waits 50"]


async def test_linux_follows_a_monitor_that_goes_between_a_frame_and_its_fence() -> None:
    stats, gaps, lines = await play(Hotplug("left", ms=100, frame=30))
    assert max(gaps) == 116.67
    assert stats["frames"]["presented"] > 75
    assert lines == []


async def test_a_killed_kernel_leaves_the_screen() -> None:
    stats, _, lines = await play(Kill("uml", frame=30))
    assert stats["frames"]["submitted"] == 30
    assert lines == ["uml was ended: killed by the script of faults"]


async def test_faults_of_a_kernel_repeat() -> None:
    assert await play(DelayFences("uml", ms=60, frame=30)) == await play(DelayFences("uml", ms=60, frame=30))


async def test_a_kernel_in_virtual_time_cannot_be_stalled_for_time_waits_for_it() -> None:
    lines: list[str] = []
    async with Machine(outputs=["320x240@60"], report=lines.append) as machine:
        await machine.attach(UmlGuest("pageflip"))
        injection = inject(machine, Stall("uml"))
        await machine.run(frames=10)
    assert injection.skipped[0][1] == "uml: time waits for it on the virtual clock; use the real one"


async def test_a_stalled_kernel_goes_on() -> None:
    async with Machine(outputs=["320x240@60"], clock="real", repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        times: list[int] = []
        machine.listen(0, lambda frame: times.append(frame.present_time_ns))
        inject(machine, Stall("uml", ms=400, frame=20))
        await machine.run(frames=40)
    assert max(after - before for before, after in pairwise(times)) > 300_000_000
