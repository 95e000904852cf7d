"""A VMM connects to a screen, and what it shows is seen."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from compositor.testing.guests import GuestFactory
from compositor.testing.machines import MachineFactory
from compositor.testing.screenshots import Screenshot

VMM = Path(__file__).parents[1] / "small_vmm.py"
REAL_S = 30.0  # what a process may take on a busy machine


@asynccontextmanager
async def small_vmm(socket: Path, size: tuple[int, int]) -> AsyncIterator[asyncio.subprocess.Process]:
    """The VMM in a process of its own, killed at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(VMM),
        str(socket),
        *map(str, size),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        _, complaints = await process.communicate()
        assert complaints == b""


async def test_its_picture_is_on_the_screen(
    machine: MachineFactory, screenshot: Screenshot, tmp_path: Path
) -> None:
    screen = await machine(outputs=["320x240@60"], clock="real")
    served = screen.serve(tmp_path / "gpu", once=True)
    async with small_vmm(tmp_path / "gpu", (320, 240)):
        await screen.next_presented(served, within=REAL_S)
        screenshot.check(screen)
    assert served.statistics().errors == {}


async def test_a_vmm_that_dies_is_followed_by_the_next(
    machine: MachineFactory, screenshot: Screenshot, tmp_path: Path
) -> None:
    screen = await machine(outputs=["320x240@60"], clock="real")
    served = screen.serve(tmp_path / "gpu")
    async with small_vmm(tmp_path / "gpu", (320, 240)) as first:
        await screen.next_presented(served, within=REAL_S)
        first.kill()
        gone = await screen.next_frame(within=REAL_S)
        assert gone.frame_ids == {}  # no guest is on the screen
    async with small_vmm(tmp_path / "gpu", (160, 120)):
        await screen.next_presented(served, within=REAL_S)
        screenshot.check(screen)


async def test_a_stock_qemu(machine: MachineFactory, guest: GuestFactory, screenshot: Screenshot) -> None:
    qemu = guest.qemu("pattern")
    screen = await machine(outputs=["640x480@60"], clock="real")
    attached = await screen.attach(qemu)
    await attached.console.expect("is up", within=120)
    await screen.settled(within=REAL_S)
    screenshot.check(screen)
