"""A test with a real kernel: seconds that it takes, beside what was asked for and beside its parts.

One second of guest time: a User Mode Linux kernel flips two buffers of 1024x768 at 60 Hz, and every frame's
pixels go into the digest. *Fresh*, a test makes a machine, boots the kernel and closes both; its peer is the
same kernel alone, started and switched off again, without a display, on its own time. *Reused*, a test runs
its command in a session that an earlier test has booted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from compositor.bench.report import Report, interleave
from compositor.errors import ScanoutError
from compositor.machine import Machine
from compositor.machine.attachment import Attachment
from compositor.machine.run_directory import run_directory
from guest.linux import UmlOptions, UmlProcess, find_kernel
from guest.real import UmlGuest

_OUTPUT = "1024x768@60"
_SECONDS = 1.0
_FRAMES = 60  # at least as many a test must have seen
_RUNS = 9
_FRESH_S, _REUSED_S = 0.9, 0.5  # that were asked for


class BenchFailed(ScanoutError):
    """A benchmark's guest did not do its work."""


def run() -> Report:
    """A fresh boot, then a boot that is reused."""
    UmlGuest("pageflip").prepare()
    UmlGuest(session=True).prepare()
    fresh = interleave(
        "fresh",
        "s",
        lambda: asyncio.run(seconds(fresh_test)),
        {"asked for": lambda: _FRESH_S, "the kernel alone": lambda: asyncio.run(seconds(kernel_alone))},
        runs=_RUNS,
        goal=1.0,
    )
    with asyncio.Runner() as runner:
        machine = Machine(outputs=[_OUTPUT], repaint="flush")
        runner.run(machine.__aenter__())
        try:
            guest = runner.run(machine.attach(UmlGuest(session=True)))
            runner.run(guest.reset())
            reused = interleave(
                "reused",
                "s",
                lambda: runner.run(seconds(lambda: reused_test(machine, guest))),
                {"asked for": lambda: _REUSED_S, "fresh": lambda: asyncio.run(seconds(fresh_test))},
                runs=_RUNS,
                goal=1.0,
            )
        finally:
            runner.run(machine.__aexit__())
    return Report("uml-test", [fresh, reused])


async def seconds(test: Callable[[], Awaitable[None]]) -> float:
    """What something takes."""
    start = time.perf_counter()
    await test()
    return time.perf_counter() - start


async def fresh_test() -> None:
    """A machine, a boot, a second of flips, and the end of both.

    Raises:
        BenchFailed: The guest did not show its frames.
    """
    async with Machine(outputs=[_OUTPUT], repaint="flush") as machine:
        await machine.attach(UmlGuest("pageflip"))
        await machine.next_frame()
        await machine.run(seconds=_SECONDS)
        _check(machine)


async def reused_test(machine: Machine, guest: Attachment) -> None:
    """A second of flips in a guest that runs already.

    Raises:
        BenchFailed: The guest did not show its frames.
    """
    await guest.reset()
    machine.start_over()
    flips = await guest.start("pageflip")
    await machine.next_frame()
    await machine.run(seconds=_SECONDS)
    flips.kill()
    await flips.wait()
    _check(machine)


async def kernel_alone() -> None:
    """The kernel, from its start until it has switched itself off."""
    options = UmlOptions(kernel=find_kernel(None), command=("pageflip", "--help"))
    with run_directory() as directory:
        async with await UmlProcess.start(options, None, directory) as process:
            await process.wait()


def _check(machine: Machine) -> None:
    presented = machine.stats()["outputs"][0]["presented"]
    if presented < _FRAMES:
        raise BenchFailed(f"uml-test: a second of flips were {presented} frames, and not {_FRAMES}")
