"""The compositor in a real Linux kernel, whose driver draws on a virtual screen."""

from __future__ import annotations

from pathlib import Path

from compositor import Attachment, Machine
from compositor.machine.attachment.commands import Running
from compositor.testing.guests import GuestFactory
from compositor.testing.machines import MachineFactory
from compositor.testing.screenshots import Screenshot


async def boot(machine: MachineFactory, guest: GuestFactory, tiler: Path) -> tuple[Machine, Attachment]:
    """A screen, and a Linux beside it that has the program; the test is skipped where there is no kernel."""
    linux = guest.uml(session=True)
    screen = await machine(outputs=["640x480@60"], repaint="flush")
    attached = await screen.attach(linux)
    await attached.put_file(tiler, "/tmp/tiler", mode=0o755)
    return screen, attached


async def tiled(screen: Machine, linux: Attachment, arguments: str) -> Running:
    """The compositor, with its picture on the screen."""
    compositor = await linux.start(f"/tmp/tiler {arguments}")
    await screen.until(lambda: compositor.stdout or compositor.ended)
    assert compositor.stdout.endswith("on 640x480\n"), compositor.stderr
    await screen.settled()
    return compositor


async def test_its_tiles_look_as_they_did(
    machine: MachineFactory, guest: GuestFactory, screenshot: Screenshot, tiler: Path
) -> None:
    screen, linux = await boot(machine, guest, tiler)
    for windows in (1, 2, 4):
        compositor = await tiled(screen, linux, str(windows))
        screenshot.check(screen, f"{windows}-windows")
        compositor.kill()
        await compositor.wait()


async def test_the_focus_changes_borders_alone(
    machine: MachineFactory, guest: GuestFactory, screenshot: Screenshot, tiler: Path
) -> None:
    screen, linux = await boot(machine, guest, tiler)
    await tiled(screen, linux, "3 2")
    screenshot.check(screen, clip=(320, 240, 320, 240))


async def test_it_refuses_what_it_cannot_tile(
    machine: MachineFactory, guest: GuestFactory, tiler: Path
) -> None:
    _, linux = await boot(machine, guest, tiler)
    result = await linux.run("/tmp/tiler 10")
    assert result.status == 2
    assert result.stderr == "tiler: 10 windows: there can be 1 to 9\n"
