"""Awaiting fences."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from virtio.fence.aio import wait
from virtio.fence.fence import Fence


async def test_waiting_for_what_has_signalled_does_not_suspend() -> None:
    fence = Fence()
    fence.signal(-5)
    waiting = wait(fence, deadline=0)
    with pytest.raises(StopIteration) as stopped:
        waiting.send(None)
    assert stopped.value.value == -5


async def test_all_who_wait_are_woken_with_the_status() -> None:
    fence = Fence()
    waiting = [asyncio.create_task(wait(fence)) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    fence.signal(-5)
    assert await asyncio.gather(*waiting) == [-5, -5, -5]


async def test_a_deadline_ends_the_wait_and_leaves_nothing_at_the_fence() -> None:
    fence = Fence(3, 4)
    with pytest.raises(TimeoutError, match="fence 3:4 has not signalled by its deadline"):
        await wait(fence, deadline=asyncio.get_running_loop().time())
    assert fence._callbacks == []


async def test_a_fence_that_signals_at_the_deadline_is_in_time() -> None:
    fence, loop = Fence(), asyncio.get_running_loop()
    waiting = asyncio.create_task(wait(fence, deadline=loop.time()))
    await asyncio.sleep(0)  # it waits, and its deadline is due next
    loop.call_soon(fence.signal)
    assert await waiting == 1


async def test_a_fence_that_signals_before_the_deadline_leaves_no_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fence, loop = Fence(), asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []
    call_at = loop.call_at

    def record(*args: Any) -> asyncio.TimerHandle:
        timers.append(call_at(*args))
        return timers[-1]

    monkeypatch.setattr(loop, "call_at", record)
    loop.call_soon(fence.signal)
    assert await wait(fence, deadline=loop.time() + 3600) == 1
    assert [timer.cancelled() for timer in timers] == [True]


async def test_a_wait_that_is_cancelled_leaves_nothing_at_the_fence() -> None:
    fence = Fence()
    waiting = asyncio.create_task(wait(fence))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert fence._callbacks == []


async def test_a_wait_that_is_cancelled_while_the_fence_signals_is_cancelled() -> None:
    fence = Fence()
    waiting = asyncio.create_task(wait(fence))
    await asyncio.sleep(0)
    waiting.cancel()
    fence.signal()
    with pytest.raises(asyncio.CancelledError):
        await waiting
