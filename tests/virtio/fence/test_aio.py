"""Awaiting fences, and fences that come from other processes."""

from __future__ import annotations

import asyncio
import errno
import os
from typing import Any

import pytest

from virtio.errors import Misuse
from virtio.fence.aio import SyncFileReader, wait, wait_all
from virtio.fence.fence import Fence
from virtio.fence.sync_file import SyncFile


def foreign(fence: Fence) -> SyncFile:
    """A sync file as another process would get it."""
    with SyncFile.from_fence(fence, "gpu") as file:
        return SyncFile.adopt(os.dup(file.fileno()))


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


async def test_waiting_for_all_ends_with_the_last() -> None:
    fences = [Fence(), Fence()]
    waiting = asyncio.create_task(wait_all(fences))
    for fence in reversed(fences):
        await asyncio.sleep(0)
        assert not waiting.done()
        fence.signal()
    await waiting
    with pytest.raises(TimeoutError):
        await wait_all([*fences, Fence()], deadline=0)


async def test_a_followed_file_signals_a_fence_here() -> None:
    source = Fence(900, 7)
    with SyncFileReader(foreign(source)) as reader:
        assert reader.fence.describe() == f"fence gpu {reader.fence.context}:7"
        assert reader.fence.context != source.context
        assert reader.fence.producer == ("gpu", f"process {os.getpid()}")
        source.signal(-errno.EIO, now_ns=60)
        assert await wait(reader.fence) == -errno.EIO
        assert reader.fence.timestamp_ns == 60
        reader.close()


async def test_a_followed_file_that_has_signalled_already_signals_as_well() -> None:
    source = Fence()
    source.signal(now_ns=4)
    with SyncFileReader(foreign(source)) as reader:
        assert await wait(reader.fence) == 1


async def test_a_file_that_is_followed_no_more_ends_its_fence() -> None:
    source = Fence()
    reader = SyncFileReader(foreign(source))
    reader.close()
    assert reader.fence.status == -errno.ENOENT
    source.signal()


async def test_a_followed_file_can_be_merged() -> None:
    source, local = Fence(), Fence()
    with (
        SyncFileReader(foreign(source)) as reader,
        SyncFile.from_fence(local) as file,
        SyncFile.merge("both", reader.file, file) as merged,
    ):
        local.signal()
        source.signal()
        assert merged.status == 0  # the loop has not looked yet
        await wait(reader.fence)
        assert merged.status == 1


async def test_a_file_whose_fence_is_here_need_not_be_followed() -> None:
    with (
        SyncFile.from_fence(Fence(), "gpu") as file,
        pytest.raises(Misuse, match="sync file gpu need not be followed"),
    ):
        SyncFileReader(file)
