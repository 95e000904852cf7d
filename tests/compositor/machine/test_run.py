import asyncio

import pytest

from compositor.errors import RunFailed
from compositor.machine.run import Runs, StopReason, Wait
from virtio.clock import Calendar
from virtio.clock.calendar import Routine
from virtio.clock.participant import Participant

LONG = 3600.0


class Guest:
    """As much of one as a run knows; None: it never ends."""

    closed = False

    def __init__(self, ended: asyncio.Future[None] | None) -> None:
        self.ended = ended
        self.told = False

    @property
    def has_ended(self) -> bool:
        return self.ended is not None and self.ended.done()

    def hear_of_end(self) -> BaseException | None:
        told, self.told = self.told, True
        return None if told or self.ended is None else self.ended.exception()


async def run(
    calendar: Calendar,
    *ends: asyncio.Future[None] | None,
    end_ns: int | None = None,
    patience_s: float = LONG,
) -> StopReason:
    wait = Wait("the end", end_ns, lasts=end_ns is not None, whole=True)
    return await Runs(calendar, [Guest(end) for end in ends], patience_s).until(wait)


def guest(calendar: Calendar, log: list[tuple[int, int]]) -> Participant:
    return Participant(
        calendar, "uml", resume=lambda now, bound: log.append((now, bound)), confine=lambda _: None
    )


async def test_what_is_due_at_the_end_still_happens() -> None:
    calendar, log = Calendar(), list[int]()
    for when in (5, 10, 11):
        calendar.call_at(when, lambda: log.append(calendar.now_ns()))
    assert await run(calendar, end_ns=10) is StopReason.SECONDS
    assert log == [5, 10]
    assert await run(calendar) is StopReason.IDLE
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
    assert await run(calendar, None, end_ns=10) is StopReason.SECONDS
    assert log == [(3, 11)]


async def test_who_holds_time_and_says_nothing_is_named() -> None:
    calendar = Calendar()
    calendar.advance_to(1_500_000_000)
    participant = guest(calendar, [])
    with pytest.raises(
        RunFailed, match=r"stuck at 1\.500000000 s of virtual time: uml is starting for 0\.01 s"
    ):
        await run(calendar, None, patience_s=0.01)
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
        await run(calendar, None, patience_s=0.0)
    assert coming.done()
    participant.leave()


async def test_the_run_ends_with_the_last_guest() -> None:
    calendar, log = Calendar(), list[tuple[int, int]]()
    participant = guest(calendar, log)

    async def live() -> None:
        await asyncio.sleep(0)
        participant.leave()

    end = asyncio.create_task(live())
    assert await run(calendar, end) is StopReason.GUESTS


async def test_what_a_guest_died_of_ends_the_run() -> None:
    calendar = Calendar()
    participant = guest(calendar, [])

    async def die() -> None:
        raise RunFailed("uml panicked")

    end = asyncio.create_task(die())
    with pytest.raises(RunFailed, match="uml panicked"):
        await run(calendar, end)
    participant.leave()


async def test_a_failure_is_raised_even_while_time_is_held() -> None:
    calendar = Calendar()
    participant = guest(calendar, [])
    runs = Runs(calendar, [], LONG)
    asyncio.get_running_loop().call_soon(runs.fail, RunFailed("went back in time"))
    with pytest.raises(RunFailed, match="went back in time"):
        await runs.until(Wait("the end"))
    participant.leave()


async def test_the_first_reason_to_stop_counts() -> None:
    wait = Wait("the end")
    wait.finish(StopReason.FRAMES)
    wait.finish(StopReason.WINDOW)
    wait.fail(RunFailed("too late"))
    assert await Runs(Calendar(), [], LONG).until(wait) is StopReason.FRAMES


async def test_a_task_goes_on_before_time_does() -> None:
    """Two tasks wait; the one that wakes first sees the very moment that it has waited for, and the next."""
    calendar, seen = Calendar(), list[tuple[str, int]]()
    runs = Runs(calendar, [], LONG)
    for when in range(1, 100):
        calendar.call_at(when, lambda: None)

    async def steps(name: str, step: int) -> None:
        for end in range(step, 60, step):
            await runs.until(Wait(name, end, lasts=True))
            await asyncio.sleep(0)
            seen.append((name, calendar.now_ns()))

    await asyncio.gather(steps("threes", 3), steps("fives", 5))
    assert sorted(seen) == sorted(
        [("threes", end) for end in range(3, 60, 3)] + [("fives", end) for end in range(5, 60, 5)]
    )
    assert [time for _, time in seen] == sorted(time for _, time in seen)
    assert calendar.limit_ns == 57
    assert not runs.waits


async def test_a_task_that_is_cancelled_leaves_the_others_waiting() -> None:
    calendar = Calendar()
    runs = Runs(calendar, [], LONG)

    def forget() -> None:
        task.cancel()

    calendar.call_at(7, forget)
    task = asyncio.create_task(runs.until(Wait("for ever", 50, lasts=True)))
    assert await runs.until(Wait("the end", 10, lasts=True)) is StopReason.SECONDS
    assert task.cancelled()
    assert calendar.now_ns() == 10
    assert not runs.waits


async def test_what_recurs_by_itself_is_no_plan() -> None:
    calendar = Calendar()
    runs = Runs(calendar, [], LONG)

    def tick() -> None:
        calendar.call_at(calendar.now_ns() + 1, Routine(tick))

    tick()
    assert not calendar.has_plans
    plan = calendar.call_at(100, lambda: None)
    assert calendar.has_plans
    assert await runs.until(Wait("a frame", hopeless=lambda: True)) is StopReason.UNSEEN
    assert 100 <= calendar.now_ns() < 200
    assert not calendar.has_plans
    plan.cancel()
