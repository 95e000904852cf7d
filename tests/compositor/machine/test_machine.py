import asyncio
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import compositor
import guest
from compositor import Machine, Output, Placement
from compositor.errors import BadInput, Misuse, WaitFailed
from compositor.machine.run import StopReason
from compositor.output.submission import Feedback, PresentationFlags, Presented
from guest import QemuGuest, SimulatedGuest
from guest.workloads import create_workload
from virtio.gpu.display import CursorImage


async def run_gears(seed: int = 7) -> tuple[dict[str, object], NDArray[np.uint8]]:
    async with Machine(outputs=["320x240@60"], seed=seed) as machine:
        await machine.attach(SimulatedGuest("gears"))
        await machine.run(seconds=0.5)
        return machine.stats(), machine.screenshot()


async def test_a_guest_that_fills_the_output_is_scanned_out_without_a_copy() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        assert await machine.run(seconds=1.0) is StopReason.SECONDS
        stats = machine.stats()
    (output,), (guest,) = stats["outputs"], stats["guests"]
    assert output["presented"] == output["direct_scanout"] == 60
    assert output["interval_ms"] == {"p50": 16.67, "p99": 16.67, "max": 16.67}
    assert guest["frames"] == {
        "submitted": 61, "presented": 60, "discarded": 0, "torn": 0, "early_reuse": 0,
    }  # fmt: skip
    assert guest["bytes"] == {"transfer": 0, "cursor": 0, "compose": 0, "upload": 0, "readback": 0}
    assert "TRANSFER_TO_HOST_2D" not in guest["commands"]
    assert guest["errors"] == {}


async def test_the_screenshot_is_what_the_workload_drew() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma", seed=3))
        await machine.run(frames=5)
        shot = machine.screenshot()
    drawn = np.zeros((240, 320, 4), np.uint8)
    create_workload("plasma", 3).draw(4, drawn)
    assert np.array_equal(shot[..., :3], drawn[..., 2::-1])
    assert (shot[..., 3] == 255).all()


async def test_runs_are_equal_to_the_nanosecond_and_the_pixel() -> None:
    first, shot = await run_gears()
    second, again = await run_gears()
    assert first["digest"] == second["digest"]
    assert np.array_equal(shot, again)
    other, _ = await run_gears(seed=8)
    assert other["digest"] != first["digest"]


async def test_frames_come_one_by_one_with_their_guests_ids() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        frames = [await machine.next_frame() for _ in range(3)]
    assert [frame.commit_seq for frame in frames] == [1, 2, 3]
    assert [frame.frame_ids for frame in frames] == [{"plasma": 0}, {"plasma": 1}, {"plasma": 2}]
    assert [frame.present_time_ns for frame in frames] == [16_666_667, 33_333_334, 50_000_000]


async def test_guests_share_an_output_in_their_places() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.attach(SimulatedGuest("gears"), [Placement(x=40, y=30, width=160, height=120)])
        await machine.attach(SimulatedGuest("gears"), [Placement(x=150, y=100, width=160, height=120)])
        await machine.run(frames=30)
        stats, shot = machine.stats(), machine.screenshot()
    assert [guest["name"] for guest in stats["guests"]] == ["plasma", "gears", "gears-2"]
    assert all(guest["frames"]["presented"] == 30 for guest in stats["guests"])
    assert stats["outputs"][0]["direct_scanout"] == 0
    background = np.zeros((240, 320, 4), np.uint8)
    create_workload("plasma").draw(29, background)
    same = (shot[..., :3] == background[..., 2::-1]).all(axis=2)
    assert same[:, :40].all()
    assert same[:30].all()
    assert not same[30:150, 40:200].all()


async def test_what_the_renderer_wrote_is_counted_by_guest() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"), [Placement(width=160, height=240)])
        await machine.attach(SimulatedGuest("gears"), [Placement(x=160, width=160, height=240)])
        await machine.run(frames=10)
        left, right = machine.stats()["guests"]
    assert left["bytes"]["compose"] == right["bytes"]["compose"] == 10 * 160 * 240 * 4
    assert left["bytes_per_frame"] == 160 * 240 * 4


async def test_a_guest_that_leaves_takes_its_picture_along_but_a_screenshot_keeps_it() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        attachment = await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=3)
        shot = machine.screenshot()
        await attachment.close()
        machine.guests.remove(attachment)
        blank = await machine.next_frame()
        assert not blank.snapshot()[..., :3].any()
        assert np.array_equal(machine.screenshot(), shot)


async def test_guests_follow_an_output_that_switches_mode() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=3)
        machine.set_mode(0, "160x120@30")
        await machine.run(seconds=1.0)
        stats, shot = machine.stats(), machine.screenshot()
        with pytest.raises(BadInput, match="10x10"):
            machine.set_mode(0, "10x10")
    (guest,) = stats["guests"]
    assert shot.shape == (120, 160, 4)
    assert stats["outputs"][0]["mode"] == "160x120@30"
    assert stats["outputs"][0]["missed_vblanks"] == 0
    assert guest["commands"]["GET_DISPLAY_INFO"] == 2
    assert guest["errors"] == {}
    drawn = np.zeros((120, 160, 4), np.uint8)
    create_workload("plasma").draw(guest["frames"]["presented"] - 1, drawn)
    assert np.array_equal(shot[..., :3], drawn[..., 2::-1])


async def test_a_frame_can_be_kept_by_its_number() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        machine.pictures.want("output-0", 2)
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=1)
        assert not machine.pictures.has("output-0")
        await machine.run(frames=4)
        shot = machine.screenshot()
    drawn = np.zeros((240, 320, 4), np.uint8)
    create_workload("plasma").draw(1, drawn)
    assert np.array_equal(shot[..., :3], drawn[..., 2::-1])


async def test_without_a_guest_virtual_time_passes_at_once_and_no_frame_comes() -> None:
    async with Machine() as machine:
        assert await machine.run(seconds=3600) is StopReason.SECONDS
        assert machine.clock.now_ns() == 3_600_000_000_000
        assert await machine.run() is StopReason.IDLE
        with pytest.raises(WaitFailed, match=r"^waited for a frame of output-0: nothing was left to happen"):
            await machine.next_frame()
        with pytest.raises(Misuse, match="there is no picture"):
            machine.screenshot()


async def test_a_run_can_be_stopped_from_outside() -> None:
    async with Machine(outputs=["64x64@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        asyncio.get_running_loop().call_soon(machine.stop, StopReason.INTERRUPTED)
        assert await machine.run(seconds=10**6) is StopReason.INTERRUPTED


async def test_on_the_real_clock_frames_are_presented_too() -> None:
    async with Machine(outputs=["64x64@500"], clock="real") as machine:
        await machine.attach(SimulatedGuest("plasma"))
        assert await machine.run(frames=3) is StopReason.FRAMES
        assert machine.stats()["clock"] == "real"
        assert await machine.run(seconds=0.001) is StopReason.SECONDS


def broken() -> None:
    raise RuntimeError("broken")


async def test_what_a_callback_raises_ends_the_run() -> None:
    async with Machine(outputs=["64x64@500"], clock="real") as machine:
        machine.clock.call_at(0, broken)
        with pytest.raises(RuntimeError, match="broken"):
            await machine.run(seconds=60)


async def test_repainting_on_flush_presents_inside_the_flush() -> None:
    async with Machine(outputs=["320x240@60"], repaint="flush") as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=10)
        (guest,) = machine.stats()["guests"]
    assert guest["latency_ms"] == {"p50": 0.0, "p99": 0.0}


def test_the_parts_have_one_name_each() -> None:

    assert {name for name in compositor.__all__ if not hasattr(compositor, name)} == set()
    assert {name for name in guest.__all__ if not hasattr(guest, name)} == set()
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = compositor.nothing
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = guest.nothing


async def test_bad_input_is_refused_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="0 outputs: a machine has 1 to 16"):
        Machine(outputs=[])
    with pytest.raises(BadInput, match="the clock must be real"):
        Machine(window=True)
    with pytest.raises(BadInput, match="10x10"):
        Machine(outputs=["10x10"])
    with pytest.raises(Misuse, match="the machine is not running"):
        _ = Machine().clock
    async with Machine(outputs=[Output("64x64", name="left")]) as machine:
        with pytest.raises(BadInput, match="guest plasma: no output 1; there are 1"):
            await machine.attach(SimulatedGuest("plasma"), [Placement(output=1)])
        with pytest.raises(BadInput, match="guest plasma: width 4 is not in 16 to 8192"):
            await machine.attach(SimulatedGuest("plasma"), [Placement(width=4)])
        with pytest.raises(BadInput, match="keeps its own time"):
            await machine.attach(QemuGuest("pattern"))
        with pytest.raises(BadInput, match="keeps its own time"):
            machine.serve(tmp_path / "socket")
        assert machine.guests == []
        assert not machine.outputs[0].layers


async def test_an_idle_machine_has_no_appointments() -> None:
    async with Machine(outputs=["320x240@60", "64x48@75"]) as machine:
        for output in range(2):
            await machine.attach(SimulatedGuest("plasma", frames=1), [Placement(output=output)])
        assert await machine.run() is StopReason.IDLE
        assert machine.presented == 1
        assert machine.clock.now_ns() < 20_000_000


async def test_a_guest_that_stands_still_follows_another_mode() -> None:
    async with Machine(outputs=["320x240@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma", frames=1))
        await machine.run(seconds=1)
        machine.set_mode(0, "160x120@60")
        await machine.run(seconds=1)
        assert machine.screenshot().shape == (120, 160, 4)
        assert machine.screenshot().max() > 0
        assert machine.stats()["guests"][0]["frames"]["submitted"] == 2


async def test_every_flush_is_answered_by_feedback() -> None:
    heard: list[tuple[str, Feedback]] = []
    async with Machine(outputs=["320x240@60"]) as machine:
        guest = await machine.attach(SimulatedGuest("plasma", frames=3))
        guest.display.listeners.append(lambda scanout, feedback: heard.append((scanout, feedback)))
        await machine.run(seconds=1)
    assert [scanout for scanout, _ in heard] == ["plasma"] * 3
    last = heard[-1][1]
    assert isinstance(last, Presented)
    assert (last.commit, last.frame_seq, last.seq, last.time_ns) == (3, 3, 3, 50_000_000)
    assert last.flags == PresentationFlags(0xF)


async def test_a_cursor_that_moves_a_thousand_times_a_second_repaints_nothing() -> None:
    """And it is in the screenshot all the same."""
    windows = [Placement(x=x, width=100, height=90) for x in (0, 110)]
    red = np.zeros((64, 64, 4), np.uint8)
    red[:32, :32] = (0, 0, 255, 255)
    async with Machine(outputs=["320x240@60"], repaint="flush") as machine:
        guests = [await machine.attach(SimulatedGuest("plasma", frames=1), [place]) for place in windows]
        await machine.run()
        display = guests[0].display
        display.set_cursor(0, CursorImage(red, 0, 0), 0, 0)
        await machine.run()
        before, now_ns = machine.stats(), machine.clock.now_ns()
        for step in range(1000):
            machine.clock.call_at(
                now_ns + step * 1_000_000, partial(display.move_cursor, 0, step % 60, step % 50)
            )
        await machine.run()
        stats, picture = machine.stats(), machine.screenshot()
    assert 50 < machine.outputs[0].commit_seq < 70  # once in a refresh
    assert [guest["bytes"] for guest in stats["guests"]] == [guest["bytes"] for guest in before["guests"]]
    assert (picture[49:81, 39:71] == (255, 0, 0, 255)).all()
    (cursor,) = [use for use in stats["outputs"][0]["planes"] if use["layer"] == "plasma-cursor"]
    assert (cursor["plane"], cursor["why"]) == ("cursor", "it is the cursor")
