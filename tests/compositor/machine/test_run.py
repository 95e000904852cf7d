import asyncio

import pytest

from compositor.errors import RunFailed
from compositor.machine.run import Run, StopReason
from virtio.clock import Calendar
from virtio.clock.participant import Participant

LONG = 3600.0


def guest(calendar: Calendar, log: list[tuple[int, int]]) -> Participant:
    return Participant(
        calendar, "uml", resume=lambda now, bound: log.append((now, bound)), confine=lambda _: None
    )


async def test_what_is_due_at_the_end_still_happens() -> None:
    calendar, log = Calendar(), list[int]()
    for when in (5, 10, 11):
        calendar.call_at(when, lambda: log.append(calendar.now_ns()))
    assert await Run([]).on_virtual_time(calendar, 10, LONG) is StopReason.SECONDS
    assert log == [5, 10]
    assert await Run([]).on_virtual_time(calendar, None, LONG) is StopReason.IDLE
    assert calendar.now_ns() == 11


async def test_a_guest_in_another_process_is_waited_for() -> None:
    calendar, log, loop = Calendar(), list[tuple[int, int]](), asyncio.get_running_loop()

    def resume(now_ns: int, bound_ns: int) -> None:
        log.append((now_ns, bound_ns))
        loop.call_soon(participant.wait)

    def come() -> None:
        participant.request(3)
        participant.wait()

    participant = Participant(calendar, "uml", resume=resume, confine=lambda _: None)
    loop.call_soon(come)
    assert await Run([None]).on_virtual_time(calendar, 10, LONG) is StopReason.SECONDS
    assert log == [(3, 11)]


async def test_who_holds_time_and_says_nothing_is_named() -> None:
    calendar = Calendar()
    calendar.advance_to(1_500_000_000)
    participant = guest(calendar, [])
    with pytest.raises(
        RunFailed, match=r"stuck at 1\.500000000 s of virtual time: uml is starting for 0\.01 s"
    ):
        await Run([None]).on_virtual_time(calendar, None, 0.01)
    participant.leave()


async def test_who_may_take_his_time_to_come_is_not_called_stuck_before_he_has_come() -> None:
    calendar = Calendar()
    participant = guest(calendar, [])
    participant.be_patient(patient=True)

    async def come() -> None:
        for _ in range(100):
            await asyncio.sleep(0)
        participant.be_patient(patient=False)

    coming = asyncio.create_task(come())
    with pytest.raises(RunFailed, match="stuck"):
        await Run([None]).on_virtual_time(calendar, None, 0.0)
    assert coming.done()
    participant.leave()


async def test_the_run_ends_with_the_last_guest() -> None:
    calendar, log = Calendar(), list[tuple[int, int]]()
    participant = guest(calendar, log)

    async def live() -> None:
        await asyncio.sleep(0)
        participant.leave()

    end = asyncio.create_task(live())
    assert await Run([end]).on_virtual_time(calendar, None, LONG) is StopReason.GUESTS


async def test_what_a_guest_died_of_ends_the_run() -> None:
    calendar = Calendar()
    participant = guest(calendar, [])

    async def die() -> None:
        raise RunFailed("uml panicked")

    end = asyncio.create_task(die())
    with pytest.raises(RunFailed, match="uml panicked"):
        await Run([end]).on_virtual_time(calendar, None, LONG)
    participant.leave()


async def test_a_failure_is_raised_even_while_time_is_held() -> None:
    calendar = Calendar()
    participant = guest(calendar, [])
    run = Run([None])
    asyncio.get_running_loop().call_soon(run.fail, RunFailed("went back in time"))
    with pytest.raises(RunFailed, match="went back in time"):
        await run.on_virtual_time(calendar, None, LONG)
    participant.leave()


async def test_the_first_reason_to_stop_counts() -> None:
    run = Run([])
    run.stop(StopReason.FRAMES)
    run.stop(StopReason.WINDOW)
    run.fail(RunFailed("too late"))
    assert await run.on_virtual_time(Calendar(), None, LONG) is StopReason.FRAMES
