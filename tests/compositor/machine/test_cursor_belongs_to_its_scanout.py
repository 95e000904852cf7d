"""A cursor is cut at its scanout, as KMS clips one to its CRTC, and goes where the scanout's picture goes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine, Output, Placement
from compositor.output.frame import Frame
from compositor.pixels.plane_state import TRANSFORMS
from guest.commanded import CommandedGuest
from tests.compositor.machine.commanded import CURSOR_SIDE, seen

CURSOR = 9  # its resource


async def with_cursor(machine: Machine, place: Placement, name: str = "below") -> CommandedGuest:
    """A guest with a grey picture of 200x100 and a white cursor that is not shown yet."""
    guest = CommandedGuest(name)
    await machine.attach(guest, [place])
    await machine.run(seconds=0)
    guest.picture(CURSOR, CURSOR_SIDE, CURSOR_SIDE)[...] = 255
    guest.show(1, 200, 100, 10)
    return guest


def lit(picture: NDArray[np.uint8]) -> NDArray[np.bool_]:
    return np.asarray((picture == 255).all(axis=2))


@pytest.mark.parametrize(("x", "y"), [(-40, -40), (190, 90), (300, 150), (-64, 0), (68, 18)], ids=str)
@pytest.mark.parametrize("clip", [None, (10, 20, 80, 60)])
async def test_a_cursor_is_cut_at_its_scanouts_picture_and_clip(
    x: int, y: int, clip: tuple[int, int, int, int] | None
) -> None:
    async with Machine(outputs=["400x300@60"]) as machine:
        guest = await with_cursor(machine, Placement(x=100, y=100, width=200, height=100, clip=clip))
        guest.set_cursor(CURSOR, x, y)
        wanted = np.zeros((300, 400), bool)
        whole = np.zeros((100, 200), bool)
        whole[max(y, 0) : max(y + CURSOR_SIDE, 0), max(x, 0) : max(x + CURSOR_SIDE, 0)] = True
        if clip is not None:
            left, top, width, height = clip
            inside = np.zeros_like(whole)
            inside[top : top + height, left : left + width] = True
            whole &= inside
        wanted[100:200, 100:300] = whole
        assert np.array_equal(lit(await seen(machine)), wanted)


async def test_a_cursor_does_not_reach_another_guests_monitor() -> None:
    async with Machine(outputs=[Output("200x100@60"), Output("200x100@60")]) as machine:
        guest = await with_cursor(machine, Placement(output=None, width=200, height=100))
        other = await with_cursor(machine, Placement(output=1), "other")
        guest.set_cursor(CURSOR, 180, 50)
        assert not lit(await seen(machine, 1)).any()
        assert other.answers


async def test_a_cursor_lies_below_what_covers_its_scanout() -> None:
    async with Machine(outputs=["200x100@60"]) as machine:
        below = await with_cursor(machine, Placement())
        above = await with_cursor(machine, Placement(x=30, z=3), "above")
        below.set_cursor(CURSOR, 0, 0)
        above.set_cursor(CURSOR, 100, 20)
        shown = lit(await seen(machine))
        assert shown[:64, :30].all()
        assert not shown[:, 30:130].any()
        assert shown[20:84, 130:194].all()


async def test_a_scanout_that_is_off_has_no_cursor() -> None:
    async with Machine(outputs=["200x100@60"]) as machine:
        frames: list[NDArray[np.uint8]] = []
        machine.listen(0, lambda frame: frames.append(frame.snapshot()[..., :3]))
        guest = await with_cursor(machine, Placement())
        guest.set_cursor(CURSOR, 50, 20)
        assert lit(await seen(machine)).any()
        guest.switch_off()
        await machine.run(seconds=0.05)
        assert not frames[-1].any()
        guest.show(2, 200, 100, 20)
        assert lit(await seen(machine)).sum() == CURSOR_SIDE**2


@pytest.mark.parametrize(("x", "name"), [(50, "cursor"), (180, "cursor")])
async def test_the_cursor_plane_is_used_inside_and_at_the_edge(x: int, name: str) -> None:
    async with Machine(outputs=["400x100@60"]) as machine:
        frames: list[Frame] = []
        machine.listen(0, frames.append)
        guest = await with_cursor(machine, Placement(width=200, height=100))
        guest.set_cursor(CURSOR, x, 20)
        await machine.run(seconds=0.05)
        plane = frames[-1].grants["below-cursor"].plane
        assert plane is not None
        assert plane.name == name


@pytest.mark.parametrize("transform", list(TRANSFORMS))
async def test_a_turned_cursor_stands_right_whatever_changes_under_it(transform: str) -> None:
    """Set before the first picture; picture of another size; scanout off and on; place turned or moved."""
    async with Machine(outputs=["300x300@60"]) as machine:
        guest = CommandedGuest()
        attachment = await machine.attach(guest, [Placement(transform=transform)])
        await machine.run(seconds=0)
        arrow = guest.picture(CURSOR, CURSOR_SIDE, CURSOR_SIDE)
        arrow[...] = 255
        arrow[:10, :10, 0] = 0
        guest.set_cursor(CURSOR, 10, 20)

        async def stands_right() -> None:
            now = await seen(machine)
            guest.move_cursor(33, 44)
            await machine.run(seconds=0.05)
            guest.move_cursor(10, 20)
            assert np.array_equal(now, await seen(machine))
            assert (now == 255).all(axis=2).any()

        guest.show(1, 200, 150, 30)
        await stands_right()
        guest.show(2, 300, 220, 30)
        await stands_right()
        guest.switch_off()
        await machine.run(seconds=0.05)
        guest.show(3, 160, 260, 30)
        await stands_right()
        attachment.put(0, Placement(transform=transform, x=30, y=20))
        await stands_right()
        attachment.put(0, Placement(transform="90" if transform == "normal" else "normal"))
        await stands_right()
