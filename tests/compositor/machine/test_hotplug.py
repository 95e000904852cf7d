"""Monitors come, go and change while guests run: each guest hears of it, and follows."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine, Output, Placement
from compositor.errors import BadInput, Misuse
from compositor.record.recording import Recording
from guest import SimulatedGuest
from guest.workloads import create_workload


def plasma(width: int, height: int, frame: int) -> NDArray[np.uint8]:
    """What the workload draws, as a screenshot has it."""
    pixels = np.zeros((height, width, 4), np.uint8)
    create_workload("plasma").draw(frame, pixels)
    pixels[..., 3] = 255
    return pixels[..., [2, 1, 0, 3]]


def shown(machine: Machine, guest: int = 0) -> int:
    frames: dict[str, Any] = machine.stats()["guests"][guest]["frames"]
    presented: int = frames["presented"]
    return presented


async def test_an_unplugged_monitor_takes_the_picture_away_and_a_plugged_one_brings_another() -> None:
    async with Machine(outputs=[Output("320x240@60", name="left")]) as machine:
        guest = SimulatedGuest("plasma")
        await machine.attach(guest)
        await machine.run(frames=3)
        machine.unplug("left")
        await machine.run(seconds=0)
        assert guest.size is None
        assert not guest.driver.scanouts[0].enabled
        before = shown(machine)
        await machine.run(seconds=1)
        assert shown(machine) == before
        assert np.array_equal(machine.screenshot(), plasma(320, 240, 2))
        machine.plug("left", "160x120@75")
        await machine.run(seconds=0)
        assert guest.size == (160, 120)
        await machine.run(frames=2)  # the first is black: the guest is told, and draws for the next
        assert np.array_equal(machine.screenshot(), plasma(160, 120, 3))
        assert abs(guest.refresh_mhz - 75_000) < 750, "its EDID is another one"


async def test_guests_are_told_of_their_own_monitors_only() -> None:
    async with Machine(outputs=["320x240@60", "160x120@60"]) as machine:
        for output in (0, 1):
            await machine.attach(SimulatedGuest("plasma"), [Placement(output=output)])
        machine.set_mode(1, "128x96@60")
        await machine.run(seconds=0)
        machine.unplug(1)
        machine.plug(1)  # one interrupt says both
        await machine.run(seconds=0.1)
        asked = [guest["commands"]["GET_DISPLAY_INFO"] for guest in machine.stats()["guests"]]
    assert asked == [1, 3]


async def test_a_monitor_too_small_for_a_stamp_stays_dark() -> None:
    async with Machine(outputs=["64x48@60"]) as machine:
        guest = SimulatedGuest("plasma")
        await machine.attach(guest)
        machine.set_mode(0, "32x32@60")
        await machine.run(seconds=0.1)
        assert guest.size is None
        machine.set_mode(0, "40x16@60")
        await machine.run(seconds=0.1)
        assert guest.size == (40, 16)


async def test_a_new_output_comes_after_the_others_and_takes_guests() -> None:
    async with Machine(outputs=["160x120@60"]) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=2)
        assert machine.plug(Output("320x240@60")) == 1
        assert machine.outputs[1].name == "output-1"
        await machine.attach(SimulatedGuest("plasma"), [Placement(output=1)])
        await machine.run(seconds=0.05)
        assert machine.screenshot(1).shape == (240, 320, 4)
        assert [output["presented"] for output in machine.stats()["outputs"]] == [5, 3]


async def test_a_connector_waits_for_its_first_monitor() -> None:
    async with Machine(outputs=[Output("160x120@60", plugged=False)]) as machine:
        guest = SimulatedGuest("plasma")
        await machine.attach(guest)
        await machine.run(seconds=0.5)
        assert (machine.presented, guest.size) == (0, None)
        machine.plug(0)
        await machine.run(frames=2)
        assert guest.size == (160, 120)


async def test_a_flip_that_waits_for_a_vblank_is_given_back_when_the_monitor_goes() -> None:
    """Flushed, taken by the repaint, not yet on the screen: its fence must not stay out for ever."""
    async with Machine(outputs=["64x48@60"], repaint_delay_ns=5_000_000) as machine:
        guest = SimulatedGuest("plasma", render_ns=1_000_000)
        await machine.attach(guest)
        await machine.run(seconds=0.006)
        machine.unplug(0)
        machine.plug(0)
        await machine.run(frames=5)
        frames = machine.stats()["guests"][0]["frames"]
    assert frames["discarded"] == 1
    assert frames["torn"] == frames["early_reuse"] == 0


async def test_what_cannot_be_is_refused_by_name_and_the_screen_stays() -> None:
    outputs = [Output("64x48", name="a", position=(0, 0)), Output("64x48", name="b", position=(64, 0))]
    async with Machine(outputs=outputs) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.run(frames=2)
        for refused, message in (
            (
                lambda: machine.set_mode("a", "65x48"),
                r"b \(64x48@60 at 64,0\) overlaps a \(65x48@60 at 0,0\)",
            ),
            (lambda: machine.set_mode("c", "64x48"), "no output c; there are a, b"),
            (lambda: machine.set_mode(2, "64x48"), "no output 2; there are a, b"),
            (lambda: machine.unplug(Output("64x48", name="x")), "no output x; there are a, b"),
            (lambda: machine.plug(Output("64x48", position=(32, 32))), "output-2 .* overlaps a"),
            (lambda: machine.plug(Output("64x48", name="b")), "two outputs are called b"),
            (lambda: machine.plug(Output("64x48", position=(1 << 21, 0))), "is beyond 1048576 pixels"),
        ):
            with pytest.raises(BadInput, match=message):
                refused()
        with pytest.raises(Misuse, match="a is plugged in already"):
            machine.plug("a")
        machine.unplug("b")
        with pytest.raises(Misuse, match="b is not plugged in"):
            machine.unplug("b")
        machine.set_mode("a", "100x48")
        with pytest.raises(BadInput, match="overlaps"):
            machine.plug("b")
        await machine.run(frames=2)
        assert machine.screenshot().shape == (48, 100, 4)


def test_outputs_that_overlap_or_share_a_name_are_no_machine() -> None:
    with pytest.raises(BadInput, match=r"b .* overlaps a .* move one, or mirror a guest on both"):
        Machine(outputs=[Output("64x48", name="a"), Output("64x48", name="b", position=(63, 47))])
    with pytest.raises(BadInput, match="two outputs are called a"):
        Machine(outputs=[Output("64x48", name="a"), Output("64x48", name="a")])


async def test_sixteen_outputs_are_the_most() -> None:
    async with Machine(outputs=["64x48"] * 16) as machine:
        with pytest.raises(BadInput, match="16 outputs are there already"):
            machine.plug(Output("64x48"))


async def test_a_mirrored_guest_waits_for_both_monitors_and_loses_nothing_with_one() -> None:
    async with Machine(outputs=["64x48@60", "64x48@45"]) as machine:
        guest = SimulatedGuest("plasma", render_ns=1_000_000)
        await machine.attach(guest, [Placement(mirrors=(1,))])
        await machine.run(seconds=1)
        assert np.array_equal(machine.screenshot(0), machine.screenshot(1))
        both = shown(machine)
        assert both <= 45
        machine.unplug(0)
        assert guest.size == (64, 48), "the other one is there still"
        await machine.run(seconds=1)
        stats = machine.stats()
    frames = stats["guests"][0]["frames"]
    assert frames["torn"] == frames["early_reuse"] == 0
    assert 44 <= frames["presented"] - both <= 46
    assert stats["outputs"][1]["direct_scanout"] == stats["outputs"][1]["presented"]


async def test_one_picture_spans_two_monitors_and_both_scan_their_half_out() -> None:
    async with Machine(outputs=["64x48@60", "32x48@60"]) as machine:
        guest = SimulatedGuest("plasma")
        await machine.attach(guest, [Placement(output=None)])
        await machine.run(seconds=0.075)
        assert guest.size == (96, 48)
        whole = np.hstack([machine.screenshot(0), machine.screenshot(1)])
        assert np.array_equal(whole, plasma(96, 48, 3))
        machine.plug(Output("32x48@60"))
        await machine.run(seconds=0)
        assert guest.size == (128, 48)
        stats = machine.stats()
    assert [output["direct_scanout"] for output in stats["outputs"][:2]] == [4, 4]
    assert stats["guests"][0]["bytes"]["compose"] == 0


async def test_scanouts_move_to_another_monitor_and_are_raised_while_they_run() -> None:
    async with Machine(outputs=["64x48@60", "64x48@60"]) as machine:
        lower = await machine.attach(SimulatedGuest("plasma", name="lower", seed=1), [Placement()])
        upper = await machine.attach(SimulatedGuest("plasma", name="upper", seed=2), [Placement()])
        frame = await machine.next_frame()
        assert frame.frame_ids == {"lower": 0, "upper": 0}
        top = machine.screenshot()
        lower.raise_to_top()
        await machine.run(frames=1)
        assert not np.array_equal(machine.screenshot(), top)
        upper.put(0, Placement(output=1, x=8))
        await machine.run(frames=2)
        assert not machine.screenshot(1)[:, :8, :3].any()
        assert machine.screenshot(1)[:, 8:, :3].any()
        upper.put(0, Placement(output=1, clip=(16, 0, 16, 48)))
        await machine.run(frames=1)
        picture = machine.screenshot(1)
        assert picture[:, 16:32, :3].any()
        assert not picture[:, :16, :3].any()
        assert not picture[:, 32:, :3].any()
        with pytest.raises(BadInput, match="guest upper: no scanout 1; it has 1"):
            upper.put(1, Placement())
        with pytest.raises(BadInput, match="guest upper: no output 7"):
            upper.put(0, Placement(output=7))


async def test_a_guest_on_a_monitor_that_stands_upright_is_told_so_and_lies_on_it_turned() -> None:
    async with Machine(outputs=["96x64@60"]) as machine:
        guest = SimulatedGuest("plasma")
        attachment = await machine.attach(guest, [Placement(transform="90")])
        await machine.run(frames=2)
        assert guest.size == (64, 96)
        assert np.array_equal(machine.screenshot(), np.rot90(plasma(64, 96, 1)))
        attachment.put(0, Placement(opacity=0.0))
        await machine.run(frames=2)
        assert not machine.screenshot()[..., :3].any()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (Placement(mirrors=(0,)), "an output cannot mirror itself"),
        (Placement(mirrors=(9,)), "no output 9; there are 2"),
        (Placement(output=None, mirrors=(1,)), "a place in the layout has none"),
        (Placement(opacity=1.5), "opacity 1.5 is not in 0 to 1"),
        (Placement(transform="45"), 'there is no transform "45"; there are normal, 90'),
    ],
)
async def test_impossible_places_are_refused(place: Placement, message: str) -> None:
    async with Machine(outputs=["64x48", "64x48"]) as machine:
        with pytest.raises(BadInput, match=message):
            await machine.attach(SimulatedGuest("plasma"), [place])


async def test_a_recording_holds_monitors_that_come_and_go_and_scanouts_that_move(tmp_path: Path) -> None:
    path = tmp_path / "storm.rec"
    async with Machine(outputs=["64x48@60", Output("64x48@30", plugged=False)], record=path) as machine:
        guest = await machine.attach(SimulatedGuest("plasma"), [Placement(mirrors=(1,))])
        await machine.run(seconds=0.1)
        machine.plug(1, "80x60@50")
        await machine.run(seconds=0.1)
        machine.unplug(0)
        machine.plug(Output("48x32@60", name="third"))
        guest.put(0, Placement(output=2, x=3))
        await machine.run(seconds=0.1)
        recorded = machine.stats()
    with Recording(path) as recording:
        async with Machine(outputs=recording.outputs, repaint="recorded") as machine:
            player = machine.replay(recording)
            await machine.run()
            replayed = machine.stats()
    assert player.differences == []
    assert replayed["digest"] == recorded["digest"]
    assert [o["presented"] for o in replayed["outputs"]] == [o["presented"] for o in recorded["outputs"]]
