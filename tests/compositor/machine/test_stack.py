"""What runs inside what: the calls between the calendar's step and the deepest one of a frame."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Literal

import pytest

from compositor import Machine, Placement
from guest import SimulatedGuest
from guest.driver.session import GpuSession

ROOT = Path(__file__).parents[3]
PACKAGES = tuple(f"{ROOT / package}/" for package in ("compositor", "guest", "virtio"))
DEEPEST = 20  # calls, the calendar's step included


def stack_of(frame: FrameType | None) -> list[str]:
    """The project's calls from the calendar's step up to `frame`, innermost last; none outside of a step."""
    found = []
    while frame is not None:
        if frame.f_code.co_filename.startswith(PACKAGES):
            module = frame.f_globals.get("__name__", "")  # compiled code has none
            found.append(f"{module}.{frame.f_code.co_qualname}")
            if found[-1] == "virtio.clock.calendar.Calendar.run_next":
                return found[::-1]
        frame = frame.f_back
    return []


@contextmanager
def deepest_stacks() -> Iterator[dict[str, list[str]]]:
    """The deepest stack for each kind of calendar event, by the event's call; collected inside the block."""
    deepest: dict[str, list[str]] = {}

    def called(frame: FrameType, event: str, _argument: object) -> None:
        stack = stack_of(frame) if event == "call" else []
        if len(stack) > 1 and len(stack) > len(deepest.get(stack[1], ())):
            deepest[stack[1]] = stack

    sys.setprofile(called)
    try:
        yield deepest
    finally:
        sys.setprofile(None)


@pytest.mark.parametrize("repaint", ["vblank", "flush"])
@pytest.mark.parametrize("sync", ["none", "blocking", "release", "out-fence", "queue"])
async def test_a_guests_handler_never_runs_inside_of_the_host(
    sync: str, repaint: Literal["vblank", "flush"], monkeypatch: pytest.MonkeyPatch
) -> None:
    stacks: list[list[str]] = []
    interrupted = GpuSession._interrupted

    def watched(session: GpuSession, index: int) -> None:
        stacks.append(stack_of(sys._getframe()))
        interrupted(session, index)

    monkeypatch.setattr(GpuSession, "_interrupted", watched)
    async with Machine(outputs=["64x48@60"], repaint=repaint) as machine:
        await machine.attach(SimulatedGuest("plasma", sync=sync))
        stacks.clear()  # those of its boot, which it polls for
        await machine.run(frames=5)
    assert len(stacks) >= 5
    assert not [call for stack in stacks for call in stack if call.startswith(("compositor.", "virtio.gpu."))]


async def test_the_stack_of_a_frame_is_flat() -> None:
    async with Machine(outputs=["64x48@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=2)
        with deepest_stacks() as deepest:
            await machine.run(frames=2)
    assert deepest, "the calendar's steps were seen"
    for stack in deepest.values():
        assert len(stack) <= DEEPEST, "\n".join(stack)


@pytest.mark.parametrize("sync", ["none", "blocking", "release", "out-fence", "queue"])
async def test_a_guest_that_draws_in_no_time_shows_a_frame_in_every_refresh(sync: str) -> None:
    async with Machine(outputs=["64x48@60", "64x48@75"]) as machine:
        for output in (0, 1):
            await machine.attach(SimulatedGuest("plasma", sync=sync), [Placement(output=output)])
        await machine.run(seconds=1)
        stats = machine.stats()
    assert [guest["frames"]["presented"] for guest in stats["guests"]] == [60, 75]
    assert [output["missed_vblanks"] for output in stats["outputs"]] == [0, 0]
