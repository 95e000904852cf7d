"""Several fences as one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import Misuse
from virtio.fence.array import FenceArray, merge, unwrap
from virtio.fence.fence import Fence
from virtio.fence.timeline import Timeline


def signaled(now_ns: int | None = None, error: int | None = None) -> Fence:
    fence = Fence()
    fence.signal(error, now_ns=now_ns)
    return fence


def test_an_array_of_all_signals_with_the_last_at_the_latest_time() -> None:
    fences = [Fence(), signaled(30), Fence()]
    array = FenceArray(fences)
    heard: list[Fence] = []
    array.add_callback(heard.append)
    fences[2].signal(now_ns=20)
    assert not array.signaled
    fences[0].signal(now_ns=10)
    assert (array.status, array.timestamp_ns, heard) == (1, 30, [array])


def test_an_array_of_fences_that_have_signalled_has_signalled() -> None:
    assert FenceArray([signaled(1), signaled(2)]).timestamp_ns == 2
    assert FenceArray([signaled()]).timestamp_ns is None


def test_an_array_ends_with_the_first_error() -> None:
    fences = [Fence(), Fence(), Fence()]
    array = FenceArray(fences)
    fences[1].signal(-5)
    fences[0].signal(-110)
    assert (array.signaled, array.error) == (False, -5)
    fences[2].signal()
    assert array.status == -5


def test_an_array_that_another_ends_hears_no_more() -> None:
    fence = Fence()
    array = FenceArray([fence])
    array.signal(-125)
    fence.signal()
    assert array.status == -125


def test_a_fence_may_be_in_an_array_twice() -> None:
    fence = Fence()
    array = FenceArray([fence, fence])
    fence.signal()
    assert array.signaled


def test_an_array_of_nothing_is_refused() -> None:
    with pytest.raises(Misuse, match="no fences would never signal"):
        FenceArray([])


def test_unwrapping_goes_through_arrays_in_arrays() -> None:
    a, b, c = Fence(), Fence(), Fence()
    assert list(unwrap(FenceArray([a, FenceArray([b, FenceArray([c])]), c]))) == [a, b, c, c]
    assert list(unwrap(a)) == [a]


def test_merging_drops_what_has_signalled_and_keeps_the_latest_of_each_context() -> None:
    second, first = Timeline(context=2000), Timeline(context=1000)
    fences = [second.fence(3), first.fence(8), second.fence(9), first.fence(7), signaled(-5)]
    merged = merge(*fences)
    assert isinstance(merged, FenceArray)
    assert [(fence.context, fence.seqno) for fence in merged.fences] == [(1000, 8), (2000, 9)]


def test_merging_arrays_makes_one_flat_array() -> None:
    fences = [Fence() for _ in range(4)]
    merged = merge(FenceArray(fences[2:]), FenceArray([fences[0], FenceArray(fences[1:3])]))
    assert isinstance(merged, FenceArray)
    assert merged.fences == tuple(fences)


def test_what_remains_alone_is_not_wrapped() -> None:
    fence = Fence()
    assert merge(signaled(), fence, fence) is fence


def test_merging_what_has_signalled_makes_a_fence_that_has_at_the_latest_time() -> None:
    assert merge(signaled(20), signaled(30), signaled()).timestamp_ns == 30
    assert merge(signaled(20, error=-5)).status == 1
    assert (merge().status, merge().timestamp_ns) == (1, None)


@given(
    lines=st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=4), min_size=1, max_size=4),
    steps=st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2)), max_size=30),
    before=st.integers(0, 6),
)
def test_a_merged_fence_signals_exactly_when_all_of_its_parts_have(
    lines: list[list[int]], steps: list[tuple[int, int]], before: int
) -> None:
    timelines = [Timeline() for _ in lines]
    fences = [line.fence(n) for line, seqnos in zip(timelines, lines, strict=True) for n in seqnos]
    for line in timelines:
        line.signal(before // len(lines))
    merged = merge(*fences)
    assert merged.signaled == all(fence.signaled for fence in fences)
    for index, ahead in steps:
        line = timelines[index % len(timelines)]
        line.signal(line.value + ahead)
        assert merged.signaled == all(fence.signaled for fence in fences)
