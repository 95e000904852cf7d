"""Timelines that are fed fences."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import Misuse, ProtocolFault
from virtio.fence.fence import Fence
from virtio.fence.syncobj import InvalidPoint, Syncobj, UnorderedPoint


def test_a_point_is_reached_when_all_work_up_to_it_is_done() -> None:
    syncobj = Syncobj()
    work = {point: Fence() for point in (2, 5)}
    waits = {point: syncobj.fence(point) for point in (1, 2, 3, 5)}
    for point, fence in work.items():
        syncobj.submit(point, fence)
    work[5].signal(now_ns=10)
    assert (syncobj.value, [fence.status for fence in waits.values()]) == (0, [0, 0, 0, 0])
    work[2].signal(now_ns=20)
    assert (syncobj.value, [fence.status for fence in waits.values()]) == (5, [1, 1, 1, 1])
    assert [fence.timestamp_ns for fence in waits.values()] == [20, 20, 10, 10]


def test_one_can_wait_for_a_point_before_anything_is_submitted() -> None:
    syncobj = Syncobj()
    fence = syncobj.fence(4)
    syncobj.signal(3, now_ns=1)
    assert (fence.signaled, syncobj.submitted) == (False, 3)
    syncobj.signal(9, now_ns=2)
    assert (fence.status, fence.timestamp_ns, syncobj.value) == (1, 2, 9)
    assert syncobj.fence(4).signaled


def test_the_error_of_the_work_ends_the_waits_for_it() -> None:
    syncobj = Syncobj()
    waits = [syncobj.fence(point) for point in (1, 2, 3)]
    syncobj.signal(1)
    failed = Fence()
    syncobj.submit(3, failed)
    failed.signal(-errno.EIO)
    assert [fence.status for fence in waits] == [1, -errno.EIO, -errno.EIO]


@pytest.mark.parametrize("point", [0, -1, 1 << 64])
def test_points_are_64_bit_numbers_above_0(point: int) -> None:
    syncobj = Syncobj("client 3")
    for use in (syncobj.fence, syncobj.signal):
        with pytest.raises(InvalidPoint, match=f"client 3: no point has the number {point}"):
            use(point)
    syncobj.signal((1 << 64) - 1)
    assert syncobj.value == (1 << 64) - 1


def test_a_point_comes_after_all_that_were_submitted() -> None:
    syncobj = Syncobj("client 3")
    pending = Fence()
    syncobj.submit(4, pending)
    for point in (4, 3):
        with pytest.raises(UnorderedPoint, match=f"client 3: point {point} comes after point 4"):
            syncobj.submit(point, Fence())
    assert issubclass(UnorderedPoint, ProtocolFault)
    pending.signal()
    assert syncobj.value == 4


def test_closing_ends_every_wait_and_lets_go_of_the_work() -> None:
    work = Fence()
    with Syncobj("client 3") as syncobj:
        submitted, future = syncobj.fence(1), syncobj.fence(2)
        syncobj.submit(1, work)
    assert [submitted.status, future.status] == [-errno.ENOENT, -errno.ENOENT]
    assert syncobj.closed
    work.signal()
    assert syncobj.value == 0
    syncobj.close()
    with pytest.raises(Misuse, match="client 3 is closed"):
        syncobj.signal(2)
    assert syncobj.submitted == 1


def test_a_syncobj_closes_with_negative_errors_only() -> None:
    syncobj, work = Syncobj("client 3"), Fence()
    syncobj.submit(1, work)
    with pytest.raises(Misuse, match="client 3: error 1 is not a negative errno"):
        syncobj.close(1)
    work.signal()
    assert (syncobj.closed, syncobj.value) == (False, 1)


def test_work_that_is_submitted_by_a_callback_keeps_the_order() -> None:
    syncobj = Syncobj()
    heard: list[int] = []
    waits = [syncobj.fence(point) for point in (1, 2, 3)]
    waits[0].add_callback(lambda _: syncobj.signal(3))
    for fence in waits:
        fence.add_callback(lambda done: heard.append(done.seqno))
    syncobj.signal(1)
    assert heard == [1, 2, 3]


@given(st.lists(st.integers(1, 3), min_size=1, max_size=6).flatmap(
    lambda gaps: st.tuples(st.just(gaps), st.permutations(range(len(gaps))))
))  # fmt: skip
def test_in_whatever_order_work_ends_points_are_reached_in_theirs(
    case: tuple[list[int], list[int]],
) -> None:
    gaps, order = case
    syncobj = Syncobj()
    points = [sum(gaps[: index + 1]) for index in range(len(gaps))]
    work = [Fence() for _ in points]
    heard: list[int] = []
    for point in reversed(range(1, points[-1] + 1)):
        syncobj.fence(point).add_callback(lambda done: heard.append(done.seqno))
    for point, fence in zip(points, work, strict=True):
        syncobj.submit(point, fence)
    for index in order:
        work[index].signal()
        reached = 0
        for point, fence in zip(points, work, strict=True):
            if not fence.signaled:
                break
            reached = point
        assert syncobj.value == reached
        assert heard == list(range(1, reached + 1))
