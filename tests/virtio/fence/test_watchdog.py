"""Who holds a late fence."""

from __future__ import annotations

from virtio.fence.array import FenceArray
from virtio.fence.fence import Fence
from virtio.fence.timeline import Timeline
from virtio.fence.watchdog import Late, Watchdog

MS = 1_000_000


def test_a_late_fence_is_named_with_its_holder_and_how_late_it_is() -> None:
    watchdog, timeline = Watchdog(), Timeline("output-0 release", "host compositor", context=12)
    watchdog.watch(timeline.fence(7), 50 * MS)
    assert watchdog.check(50 * MS) == []
    late = watchdog.check(62 * MS + 300_000)
    assert late == [Late("output-0 release", 12, 7, "host compositor", 12_300_000)]
    assert str(late[0]) == "fence output-0 release 12:7, held by host compositor, is 12.300 ms late"


def test_a_fence_without_a_producer_is_named_as_far_as_it_can_be() -> None:
    watchdog = Watchdog()
    watchdog.watch(Fence(3, 4), 0)
    assert [str(late) for late in watchdog.check(MS)] == ["fence unnamed timeline 3:4 is 1.000 ms late"]


def test_each_fence_is_reported_once() -> None:
    watchdog = Watchdog()
    watchdog.watch(Fence(), 10)
    assert len(watchdog.check(11)) == 1
    assert (watchdog.check(12), len(watchdog), watchdog.next_ns()) == ([], 0, None)


def test_fences_are_reported_in_the_order_of_their_deadlines() -> None:
    watchdog = Watchdog()
    for seqno, deadline in ((1, 30), (2, 10), (3, 20), (4, 99)):
        watchdog.watch(Fence(5, seqno), deadline)
    assert [late.seqno for late in watchdog.check(31)] == [2, 3, 1]


def test_it_says_when_to_look_next() -> None:
    watchdog = Watchdog()
    assert watchdog.next_ns() is None
    first, second = Fence(), Fence()
    watchdog.watch(second, 40)
    watchdog.watch(first, 20)
    assert watchdog.next_ns() == 21
    assert len(watchdog.check(21)) == 1
    assert watchdog.next_ns() == 41


def test_a_fence_that_signals_is_forgotten() -> None:
    watchdog, fence, done = Watchdog(), Fence(), Fence()
    done.signal()
    watchdog.watch(done, 10)
    watchdog.watch(fence, 10)
    fence.signal()
    assert (len(watchdog), watchdog.check(100)) == (0, [])


def test_a_fence_of_which_nothing_is_expected_any_more_is_not_reported() -> None:
    watchdog, fence = Watchdog(), Fence()
    watchdog.watch(fence, 10)
    watchdog.forget(fence)
    watchdog.forget(fence)
    assert (len(watchdog), watchdog.check(100)) == (0, [])
    fence.signal()


def test_of_several_deadlines_the_earliest_holds() -> None:
    watchdog, fence = Watchdog(), Fence()
    for deadline in (30, 10, 20):
        watchdog.watch(fence, deadline)
    assert [late.late_ns for late in watchdog.check(15)] == [5]
    fence.signal()


def test_of_an_array_the_members_that_it_waits_for_are_named() -> None:
    watchdog = Watchdog()
    timelines = [Timeline(name) for name in ("a", "b", "c")]
    fences = [timeline.fence() for timeline in timelines]
    watchdog.watch(FenceArray(fences), 10)
    timelines[1].signal(1)
    assert [late.timeline for late in watchdog.check(20)] == ["a", "c"]
