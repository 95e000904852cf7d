"""Circles of waits, found before anybody waits."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import Misuse
from virtio.fence.array import FenceArray
from virtio.fence.fence import Fence
from virtio.fence.timeline import Timeline
from virtio.fence.wait_graph import WaitCycle, WaitGraph


@pytest.fixture
def graph() -> WaitGraph:
    return WaitGraph()


def test_a_fence_that_its_own_producer_waits_for_is_found_and_named(graph: WaitGraph) -> None:
    timeline = Timeline("render", "guest-0", context=4)
    fence = timeline.fence(2)
    with pytest.raises(WaitCycle) as caught:
        graph.add(fence, waits_for=fence)
    assert caught.value.fences == (fence,)
    assert str(caught.value) == (
        "a circle of fences never signals: fence render 4:2 (guest-0) waits for fence render 4:2 (guest-0)"
    )
    assert isinstance(caught.value, Misuse)
    assert len(graph) == 0


def test_waiting_for_a_later_fence_of_ones_own_timeline_is_a_circle(graph: WaitGraph) -> None:
    timeline = Timeline("render", "guest-0", context=4)
    early, late = timeline.fence(2), timeline.fence(3)
    graph.add(late, waits_for=early)
    with pytest.raises(WaitCycle) as caught:
        graph.add(early, waits_for=late)
    assert caught.value.fences == (early, late)


def test_a_circle_through_several_producers_is_named_in_order(graph: WaitGraph) -> None:
    guest, host, screen = (Timeline(name, context=n) for n, name in enumerate(("guest", "host", "screen"), 1))
    frame, released, shown = guest.fence(5), host.fence(8), screen.fence(3)
    graph.add(frame, waits_for=released)
    graph.add(host.fence(7), waits_for=shown)  # and so 8, which comes after it
    with pytest.raises(WaitCycle) as caught:
        graph.add(shown, waits_for=guest.fence(6))
    assert caught.value.fences == (shown, guest.fence(6), released)
    assert "screen 3:3 waits for fence guest 1:6 waits for fence host 2:8 waits for" in str(caught.value)
    graph.add(shown, waits_for=guest.fence(4))


def test_the_wait_is_over_when_the_fence_signals(graph: WaitGraph) -> None:
    one, other, third = Fence(), Fence(), Fence()
    graph.add(one, waits_for=other)
    graph.add(one, waits_for=third)
    graph.add(third, waits_for=other)
    other.signal()
    assert len(graph) == 1
    graph.add(other, waits_for=one)
    third.signal()
    assert len(graph) == 0


def test_what_has_signalled_closes_no_circle(graph: WaitGraph) -> None:
    one, other, third = Fence(), Fence(), Fence()
    graph.add(one, waits_for=other)
    graph.add(third, waits_for=one)
    one.signal(-125)  # gave up, though `other` has not signalled
    assert graph.find_cycle(other, third) == ()
    graph.add(other, waits_for=one)
    graph.add(one, waits_for=other)
    assert len(graph) == 1


def test_a_fence_that_is_about_to_be_forgotten_closes_no_circle(graph: WaitGraph) -> None:
    one, other = Fence(), Fence()
    found: list[tuple[Fence, ...]] = []
    other.add_callback(lambda _: found.append(graph.find_cycle(other, one)))
    graph.add(one, waits_for=other)
    other.signal()
    assert found == [()]


def test_an_array_is_waited_for_through_its_members(graph: WaitGraph) -> None:
    one, other, third = Fence(), Fence(), Fence()
    graph.add(one, waits_for=FenceArray([other, third]))
    assert len(graph) == 2
    with pytest.raises(WaitCycle):
        graph.add(third, waits_for=FenceArray([Fence(), one]))
    assert len(graph) == 2


def test_a_context_is_explored_once(graph: WaitGraph) -> None:
    """Without that, the ways through a ladder of waits double at every step."""
    timelines = [Timeline() for _ in range(60)]
    for above, below in pairwise(timelines):
        for seqno in (1, 2):
            graph.add(above.fence(seqno), waits_for=below.fence(1))
            graph.add(above.fence(seqno), waits_for=below.fence(2))
    assert graph.find_cycle(Fence(), timelines[0].fence(2)) == ()


def reaches(edges: list[tuple[Fence, Fence]], start: Fence, goal: Fence) -> bool:
    """Whether `start` waits for `goal`: the plainest search, over pairs."""
    seen: list[Fence] = []
    todo = [start]
    while todo:
        fence = todo.pop()
        if fence.context == goal.context and fence.seqno >= goal.seqno:
            return True
        if fence not in seen:
            seen.append(fence)
            todo += [
                on
                for waits, on in edges
                if (waits.context, True) == (fence.context, waits.seqno <= fence.seqno)
            ]
    return False


NUMBERS = st.tuples(st.integers(0, 3), st.integers(1, 3))


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=25))
def test_it_refuses_exactly_the_waits_that_would_never_end(
    wanted: list[tuple[tuple[int, int], tuple[int, int]]],
) -> None:
    graph, timelines = WaitGraph(), [Timeline() for _ in range(4)]
    edges: list[tuple[Fence, Fence]] = []
    for waiting, waited in wanted:
        fence, on = (timelines[line].fence(seqno) for line, seqno in (waiting, waited))
        if reaches(edges, on, fence):
            with pytest.raises(WaitCycle) as caught:
                graph.add(fence, waits_for=on)
            assert caught.value.fences[0] is fence
        else:
            graph.add(fence, waits_for=on)
            edges.append((fence, on))
    # No deadlock: what was accepted can always go on to its end.
    outstanding = [timeline.fence(seqno) for timeline in timelines for seqno in (1, 2, 3)]
    while outstanding:
        free = [
            fence
            for fence in outstanding
            if all(on.signaled for waits, on in edges if waits is fence)
            and not any(o.context == fence.context and fence.is_later_than(o) for o in outstanding)
        ]
        assert free, "every fence waits for another"
        free[0].signal()
        outstanding.remove(free[0])
    assert len(graph) == 0
