"""Waiting for a machine: what happened, in time, or a message that says what every party was about."""

from __future__ import annotations

import asyncio

import pytest

from compositor import Machine, Output, Placement
from compositor.errors import BadInput, Misuse, ScanoutError, WaitFailed
from compositor.machine.run import StopReason
from guest import SimulatedGuest
from virtio.fence import Fence, Producer

PERIOD_NS = 16_666_667
BEYOND = Placement(output=None, x=5000, width=64, height=64)


def machine(*outputs: str | Output, report: list[str] | None = None) -> Machine:
    return Machine(
        outputs=outputs or ["64x48@60"], report=lambda line: None if report is None else report.append(line)
    )


async def test_frames_come_without_a_gap() -> None:
    async with machine() as it:
        await it.attach(SimulatedGuest("plasma"))
        assert [frame.commit_seq for frame in await it.frames(3)] == [1, 2, 3]
        assert (await it.next_frame("output-0")).commit_seq == 4
        assert (await it.next_frame(it.outputs[0])).commit_seq == 5


async def test_a_condition_ends_the_wait_at_the_very_event() -> None:
    async with machine() as it:
        guest = await it.attach(SimulatedGuest("plasma"))
        assert await it.until(lambda: guest.frames["presented"] // 4) == 1
        assert it.presented == 4
        assert it.clock.now_ns() == 4 * PERIOD_NS - 1
        now_ns = it.clock.now_ns()
        assert await it.until(lambda: "true already") == "true already"
        assert it.clock.now_ns() == now_ns


async def test_what_a_predicate_raises_fails_the_wait() -> None:
    async with machine() as it:
        await it.attach(SimulatedGuest("plasma"))

        def ask() -> bool:
            return it.presented > 2 and 1 / 0 > 0

        with pytest.raises(ZeroDivisionError):
            await it.until(ask)
        assert it.presented == 3
        assert (await it.next_frame()).commit_seq == 4


async def test_a_guest_that_stops_settles_and_idles() -> None:
    async with machine() as it:
        await it.attach(SimulatedGuest("plasma", frames=3))
        await it.settled(5)
        assert it.presented == 3
        assert it.clock.now_ns() == pytest.approx(8 * PERIOD_NS, abs=10)
        await it.settled(1)
        await it.idle()
        assert await it.run() is StopReason.IDLE


async def test_a_guest_that_draws_on_does_not_settle_nor_idle() -> None:
    async with machine() as it:
        await it.attach(SimulatedGuest("plasma"))
        with pytest.raises(
            WaitFailed, match=r"stand still for 2 refreshes: not within 0\.5 s of the run's clock"
        ):
            await it.settled(within=0.5)
        assert it.clock.now_ns() == 500_000_000
        with pytest.raises(WaitFailed, match="nothing to be under way: not within"):
            await it.idle(within=0.5)


async def test_a_guests_next_frame_is_heard_of() -> None:
    async with machine() as it:
        guest = await it.attach(SimulatedGuest("plasma"))
        assert (await it.next_presented(guest)).frame_seq == 1
        assert (await it.next_presented("plasma")).frame_seq == 2
        assert not guest.display.listeners


async def test_a_fence_is_waited_for() -> None:
    async with machine() as it:
        guest = await it.attach(SimulatedGuest("plasma"))
        assert await it.fence(guest.next_presented()) == 1
        assert it.presented == 1
        done = Fence()
        done.signal(-5)
        assert await it.fence(done) == -5


async def test_a_deadline_says_what_every_party_is_about() -> None:
    async with machine("64x48@60", "64x48@30") as it:
        guest = await it.attach(SimulatedGuest("plasma", name="left"))
        guest.display.hold_ns = 10**12
        await it.run(seconds=0.1)
        lost = Fence(7, 3, producer=Producer("render", "the GPU"))
        with pytest.raises(WaitFailed) as failure:
            await it.fence(lost, within=0.2)
    assert str(failure.value) == (
        "waited for fence render 7:3, held by the GPU: not within 0.2 s of the run's clock"
    )
    name = asyncio.current_task().get_name()  # type: ignore[union-attr]
    assert failure.value.parties == (
        f"task {name}: waits for fence render 7:3, held by the GPU, until 0.300000 s at the latest",
        "output output-0: 1 frames were presented",
        "output output-1: 0 frames were presented; no guest can be seen on it",
        "guest left (simulated): 1 of 1 frames presented; its last command was RESOURCE_FLUSH",
        next(party for party in failure.value.parties if "held by output-0" in party),
        next(
            party
            for party in failure.value.parties
            if party.startswith("time: 0.300000 s of the virtual clock")
        ),
    )
    assert tuple(failure.value.__notes__) == failure.value.parties
    assert "waits for fence left" in failure.value.parties[4]
    assert failure.value.parties[4].endswith(", held by output-0, for 300 ms")


@pytest.mark.parametrize(
    ("outputs", "place"),
    [
        (["64x48@60"], BEYOND),
        (["64x48@60"], Placement(clip=(5000, 0, 10, 10))),
        (["64x48@60", "64x48@60"], Placement(output=1)),
    ],
)
async def test_what_no_guest_can_bring_about_is_said_at_once(outputs: list[str], place: Placement) -> None:
    async with machine(*outputs) as it:
        await it.attach(SimulatedGuest("plasma"), [place])
        with pytest.raises(WaitFailed, match="a frame of output-0: no guest can be seen on that output"):
            await it.next_frame(within=None)
        assert await it.run(frames=1) is StopReason.UNSEEN
        with pytest.raises(WaitFailed, match="no guest can be seen"):
            await it.settled(within=None)
        assert it.clock.now_ns() < 10 * 10**9


async def test_a_guest_that_comes_into_sight_by_plan_is_waited_for() -> None:
    async with machine() as it:
        guest = await it.attach(SimulatedGuest("plasma"), [BEYOND])
        it.clock.call_at(2 * 10**9, lambda: guest.put(0, Placement()))
        assert (await it.next_frame()).present_time_ns > 2 * 10**9


async def test_an_unplugged_output_shows_nothing() -> None:
    async with machine("64x48@60", "64x48@60") as it:
        await it.attach(SimulatedGuest("plasma"), [Placement(output=0, mirrors=(1,))])
        it.unplug(0)
        with pytest.raises(WaitFailed, match="no guest can be seen"):
            await it.next_frame(0, within=None)
        assert (await it.next_frame(1)).output == "output-1"


async def test_two_tasks_wait_at_once_and_hear_of_their_own() -> None:
    async with machine("64x48@60", "64x48@30") as it:
        await it.attach(SimulatedGuest("plasma", name="fast"))
        await it.attach(SimulatedGuest("plasma", name="slow"), [Placement(output=1)])

        async def times(output: int, count: int) -> list[int]:
            return [(await it.next_frame(output)).present_time_ns for _ in range(count)]

        fast, slow, frames, reason = await asyncio.gather(
            times(0, 10), times(1, 5), it.until(lambda: it.presented >= 7), it.run(seconds=0.5)
        )
        assert fast == [-(-n * 10**9 // 60) for n in range(1, 11)]
        assert slow == [-(-n * 10**9 // 30) for n in range(1, 6)]
        assert frames is True
        assert reason is StopReason.SECONDS
        assert it.clock.now_ns() == 500_000_000


async def test_one_wait_that_fails_leaves_the_other_alone() -> None:
    async with machine() as it:
        await it.attach(SimulatedGuest("plasma"))
        missed, frames = await asyncio.gather(
            it.until(lambda: False, within=0.05, what="the impossible"), it.frames(10), return_exceptions=True
        )
        assert isinstance(missed, WaitFailed)
        assert str(missed).startswith("waited for the impossible: not within 0.05 s")
        assert sum(party.startswith("task ") for party in missed.parties) == 2
        assert isinstance(frames, list)


async def test_a_task_that_acts_when_it_wakes_keeps_the_others_from_being_told_that_nothing_will_come() -> (
    None
):
    async with machine() as it:
        guest = await it.attach(SimulatedGuest("plasma"), [BEYOND])

        async def bring_in() -> None:
            await it.run(seconds=1)
            guest.put(0, Placement())

        frame, _ = await asyncio.gather(it.next_frame(), bring_in())
        assert 10**9 < frame.present_time_ns < 10**9 + 3 * PERIOD_NS


async def test_on_the_real_clock_waits_have_deadlines_too() -> None:
    async with Machine(outputs=["64x48@500"], clock="real") as it:
        guest = await it.attach(SimulatedGuest("plasma", frames=5))
        later = asyncio.create_task(it.until(lambda: it.presented >= 3))
        assert len(await it.frames(2)) == 2
        assert await later is True
        await it.settled()
        await it.idle()
        assert guest.frames["presented"] == 5
        with pytest.raises(WaitFailed, match=r"a frame of output-0: not within 0\.01 s"):
            await it.next_frame(within=0.01)
        assert await it.run(frames=3, seconds=0.01) is StopReason.SECONDS


async def test_a_machine_is_entered_once_and_in_one_loop() -> None:
    it = machine()
    with pytest.raises(Misuse, match="the machine is not running: use it as `async with"):
        await it.next_frame()
    async with it:
        with pytest.raises(Misuse, match="was entered before: a Machine runs once"):
            await it.__aenter__()
        await it.attach(SimulatedGuest("plasma"))
        elsewhere = asyncio.to_thread(asyncio.run, it.next_frame())
        with pytest.raises(Misuse, match="runs in another loop"):
            await elsewhere
        assert (await it.next_frame()).commit_seq == 1
    await it.__aexit__()
    for call in (it.next_frame(), it.run(), it.attach(SimulatedGuest("gears"))):
        with pytest.raises(Misuse, match="the machine is closed"):
            await call
    with pytest.raises(Misuse, match="was entered before"):
        async with it:
            pass


async def coroutine() -> bool:
    return True


async def test_plain_mistakes_have_plain_answers() -> None:
    async with machine() as it:
        await it.attach(SimulatedGuest("plasma"))
        with pytest.raises(Misuse, match="until: True is no predicate: give a function"):
            await it.until(True)  # type: ignore[arg-type]
        with pytest.raises(Misuse, match=r"until: coroutine at test_waiting\.py:\d+ is a coroutine function"):
            await it.until(coroutine)  # type: ignore[unused-coroutine]
        for wait, said in (
            (it.next_frame("left"), "no output left; there are output-0"),
            (it.next_frame(7), "no output 7; there are output-0"),
            (it.next_frame(within=-1), "within=-1: a number of seconds, 0 or more, is needed"),
            (it.next_frame(within="1"), "within='1': a number of seconds"),  # type: ignore[arg-type]
            (it.frames(0), "count=0: a whole number, 1 or more, is needed"),
            (it.frames(1.5), r"count=1\.5: a whole number"),  # type: ignore[arg-type]
            (it.settled(0), "refreshes=0: a whole number, 1 or more, is needed"),
            (it.run(seconds=-1), "seconds=-1: a number of seconds"),
            (it.run(seconds=float("nan")), "seconds=nan: a number of seconds"),
            (it.run(frames=-1), "frames=-1: a whole number, 0 or more"),
            (it.next_presented("gears"), "no guest 'gears'; there are plasma"),
            (it.fence(3), "fence=3: a virtio.fence.Fence is needed"),  # type: ignore[arg-type]
        ):
            with pytest.raises(ScanoutError, match=said) as failure:
                await wait
            assert isinstance(failure.value, BadInput | Misuse)
        assert it.clock.now_ns() == 0
        assert it.outputs[0].listeners.count(it.pictures.presented) == 1
