"""A copy is planted in each hop, and found in the counters; where nothing is copied, nothing is counted."""

from pathlib import Path
from typing import Any

import numpy as np

from compositor import Machine, Output, Placement
from compositor.output.plane import PlaneBudget
from guest import SimulatedGuest
from guest.driver.framebuffer import Framebuffer
from virtio.gpu.formats import Format
from virtio.gpu.wire import Rect

WIDTH, HEIGHT = 128, 96
PICTURE = WIDTH * HEIGHT * 4
SCREEN = Rect(0, 0, WIDTH, HEIGHT)
CURSOR = 64 * 64 * 4
FRAMES = 10


def without(counts: dict[str, int], *hops: str) -> list[int]:
    return [count for hop, count in counts.items() if hop not in hops]


async def stats_of(machine: Machine, *guests: tuple[SimulatedGuest, Placement]) -> dict[str, Any]:
    for guest, place in guests:
        await machine.attach(guest, [place])
    await machine.run(frames=FRAMES)
    return machine.stats()


async def test_pages_that_are_scanned_out_as_they_are_cost_nothing() -> None:
    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"]) as machine:
        stats = await stats_of(machine, (SimulatedGuest("plasma"), Placement()))
    assert not any(stats["guests"][0]["bytes"].values())
    assert not any(stats["outputs"][0]["bytes"].values())


async def test_transfers_and_cursors() -> None:
    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"]) as machine:
        guest = SimulatedGuest("plasma", frames=0)
        await machine.attach(guest)
        driver = guest.driver
        framebuffer = Framebuffer(driver, (WIDTH, HEIGHT), Format.B8G8R8X8)
        image, cursor = driver.new_resource_id(), driver.new_resource_id()
        for resource, size in ((image, (WIDTH, HEIGHT)), (cursor, (64, 64))):
            driver.create_2d(resource, size, Format.B8G8R8A8)
            driver.attach_backing(resource, framebuffer.runs)
        driver.transfer(image, SCREEN)
        driver.set_scanout(0, image, SCREEN)
        driver.flush(image, SCREEN)
        driver.update_cursor(0, cursor, (3, 4), (0, 0))
        driver.notify()
        await machine.run(seconds=0.1)
        counts = machine.stats()["guests"][0]["bytes"]
    assert (counts["transfer"], counts["cursor"]) == (PICTURE, CURSOR)


async def test_composition_and_whose_it_is() -> None:
    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"]) as machine:
        stats = await stats_of(
            machine,
            (SimulatedGuest("plasma"), Placement(width=64, height=96)),
            (SimulatedGuest("plasma"), Placement(x=64, width=64, height=48)),
        )
    left, right = (guest["bytes"] for guest in stats["guests"])
    assert (left["compose"], right["compose"]) == (FRAMES * 64 * 96 * 4, FRAMES * 64 * 48 * 4)
    background = PICTURE - 64 * 96 * 4 - 64 * 48 * 4
    assert stats["outputs"][0]["bytes"]["compose"] == left["compose"] + right["compose"] + background
    assert not any(without(left, "compose") + without(right, "compose"))


async def test_planes_that_are_put_together_for_a_look() -> None:
    output = Output(f"{WIDTH}x{HEIGHT}@60", planes=PlaneBudget.of_counts(overlays=1))
    async with Machine(outputs=[output]) as machine:
        stats = await stats_of(
            machine,
            (SimulatedGuest("plasma"), Placement()),
            (SimulatedGuest("plasma"), Placement(x=64, width=64, height=48)),
        )
    assert not any(guest["bytes"]["compose"] for guest in stats["guests"]), "each has a plane"
    assert stats["outputs"][0]["bytes"]["readback"] == FRAMES * PICTURE, "the digest looked at every frame"


async def test_planes_that_nothing_looks_at_are_not_put_together() -> None:
    output = Output(f"{WIDTH}x{HEIGHT}@60", planes=PlaneBudget.of_counts(overlays=1))
    async with Machine(outputs=[output], digest=False) as machine:
        stats = await stats_of(
            machine,
            (SimulatedGuest("plasma"), Placement()),
            (SimulatedGuest("plasma"), Placement(x=64, width=64, height=48)),
        )
        assert not any(stats["outputs"][0]["bytes"].values())
        machine.screenshot()
        assert machine.stats()["outputs"][0]["bytes"]["readback"] == 2 * PICTURE, "put together, and copied"


async def test_what_a_digest_converts_and_a_screenshot_copies() -> None:
    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"]) as machine:
        guest = SimulatedGuest("plasma", frames=0)
        await machine.attach(guest)
        driver = guest.driver
        framebuffer = Framebuffer(driver, (WIDTH, HEIGHT), Format.B8G8R8X8)
        framebuffer.pixels[:] = np.uint8(7)  # an unused byte that is not 0xff
        framebuffer.show(0)
        driver.notify()
        await machine.run(seconds=0.1)
        stats = machine.stats()
        assert stats["outputs"][0]["presented"] == 1
        assert stats["outputs"][0]["bytes"]["readback"] == PICTURE
        machine.screenshot()
        assert machine.stats()["outputs"][0]["bytes"]["readback"] == 2 * PICTURE
        assert not any(machine.stats()["guests"][0]["bytes"].values())


async def test_what_a_recording_copies(tmp_path: Path) -> None:
    async with Machine(outputs=[f"{WIDTH}x{HEIGHT}@60"], record=tmp_path / "f") as machine:
        stats = await stats_of(machine, (SimulatedGuest("plasma"), Placement()))
    counts = stats["guests"][0]["bytes"]
    assert counts["readback"] >= 2 * PICTURE, "the first frame, for the file and for the next look"
    assert not any(without(counts, "readback"))
