"""Scripted guests: commits between their fences, cursors and modes, on the run's clock."""

from __future__ import annotations

import asyncio
import errno
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine, Output
from compositor.errors import GuestFailed
from compositor.output.frame import Frame
from guest import CursorState, Kms, Picture, ScriptedGuest
from guest.driver.atomic import CommitRefused
from virtio.errors import Misuse
from virtio.fence import Fence

MODE, SIZE = "96x64@50", (64, 96)
PERIOD_NS = 20_000_000


def flat(value: int, width: int = 96, height: int = 64) -> Picture:
    return Picture(np.full((height, width), value, np.uint8))


def value(machine: Machine) -> int:
    """The grey of a screen that is all grey."""
    (found,) = np.unique(machine.screenshot()[..., :3])
    return int(found)


async def test_nothing_is_shown_before_the_in_fence_and_the_out_fence_says_when_it_was_taken() -> None:
    gate, times = Fence(), dict[str, int]()

    async def script(kms: Kms) -> None:
        await kms.wait(kms.commit(kms.framebuffer(flat(10))).out)
        times["first"] = kms.now_ns
        flip = kms.commit(kms.framebuffer(flat(20)), in_fence=gate)
        assert not flip.out.signaled
        times["status"] = await kms.wait(flip.out)
        times["second"] = kms.now_ns

    async with Machine(outputs=[MODE]) as machine:
        guest = ScriptedGuest(script)
        await machine.attach(guest)
        await machine.run(seconds=0.5)
        assert (value(machine), machine.presented) == (10, 1)
        assert not guest.finished
        gate.signal()
        await machine.run(seconds=0.05)
        assert (value(machine), machine.presented) == (20, 2)
        assert guest.finished
        assert times == {"first": PERIOD_NS, "status": 1, "second": 26 * PERIOD_NS}


async def test_work_that_takes_time_delays_its_frame_to_the_vblank_behind_it() -> None:
    async def script(kms: Kms) -> None:
        for number in range(3):
            await kms.wait(kms.commit(kms.framebuffer(flat(number)), in_fence=kms.after(0.030)).out)

    frames: list[int] = []
    async with Machine(outputs=[MODE]) as machine:
        machine.listen(0, lambda frame: frames.append(frame.present_time_ns))
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.5)
        assert frames == [40_000_000, 80_000_000, 120_000_000]


async def test_a_second_commit_while_a_flip_is_pending_is_busy() -> None:
    refused: list[int] = []

    async def script(kms: Kms) -> None:
        first = kms.commit(kms.framebuffer(flat(1)))
        try:
            kms.commit(kms.framebuffer(flat(2)))
        except CommitRefused as error:
            refused.append(error.error)
        await kms.wait(first.out)
        kms.commit(kms.framebuffer(flat(3)))

    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.1)
        assert refused == [-errno.EBUSY]
        assert value(machine) == 3


async def test_painted_over_and_committed_again_with_its_damage() -> None:
    damages: list[list[tuple[int, ...]]] = []

    async def script(kms: Kms) -> None:
        framebuffer = kms.framebuffer(flat(5))
        await kms.wait(kms.commit(framebuffer).out)
        framebuffer.pixels[8:12, 4:20] = 99
        await kms.wait(kms.commit(framebuffer, damage=[(4, 8, 16, 4)]).out)

    async with Machine(outputs=[MODE]) as machine:
        machine.listen(0, lambda frame: damages.append([tuple(rect) for rect in frame.damage]))
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.1)
        assert damages == [[(0, 0, 96, 64)], [(4, 8, 16, 4)]]
        assert (machine.screenshot()[8:12, 4:20, 0] == 99).all()
        assert machine.stats()["guests"][0]["commands"]["SET_SCANOUT_BLOB"] == 1


async def test_damage_counts_only_beside_a_picture_of_the_same_size() -> None:
    areas: list[int] = []

    async def script(kms: Kms) -> None:
        for size in ((96, 64), (96, 64), (64, 32)):
            framebuffer = kms.framebuffer(flat(5, *size))
            await kms.wait(kms.commit(framebuffer, damage=[(0, 0, 2, 3)]).out)

    def measure(frame: Frame) -> None:
        areas.append(sum(rect.width * rect.height for rect in frame.damage))

    async with Machine(outputs=[MODE]) as machine:
        machine.listen(0, measure)
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.2)
        assert areas == [96 * 64, 2 * 3, 96 * 64]


async def test_a_2d_resource_is_transferred_whole_but_where_it_is_shown_already() -> None:
    """The host's copy of a buffer is as old as the buffer's last turn."""
    transfers: list[int] = []

    async with Machine(outputs=[MODE]) as machine:

        async def script(kms: Kms) -> None:
            pictures = [Picture(np.full((64, 96), grey, np.uint8), resource="2d") for grey in (1, 2)]
            one, other = map(kms.framebuffer, pictures)
            for framebuffer in (one, other, one, one):
                framebuffer.pixels[0, 0] += 50
                await kms.wait(kms.commit(framebuffer, damage=[(0, 0, 1, 1)]).out)
                transfers.append(machine.stats()["guests"][0]["bytes"]["transfer"])

        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.3)
        whole = 4 * 96 * 64
        assert transfers == [whole, 2 * whole, 3 * whole, 3 * whole + 4]
        assert machine.screenshot()[0, :2, 0].tolist() == [151, 1]


async def test_a_cursor_appears_moves_and_goes() -> None:
    arrow = Picture(np.full((64, 64, 4), 255, np.uint8))
    seen: list[int] = []

    async def script(kms: Kms) -> None:
        cursor = kms.framebuffer(arrow)
        flip = kms.commit(kms.framebuffer(flat(0)), cursor=CursorState(cursor, (90, 60)))
        await kms.wait(flip.out)
        await kms.sleep(0.1)
        kms.set_cursor(CursorState(cursor, (-60, -61)))
        await kms.sleep(0.1)
        kms.set_cursor(CursorState(None))

    def count(frame: Frame) -> None:
        seen.append(int((frame.snapshot()[..., 0] == 255).sum()))

    async with Machine(outputs=[MODE]) as machine:
        machine.listen(0, count)
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.5)
        assert seen == [6 * 4, 4 * 3, 0]
        commands = machine.stats()["guests"][0]["commands"]
        assert (commands["UPDATE_CURSOR"], commands["MOVE_CURSOR"]) == (2, 1)


async def test_another_framebuffers_size_is_another_mode() -> None:
    async def script(kms: Kms) -> None:
        await kms.wait(kms.commit(kms.framebuffer(flat(100))).out)
        await kms.wait(kms.commit(kms.framebuffer(flat(200, 32, 16))).out)

    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.1)
        shot = machine.screenshot()
        assert (shot[:16, :32, 0] == 200).all()
        assert not shot[16:, :, :3].any()


async def test_a_script_hears_of_another_mode_and_follows_it() -> None:
    modes: list[tuple[int, int]] = []

    async def script(kms: Kms) -> None:
        display = kms.displays[0]
        while True:
            modes.append((display.width, display.height))
            await kms.wait(kms.commit(kms.framebuffer(flat(50, *modes[-1]))).out)
            (display,) = await kms.display_change()

    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.1)
        machine.set_mode(0, "200x100@50")
        await machine.run(seconds=0.1)
        assert modes == [(96, 64), (200, 100)]
        assert machine.screenshot().shape[:2] == (100, 200)
        assert value(machine) == 50


async def test_a_scanout_is_turned_off_and_on_again() -> None:
    async def script(kms: Kms) -> None:
        framebuffer = kms.framebuffer(flat(70))
        await kms.wait(kms.commit(framebuffer).out)
        kms.turn_off()
        await kms.sleep(0.1)
        await kms.wait(kms.commit(framebuffer).out)

    shots: list[NDArray[np.uint8]] = []
    async with Machine(outputs=[MODE]) as machine:
        machine.listen(0, lambda frame: shots.append(frame.snapshot()))
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.5)
        assert [int(shot[0, 0, 0]) for shot in shots] == [70, 0, 70]


async def test_a_framebuffer_that_is_given_up_leaves_the_screen_and_its_memory() -> None:
    free: list[int] = []

    async def script(kms: Kms) -> None:
        free.append(kms.driver.ram.free_bytes)
        framebuffer = kms.framebuffer(flat(70))
        await kms.wait(kms.commit(framebuffer).out)
        kms.destroy(framebuffer)
        with pytest.raises(Misuse, match="given up already"):
            kms.destroy(framebuffer)
        await kms.sleep(0.1)
        free.append(kms.driver.ram.free_bytes)

    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.5)
        assert free[0] == free[1]


async def test_two_scanouts_of_one_guest_and_buffers_that_come_back_apart() -> None:
    from compositor import Placement  # noqa: PLC0415

    async def script(kms: Kms) -> None:
        flips = [kms.commit(kms.framebuffer(flat(10 + i)), scanout=i) for i in range(2)]
        for flip in flips:
            await kms.wait(flip.out)
        again = kms.commit(kms.framebuffer(flat(30)), scanout=1, release_apart=True)
        assert again.release is not None
        await kms.wait(again.release)
        with pytest.raises(Misuse, match="there is no scanout 2; the device has 2"):
            kms.crtc(2)

    async with Machine(outputs=[MODE, MODE]) as machine:
        guest = ScriptedGuest(script, sync="out-fence")
        await machine.attach(guest, [Placement(output=0), Placement(output=1)])
        await machine.run(seconds=0.2)
        assert guest.finished
        assert [int(machine.screenshot(i)[0, 0, 0]) for i in range(2)] == [10, 30]


async def test_a_script_gives_the_same_run_every_time_and_begins_anew_with_a_boot() -> None:
    boots: list[int] = []

    async def script(kms: Kms) -> None:
        boots.append(kms.now_ns)
        for number in range(5):
            await kms.wait(kms.commit(kms.framebuffer(flat(number)), in_fence=kms.after(0.013)).out)

    digests = []
    for _ in range(2):
        async with Machine(outputs=[MODE]) as machine:
            guest = ScriptedGuest(script)
            await machine.attach(guest)
            await machine.run(seconds=0.05)
            guest.start()
            await machine.run(seconds=0.5)
            assert value(machine) == 4
            digests.append(machine.stats()["digest"])
    assert digests[0] == digests[1]
    assert boots == [0, 50_000_000] * 2


async def test_what_a_script_raises_ends_its_guest_in_one_line() -> None:
    lines: list[str] = []

    async def script(kms: Kms) -> None:
        await kms.sleep(0.05)
        raise ValueError("this test went wrong")

    async with Machine(outputs=[MODE], report=lines.append) as machine:
        await machine.attach(ScriptedGuest(script))
        with pytest.raises(GuestFailed, match="script was ended: ValueError: this test went wrong"):
            await machine.run(seconds=1.0)
        assert len(lines) == 1


async def test_a_script_that_awaits_the_event_loop_is_told_what_it_may_await() -> None:
    async def script(kms: Kms) -> None:
        await asyncio.sleep(0)

    async with Machine(outputs=[MODE], report=lambda _line: None) as machine:
        await machine.attach(ScriptedGuest(script))
        with pytest.raises(GuestFailed, match=r"its script awaits NoneType; .* kms\.wait, kms\.sleep"):
            await machine.run(seconds=1.0)


async def test_a_script_that_waits_for_ever_is_closed_with_its_machine() -> None:
    ended: list[str] = []

    async def script(kms: Kms) -> None:
        try:
            await kms.wait(kms.fence())
        finally:
            ended.append("closed")

    async with Machine(outputs=[MODE]) as machine:
        await machine.attach(ScriptedGuest(script))
        await machine.run(seconds=0.1)
        assert ended == []
    assert ended == ["closed"]


def not_async(kms: Kms) -> None:
    """No coroutine."""


@pytest.mark.parametrize("wrong", [7, not_async, lambda kms: None, "script"])
def test_what_is_no_script_is_refused(wrong: Any) -> None:
    with pytest.raises(Misuse, match=r"is no script; give a function `async def script\(kms\)`"):
        ScriptedGuest(wrong)


class Waits:
    """A script with a state of its own."""

    async def __call__(self, kms: Kms) -> None:
        await kms.sleep(0.01)


async def test_an_object_can_be_a_script() -> None:
    async with Machine(outputs=[MODE]) as machine:
        guest = ScriptedGuest(Waits(), name="waits")
        await machine.attach(guest)
        await machine.run(seconds=0.1)
        assert guest.finished


async def test_mistakes_in_a_script_are_one_line() -> None:
    async def script(kms: Kms) -> None:
        with pytest.raises(Misuse, match="time passes forwards only"):
            kms.after(-1)
        with pytest.raises(Misuse, match="commit: damage"):
            kms.commit(kms.framebuffer(flat(1)), damage=[(0, 0, 97, 1)])
        with pytest.raises(CommitRefused, match="a cursor of 96x64"):
            kms.set_cursor(CursorState(kms.framebuffer(flat(1))))

    async with Machine(outputs=[Output(MODE)], report=lambda _line: None) as machine:
        guest = ScriptedGuest(script)
        await machine.attach(guest)
        await machine.run(seconds=0.1)
        assert guest.finished
    with pytest.raises(Misuse, match="sync='never'"):
        ScriptedGuest(script, sync="never")
