"""How many calls a frame's way through the rooms takes, and how deep they nest.

A hop is a call from one function of the project to the next. The numbers are bounds: a way that grows longer
has a reason, or a module too many.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from compositor import Machine
from compositor.output.output import Output
from guest import SimulatedGuest
from virtio.ring.split import SplitQueue

ROOT = str(Path(__file__).parents[3])
OURS = tuple(f"{ROOT}/{package}/" for package in ("compositor", "virtio", "guest"))

Call = tuple[str, str]
"""A function of the project: its module's path from the root, and its name."""


def stack(frame: FrameType | None) -> list[Call]:
    """The project's functions that are being called, the innermost last."""
    calls = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(OURS):
            calls.append((frame.f_code.co_filename[len(ROOT) + 1 :], frame.f_code.co_name))
        frame = frame.f_back
    return calls[::-1]


def since(calls: list[Call], name: str) -> list[Call]:
    """The calls from the last one of a function of this name on; none when there is none."""
    found = [index for index, (_, called) in enumerate(calls) if called == name]
    return calls[found[-1] :] if found else []


class Way:
    """Watches the functions of the project while a simulated guest draws a few frames."""

    def __init__(self) -> None:
        self.to_damage: list[Call] = []
        self.to_used_ring: list[Call] = []
        self.deepest: list[Call] = []

    def watch(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not frame.f_code.co_filename.startswith(OURS):
            return
        calls = since(stack(frame), "run_next")  # what the calendar's step runs
        if len(calls) > len(self.deepest):
            self.deepest = calls
        if frame.f_code is Output.show.__code__:
            self.to_damage = served(calls)
        if (
            frame.f_code is SplitQueue.add_used.__code__
            and ("compositor/frame_clock/clocks.py", "_fire") in calls
        ):
            self.to_used_ring = since(calls, "_fire")


def served(calls: list[Call]) -> list[Call]:
    """The calls from the turn on in which the transport serves a kick, which only asks for that turn."""
    found = [index for index, (module, _) in enumerate(calls) if module == "virtio/clock/deferred.py"]
    return calls[found[0] :] if found else []


async def walk() -> Way:
    way = Way()
    async with Machine(outputs=["320x240@60"], clock="virtual") as machine:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(frames=3)
        sys.setprofile(way.watch)
        try:
            await machine.run(frames=3)
        finally:
            sys.setprofile(None)
    return way


def show(calls: list[Call]) -> str:
    return f"{len(calls) - 1} hops:\n" + "\n".join(f"  {module} {name}" for module, name in calls)


async def test_a_frames_way_is_short_and_its_stack_is_flat() -> None:
    way = await walk()
    bounds: list[tuple[list[Call], Callable[[int], bool]]] = [
        (way.to_damage, lambda hops: hops <= 11),
        (way.to_used_ring, lambda hops: hops <= 9),
        (way.deepest, lambda hops: hops < 20),
    ]
    for calls, holds in bounds:
        assert calls
        assert holds(len(calls) - 1), show(calls)
