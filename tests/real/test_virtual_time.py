"""Real kernels on virtual time: every run is equal, to the nanosecond and the pixel, whatever the load."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from compositor import Machine
from compositor.errors import GuestFailed, RunFailed
from compositor.frame_clock.timing import TimingModel
from compositor.machine.run import StopReason
from guest import SimulatedGuest, UmlGuest
from guest.linux import GuestDied, UmlOptions, expected, find_kernel
from guest.linux.options import VirtualTime
from guest.linux.payload import build_initrd
from guest.linux.uml import kernel_command_line

pytestmark = pytest.mark.real
Run = Callable[..., Any]
Busy = Callable[[int], AbstractContextManager[None]]

FIVE_SECONDS = ("boot", "uml", "--clock", "virtual", "--program", "pageflip", "--seconds", "5")


def kernels() -> list[int]:
    """The UML kernels on virtual time."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"time-travel=ext:" in entry.read_bytes():
                found.append(int(entry.parent.name))
        except OSError:
            continue
    return found


def test_five_seconds_are_300_frames_and_the_same_ones_under_load(scanout: Run, busy: Busy) -> None:
    done = scanout(*FIVE_SECONDS)
    assert (done.status, done.err) == (0, "")
    stats = done.stats
    (output,), (guest,) = stats["outputs"], stats["guests"]
    assert output["presented"] == output["direct_scanout"] == 300
    assert output["interval_ms"] == {"p50": 16.67, "p99": 16.67, "max": 16.67}
    assert guest["bytes"] == {"transfer": 0, "cursor": 0, "compose": 0, "upload": 0, "readback": 0}
    assert np.array_equal(done.picture, expected.pageflip(1024, 768, 299)[..., 2::-1])
    again = scanout(*FIVE_SECONDS).stats
    with busy(2):
        loaded = scanout(*FIVE_SECONDS).stats
    for other in (again, loaded):
        del other["wall_s"]
    del stats["wall_s"]
    assert stats == again == loaded


def test_the_seed_is_part_of_what_repeats(scanout: Run) -> None:
    """The kernel boots with other random numbers, but the pictures are the same."""
    one = scanout(*FIVE_SECONDS[:-1], "0.5", "--seed", "1").stats
    other = scanout(*FIVE_SECONDS[:-1], "0.5", "--seed", "2").stats
    assert one["outputs"][0]["presented"] == other["outputs"][0]["presented"]


def test_two_kernels_and_two_simulated_guests_share_a_calendar(scanout: Run) -> None:
    digests = set()
    for _ in range(5):
        stats = scanout("run", "kernels", "--seconds", "1").stats
        assert [guest["kind"] for guest in stats["guests"]] == ["uml", "uml", "simulated", "simulated"]
        assert [guest["frames"]["torn"] for guest in stats["guests"]] == [0, 0, 0, 0]
        assert [guest["errors"] for guest in stats["guests"]] == [{}, {}, {}, {}]
        digests.add((stats["digest"], *(guest["frames"]["presented"] for guest in stats["guests"])))
    assert len(digests) == 1


async def test_the_run_ends_at_the_moment_at_which_the_guest_switches_itself_off() -> None:
    ends = set()
    for _ in range(3):
        async with Machine(repaint="flush") as machine:
            await machine.attach(UmlGuest("pageflip", command=["--frames", "20"]))
            assert await machine.run(seconds=100) is StopReason.GUESTS
            ends.add((machine.clock.now_ns(), machine.presented))
    ((_, presented),) = ends
    assert presented == 22, "frame 0, 20 flips, and the blank screen after them"


async def test_a_guest_that_comes_later_boots_as_it_would_have_at_the_start() -> None:
    boots = []
    for when in (0.0, 1.003):
        async with Machine(repaint="flush") as machine:
            await machine.run(seconds=when)
            before = machine.clock.now_ns()
            await machine.attach(UmlGuest("pageflip"))
            frame = await machine.next_frame()
            boots.append(frame.present_time_ns - before)
    assert boots[0] == boots[1]


async def test_time_stands_still_between_two_runs() -> None:
    async with Machine(repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        for _ in range(10):
            await machine.run(seconds=0.1)
        in_parts = machine.stats()
    async with Machine(repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        await machine.run(seconds=1)
        whole = machine.stats()
    assert in_parts["outputs"] == whole["outputs"]


async def test_a_kernel_that_is_killed_is_named() -> None:
    async with Machine(repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        await machine.run(frames=10)
        for kernel in kernels():
            os.kill(kernel, signal.SIGKILL)
        with pytest.raises(GuestDied, match="uml was killed by SIGKILL"):
            await machine.run(frames=10)


async def test_a_program_that_never_waits_is_found_and_named() -> None:
    spin = UmlGuest(command=["/bin/sh", "-c", "while :; do :; done"], root=Path("/"))
    async with Machine(repaint="flush", patience_s=1) as machine:
        await machine.attach(spin)
        with pytest.raises(RunFailed, match=r"^stuck at 0\.\d{9} s of virtual time: uml runs for 1 s"):
            await machine.run(seconds=1)


async def test_a_kernel_that_breaks_the_protocol_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Machine(repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        await machine.run(frames=10)
        # What the kernel wrote last is in the past: as if it had gone back.
        machine.clock.advance_to(machine.clock.now_ns() + 10)  # type: ignore[attr-defined]
        with pytest.raises(GuestFailed, match="uml: went back in time"):
            await machine.run(frames=10)


async def test_a_kernel_that_cannot_be_started_holds_no_other_up() -> None:
    async with Machine() as machine:
        with pytest.raises(Exception, match="/nowhere"):
            await machine.attach(UmlGuest("pageflip", kernel=Path("/nowhere")))
        await machine.attach(SimulatedGuest("gears"))
        assert await machine.run(frames=3) is StopReason.FRAMES


async def test_a_cancelled_run_leaves_no_kernel_behind() -> None:
    async with Machine(repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        task = asyncio.create_task(machine.run())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert kernels() == []


async def test_work_that_takes_virtual_time_is_waited_for() -> None:
    """20 ms are more than a refresh: the guest's driver waits for the flush, and gets every second vblank."""
    shown = {}
    for scanout_ms in (0, 5, 20):
        timing = TimingModel(
            command_ns=100_000, compose_ns=1_000_000, scanout_ns=max(0, scanout_ms - 1) * 1_000_000
        )
        async with Machine(repaint="flush", timing=timing) as machine:
            await machine.attach(UmlGuest("pageflip"))
            await machine.run(seconds=1)
            shown[scanout_ms] = machine.stats()["outputs"][0]
    assert [round(output["interval_ms"]["p50"], 1) for output in shown.values()] == [16.7, 16.7, 33.3]


def test_a_kernel_that_another_program_starts_is_served_with_its_time(scanout: Run, tmp_path: Path) -> None:
    kernel = find_kernel(None)
    options = UmlOptions(kernel=kernel, command=("pageflip", "--frames", "30"))
    (tmp_path / "initrd").write_bytes(build_initrd(options, os.uname().machine))
    time = VirtualTime(tmp_path / "time.sock", seed=1)
    line = kernel_command_line(options, gpu=True, time=time)
    command = [str(kernel), *line]
    starter = "import os, sys, time\nwhile not os.path.exists('time.sock'): time.sleep(0.01)\n"
    starter += f"os.execv({command[0]!r}, {command!r})\n"
    with subprocess.Popen(
        [sys.executable, "-c", starter],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as guest:
        done = scanout("serve", "gpu.sock", "--time-travel", "time.sock", "--seconds", "10", results=False)
        guest.wait(60)
    assert (done.status, done.err) == (0, "")
    assert "32 frames" in done.out, "frame 0, 30 flips, and the blank screen after them"


def test_pattern_ends_at_the_same_moment_whichever_the_host_hears_first(scanout: Run, busy: Busy) -> None:
    """The console's line, or that the kernel waits."""
    runs = [scanout("boot", "uml", "--clock", "virtual", "--program", "pattern") for _ in range(4)]
    with busy(2):
        runs += [scanout("boot", "uml", "--clock", "virtual", "--program", "pattern") for _ in range(2)]
    assert {run.status for run in runs} == {0}
    assert len({(run.stats["duration_s"], run.stats["digest"]) for run in runs}) == 1


async def test_a_kernel_that_has_let_its_time_pass_can_be_spoken_to() -> None:
    """What it prints is heard when it waits, and it does not say how long it slept before."""
    script = "echo one; sleep 0.005; echo two; sleep 1; echo three"
    ends = set()
    for _ in range(3):
        async with Machine(repaint="flush") as machine:
            uml = await machine.attach(UmlGuest(command=["/bin/sh", "-c", script], root=Path("/")))
            await uml.console.expect("two")
            machine.set_mode(0, "800x600@60")
            await uml.console.expect("three")
            ends.add(machine.clock.now_ns())
    assert len(ends) == 1
