import asyncio

from virtio.clock.real import RealClock


async def test_it_starts_at_zero_and_runs_callbacks_not_early() -> None:
    clock = RealClock()
    assert clock.now_ns() >= 0
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    clock.call_at(1_000_000, lambda: done.set_result(clock.now_ns()))
    # asyncio runs a timer within its clock's resolution of the appointed time.
    assert await done >= 999_000


async def test_a_cancelled_callback_never_runs() -> None:
    clock = RealClock()
    log: list[str] = []
    clock.call_at(0, lambda: log.append("cancelled")).cancel()
    done = asyncio.Event()
    clock.call_at(0, done.set)
    await done.wait()
    assert log == []
