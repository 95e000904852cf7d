"""Linux's own driver, in a real kernel on the virtual clock: booted once, for all tests of this file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from compositor import Attachment, Machine, ScanoutError
from compositor.testing.screenshots import Screenshot
from guest import UmlGuest

in_module = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def booted(request: pytest.FixtureRequest) -> AsyncIterator[tuple[Machine, Attachment]]:
    """A kernel that has booted; without one, a reason."""
    guest = UmlGuest(session=True)
    try:
        guest.prepare()
    except ScanoutError as error:
        if request.config.getoption("--require-real-guests"):
            pytest.fail(f"--require-real-guests: {error}", pytrace=False)
        pytest.skip(str(error))
    async with Machine(outputs=["640x480@60"], repaint="flush") as screen:
        yield screen, await screen.attach(guest)


@pytest_asyncio.fixture(loop_scope="module")
async def linux(booted: tuple[Machine, Attachment]) -> tuple[Machine, Attachment]:
    """The kernel, as each test finds it: no program runs, nothing is shown, nothing is counted."""
    screen, guest = booted
    await guest.reset()
    screen.start_over()
    return booted


@in_module
async def test_a_flip_in_every_refresh_from_another_devices_memory(
    linux: tuple[Machine, Attachment],
) -> None:
    screen, guest = linux
    await guest.run("pageflip --frames 60", check=True)
    statistics = screen.stats()
    assert all(16.66 < interval < 16.69 for interval in statistics["outputs"][0]["interval_ms"].values())
    frames = statistics["guests"][0]["frames"]
    assert frames["presented"] == 61  # a mode set, and 60 flips
    assert frames["torn"] == frames["early_reuse"] == 0
    assert statistics["guests"][0]["bytes"]["transfer"] == 0  # imported by PRIME: nothing is copied


@in_module
async def test_the_driver_makes_no_mistake(linux: tuple[Machine, Attachment]) -> None:
    screen, guest = linux
    await guest.run("pageflip --dumb --frames 10", check=True)
    assert screen.stats()["guests"][0]["errors"] == {}


@in_module
@pytest.mark.scanout(leftovers=False)  # the guest lives on, and with it what the host has mapped of it
async def test_a_still_picture(linux: tuple[Machine, Attachment], screenshot: Screenshot) -> None:
    screen, guest = linux
    await guest.start("pattern")
    await screen.next_frame()
    screenshot.check(screen)
