"""A user who waits for frames that do not come is told."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from compositor import Machine
from compositor.commands.options import Interrupted, RunOptions
from compositor.commands.session import run_session, watched
from compositor.machine.run import StopReason
from guest import SimulatedGuest


async def test_frames_that_do_not_come_are_spoken_of_once() -> None:
    lines: list[str] = []
    told = asyncio.Event()

    def report(line: str) -> None:
        lines.append(line)
        told.set()

    async with Machine(outputs=["64x48@60"], report=report) as machine:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(frames=3)
        with watched(machine, 5, silence_s=0.0):
            await told.wait()
            for _ in range(50):
                await asyncio.sleep(0)
    (line,) = lines
    assert line.startswith("3 of 5 frames were presented, and none in the last 0 s: a guest is hung, or has")


@pytest.mark.parametrize("frames", [None, 5])
async def test_nothing_is_said_of_a_run_that_ends_or_waits_for_no_frames(frames: int | None) -> None:
    async with Machine(outputs=["64x48@60"], report=pytest.fail) as machine:
        await machine.attach(SimulatedGuest("gears"))
        with watched(machine, frames, silence_s=3600.0):
            await machine.run(frames=5)


def test_an_interrupted_run_says_that_there_was_no_frame_for_its_screenshot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def start(machine: Machine) -> None:
        machine.clock.call_at(1_000_000, partial(machine.stop, StopReason.INTERRUPTED))

    path = tmp_path / "a.png"
    with pytest.raises(Interrupted):
        run_session(RunOptions(screenshot=path, seconds=1.0), start, clock="virtual")
    line = f"scanout: --screenshot {path}: a frame was never presented, only 0 were: interrupted\n"
    assert capsys.readouterr().err == line
    assert not path.exists()
