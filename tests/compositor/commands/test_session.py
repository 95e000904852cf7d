"""A user who waits for frames that do not come is told."""

import asyncio
import json
import os
import signal
from functools import partial
from pathlib import Path

import pytest

from compositor import Machine, Placement
from compositor.commands.options import Interrupted, RunOptions
from compositor.commands.session import run_session, watched
from compositor.errors import RunFailed
from compositor.machine.run import StopReason
from guest import ProcessGuest, SimulatedGuest
from guest.linux.errors import GuestDied


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


def test_a_guest_that_dies_leaves_the_others_running_and_fails_the_run_at_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def start(machine: Machine) -> None:
        victim = await machine.attach(ProcessGuest("plasma", name="victim"))
        await machine.attach(SimulatedGuest("gears"))

        def shoot() -> None:
            assert victim.pid is not None
            os.kill(victim.pid, signal.SIGKILL)

        machine.clock.call_at(0, shoot)

    path = tmp_path / "stats.json"
    with pytest.raises(GuestDied, match="victim was killed by SIGKILL"):
        run_session(RunOptions(stats=path, frames=90), start, clock="real")
    assert capsys.readouterr().err == "scanout: victim was killed by SIGKILL; the others go on\n"
    stats = json.loads(path.read_text())
    assert stats["outputs"][0]["presented"] >= 90


def test_a_guest_that_must_show_a_frame_and_does_not_fails_the_run() -> None:
    async def start(machine: Machine) -> None:
        await machine.attach(SimulatedGuest("gears"))
        await machine.attach(SimulatedGuest("plasma", name="dark"), [Placement(width=16)])

    run = RunOptions(seconds=0.2)
    run_session(run, start, clock="virtual")
    with pytest.raises(RunFailed, match=r"^dark: never showed a frame: the time was up$"):
        run_session(run, start, clock="virtual", all_show=True)
