"""Any script of faults: what must hold whatever goes wrong, for two guests on two outputs."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import Phase, given, settings

from compositor import Machine, Output, Placement
from compositor.errors import GuestFailed
from compositor.faults import DelayFences, Scribble, Script, inject
from compositor.testing import faults, keeping
from guest import SimulatedGuest

WAYS: dict[str, tuple[str | None, tuple[dict[str, Any], dict[str, Any]]]] = {
    "release": (None, ({}, {})),
    "pipeline": ("triple", ({}, {"sync": "out-fence", "render_ns": 10_000_000})),
    "delay": ("delay=5", ({"sync": "queue", "render_ns": 8_000_000}, {"sync": "blocking"})),
}


async def play(script: Script, pacing: str | None, kinds: tuple[dict[str, Any], dict[str, Any]]) -> None:
    answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    outputs = [Output("64x48@60", name="left", pacing=pacing), Output("64x48@60", name="right")]
    async with Machine(outputs=outputs, report=lambda _line: None) as machine:
        places = [Placement(output=0)], [Placement(output=1, mirrors=(0,))]
        for workload, place, kind in zip(("gears", "plasma"), places, kinds, strict=True):
            guest = await machine.attach(SimulatedGuest(workload, **kind), place)
            guest.display.listeners.append(lambda name, answer: answers[name].update([answer.commit]))
        inject(machine, script)
        with suppress(GuestFailed):  # the script killed the last one
            await machine.run(seconds=0.6)
        stats = machine.stats()
    for guest_stats in stats["guests"]:
        check(guest_stats, answers[guest_stats["name"]], script)


def check(stats: dict[str, Any], answers: Counter[int], script: Script) -> None:
    frames = stats["frames"]
    assert len(answers) == frames["submitted"], "every commit is answered"
    assert set(answers.values()) <= {1}, "once"
    assert stats["errors"] == {}
    if not any(isinstance(fault, Scribble) and fault.guest == stats["name"] for fault in script.events):
        assert frames["torn"] == frames["early_reuse"] == 0


@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=30)
@given(script=faults(guests=["gears", "plasma"], outputs=["left", "right"]))
def test_whatever_goes_wrong_every_commit_is_answered_once_and_no_frame_tears(
    way: str, script: Script
) -> None:
    asyncio.run(play(script, *WAYS[way]))


def test_the_storm_finds_a_guest_that_does_not_wait(tmp_path: Any) -> None:
    """The opposite, planted: a guest that gives up after 20 ms is caught, by one fault."""

    @settings(max_examples=60, database=None, phases=(Phase.generate, Phase.shrink))
    @given(
        script=faults(guests=["gears", "plasma"], outputs=["left", "right"], kinds=["stall", "delay-fences"])
    )
    def storm(script: Script) -> None:
        impatient = {"render_ns": 1_000_000, "patience_ns": 20_000_000}
        with keeping(script, tmp_path / "storm.toml"):
            asyncio.run(play(script, None, (impatient, {})))

    with pytest.raises(AssertionError):
        storm()
    (fault,) = Script.load(tmp_path / "storm.toml").events
    assert isinstance(fault, DelayFences)
    assert fault.guest == "gears"
