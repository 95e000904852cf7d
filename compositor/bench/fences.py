"""A million fences: what one costs to make, to signal and to wait for, and what is left of it afterwards.

The peers are what Python has for the same purpose: `asyncio.Event` (no callbacks; a coroutine waits),
`asyncio.Future` (its callbacks run later, from the loop) and `concurrent.futures.Future` (its callbacks run
at once, as a fence's do; it has locks). None of them has a number, an order or a time.
"""

from __future__ import annotations

import asyncio
import gc
import platform
import sys
import time
import tracemalloc
from collections.abc import Callable, Coroutine
from concurrent.futures import Future as ThreadFuture
from typing import Any, TypeVar

from compositor.bench.report import Measure, Report, Row, interleave
from virtio.fence import Fence, Timeline
from virtio.fence.aio import wait

T = TypeVar("T")

_COUNT = 1_000_000
_RUNS = 5
_MEASURED = _COUNT // _RUNS  # a run, so that a million are seen in all
_AWAITED = _MEASURED // 4  # a coroutine costs ten times as much as what it waits for
_BATCH = 10_000  # alive at a time


def run() -> Report:
    """Nanoseconds for each step of a fence's life, bytes while it lives, and blocks left after a million."""
    loop = asyncio.new_event_loop()
    try:
        rows = [
            _create(loop),
            _signal(loop),
            _callback(loop),
            _coroutine(),
            _timeline(),
            _timeline_batch(),
            _bytes(loop),
            _left(),
        ]
    finally:
        loop.close()
    return Report("fences", rows, {"python": platform.python_version()})


def per_item(make: Callable[[], list[T]], act: Callable[[list[T]], object]) -> Measure:
    """A measurement: nanoseconds that `act` takes an item, over many of them, in batches."""

    def measure() -> float:
        spent = 0.0
        for _ in range(_MEASURED // _BATCH):
            batch = make()
            start = time.perf_counter_ns()
            act(batch)
            spent += time.perf_counter_ns() - start
        return spent / _MEASURED

    return measure


def fences() -> list[Fence]:
    """A batch, each of a context of its own."""
    return [Fence() for _ in range(_BATCH)]


def events() -> list[asyncio.Event]:
    """A batch."""
    return [asyncio.Event() for _ in range(_BATCH)]


def thread_futures() -> list[ThreadFuture[None]]:
    """A batch."""
    return [ThreadFuture() for _ in range(_BATCH)]


def loop_futures(loop: asyncio.AbstractEventLoop) -> Callable[[], list[asyncio.Future[None]]]:
    """Makes batches of futures of `loop`."""
    return lambda: [asyncio.Future(loop=loop) for _ in range(_BATCH)]


def _create(loop: asyncio.AbstractEventLoop) -> Row:
    def creating(make: Callable[[], object]) -> Measure:
        return per_item(list, lambda _: make())

    peers = {
        "asyncio.Event": creating(events),
        "asyncio.Future": creating(loop_futures(loop)),
        "concurrent.futures.Future": creating(thread_futures),
    }
    return interleave("create", "ns", creating(fences), peers, runs=_RUNS)


def _signal(loop: asyncio.AbstractEventLoop) -> Row:
    """A fence that has no waiter signals."""

    def ours(batch: list[Fence]) -> None:
        for fence in batch:
            fence.signal()

    def event(batch: list[asyncio.Event]) -> None:
        for each in batch:
            each.set()

    def loop_future(batch: list[asyncio.Future[None]]) -> None:
        for each in batch:
            each.set_result(None)

    def thread_future(batch: list[ThreadFuture[None]]) -> None:
        for each in batch:
            each.set_result(None)

    peers = {
        "asyncio.Event": per_item(events, event),
        "asyncio.Future": per_item(loop_futures(loop), loop_future),
        "concurrent.futures.Future": per_item(thread_futures, thread_future),
    }
    return interleave("signal", "ns", per_item(fences, ours), peers, runs=_RUNS)


def _callback(loop: asyncio.AbstractEventLoop) -> Row:
    """One callback is added, the signal comes, and the callback has run."""

    def heard(_done: object) -> None:
        pass

    async def turn() -> None:
        pass

    def ours(batch: list[Fence]) -> None:
        for fence in batch:
            fence.add_callback(heard)
        for fence in batch:
            fence.signal()

    def loop_future(batch: list[asyncio.Future[None]]) -> None:
        for each in batch:
            each.add_done_callback(heard)
        for each in batch:
            each.set_result(None)
        loop.run_until_complete(turn())

    def thread_future(batch: list[ThreadFuture[None]]) -> None:
        for each in batch:
            each.add_done_callback(heard)
        for each in batch:
            each.set_result(None)

    peers = {
        "asyncio.Future": per_item(loop_futures(loop), loop_future),
        "concurrent.futures.Future": per_item(thread_futures, thread_future),
    }
    return interleave("wait-callback", "ns", per_item(fences, ours), peers, runs=_RUNS)


def _coroutine() -> Row:
    """A task that waits is made, the signal comes, and the task has ended."""

    def waiting(
        make: Callable[[], list[T]],
        suspend: Callable[[T], Coroutine[Any, Any, object]],
        wake: Callable[[T], None],
    ) -> Measure:
        async def batches() -> float:
            spent = 0
            for _ in range(_AWAITED // _BATCH):
                batch = make()
                start = time.perf_counter_ns()
                tasks = [asyncio.create_task(suspend(each)) for each in batch]
                await asyncio.sleep(0)
                for each in batch:
                    wake(each)
                await asyncio.gather(*tasks)
                spent += time.perf_counter_ns() - start
            return spent / _AWAITED

        return lambda: asyncio.run(batches())

    ours = waiting(fences, wait, lambda fence: fence.signal())
    peers = {"asyncio.Event": waiting(events, lambda event: event.wait(), lambda event: event.set())}
    return interleave("wait-coroutine", "ns", ours, peers, runs=_RUNS)


def _timeline() -> Row:
    """A fence is made on a timeline, and the timeline reaches it: the way of every frame."""

    def ours() -> float:
        timeline = Timeline("bench")
        start = time.perf_counter_ns()
        for seqno in range(1, _MEASURED + 1):
            timeline.fence(seqno)
            timeline.signal(seqno)
        return (time.perf_counter_ns() - start) / _MEASURED

    def event() -> float:
        start = time.perf_counter_ns()
        for _ in range(_MEASURED):
            asyncio.Event().set()
        return (time.perf_counter_ns() - start) / _MEASURED

    return interleave("timeline", "ns", ours, {"asyncio.Event": event}, runs=_RUNS)


def _timeline_batch() -> Row:
    """Fences that are outstanding on a timeline, and one call that reaches them all."""

    def outstanding() -> list[Timeline]:
        timeline = Timeline("bench")
        for seqno in range(1, _BATCH + 1):
            timeline.fence(seqno)
        return [timeline]

    def event(batch: list[asyncio.Event]) -> None:
        for each in batch:
            each.set()

    ours = per_item(outstanding, lambda batch: batch[0].signal(_BATCH))
    return interleave("timeline-batch", "ns", ours, {"asyncio.Event": per_item(events, event)}, runs=_RUNS)


def _bytes(loop: asyncio.AbstractEventLoop) -> Row:
    """The memory of a fence that has no waiter yet."""

    def traced(make: Callable[[], list[T]]) -> Measure:
        def measure() -> float:
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            batch = make()
            used = tracemalloc.get_traced_memory()[0] - before - sys.getsizeof(batch)
            tracemalloc.stop()
            return used / _BATCH

        return measure

    peers = {
        "asyncio.Event": traced(events),
        "asyncio.Future": traced(loop_futures(loop)),
        "concurrent.futures.Future": traced(thread_futures),
    }
    return interleave("memory-alive", "B", traced(fences), peers, runs=_RUNS)


def _left() -> Row:
    """Blocks of memory that a million lives with a callback have left allocated."""

    def heard(_fence: Fence) -> None:
        pass

    def left() -> int:
        gc.collect()
        before = sys.getallocatedblocks()
        timeline = Timeline("bench")
        for seqno in range(1, _COUNT + 1):
            timeline.fence(seqno).add_callback(heard)
            timeline.signal(seqno)
        del timeline, seqno
        gc.collect()
        return sys.getallocatedblocks() - before

    left()  # what the first time allocates for ever, such as caches, is no growth
    return Row("memory-after-1M", "blocks", left(), {}, None, None, None, 1)
