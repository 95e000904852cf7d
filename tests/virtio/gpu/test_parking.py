"""Timelines of parked responses."""

from __future__ import annotations

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.budget import Budget
from virtio.fence import Fence
from virtio.gpu.parking import Parked, TimelineKey, Timelines


class Ring:
    """A queue, and its chain, of which only the order of answers matters."""

    def write(self, response: bytes) -> int:
        return len(response)

    def add_used(self, _chain: object, _written: int) -> None:
        pass


class Line:
    """Timelines whose responses are numbers, and the numbers that were released."""

    def __init__(self) -> None:
        self.released: list[bytes] = []
        self.failures: list[Exception] = []
        self.timelines = Timelines(
            lambda parked: self.released.append(parked.response), self.failures.append, Budget(100)
        )

    def park(self, name: bytes, *fences: Fence, key: TimelineKey = None) -> None:
        ring = cast(Any, Ring())
        self.timelines.park(key, Parked(0, ring, ring, name), fences)


@pytest.fixture
def line() -> Line:
    return Line()


def test_a_response_is_released_with_the_last_of_its_fences(line: Line) -> None:
    fences = Fence(), Fence(), Fence()
    fences[0].signal()
    line.park(b"a", *fences)
    fences[2].signal()
    assert (line.released, len(line.timelines)) == ([], 1)
    fences[1].signal()
    assert (line.released, len(line.timelines)) == ([b"a"], 0)


def test_responses_of_one_timeline_keep_their_order(line: Line) -> None:
    first, second = Fence(), Fence()
    line.park(b"a", first)
    line.park(b"b", second)
    line.park(b"c")
    second.signal()
    assert line.released == []
    first.signal()
    assert line.released == [b"a", b"b", b"c"]


def test_timelines_do_not_wait_for_each_other(line: Line) -> None:
    fences = {key: Fence() for key in (None, (0, 0), (0, 1), (1, 0))}
    for key, fence in fences.items():
        line.park(repr(key).encode(), fence, key=key)
    fences[0, 1].signal()
    fences[None].signal()
    assert line.released == [b"(0, 1)", b"None"]


def test_a_response_must_wait_for_its_fences_or_behind_its_timeline(line: Line) -> None:
    done, pending = Fence(), Fence()
    done.signal()
    assert not line.timelines.must_wait(None, ())
    assert not line.timelines.must_wait(None, [done])
    assert line.timelines.must_wait(None, [done, pending])
    line.park(b"a", pending)
    assert line.timelines.must_wait(None, ())
    assert not line.timelines.must_wait((0, 0), ())
    pending.signal()
    assert not line.timelines.must_wait(None, ())


def test_a_failed_fence_releases_as_well(line: Line) -> None:
    fence = Fence()
    line.park(b"a", fence)
    fence.signal(-5)
    assert line.released == [b"a"]


def test_fences_of_an_old_life_release_nothing_of_the_new_one(line: Line) -> None:
    old, new = Fence(), Fence()
    line.park(b"old", old)
    line.timelines.clear()
    assert len(line.timelines) == 0
    line.park(b"new", new)
    old.signal()
    assert (line.released, len(line.timelines)) == ([], 1)
    new.signal()
    assert line.released == [b"new"]


def test_a_late_fence_of_an_old_life_does_no_harm_when_the_new_one_is_idle(line: Line) -> None:
    old = Fence()
    line.park(b"old", old)
    line.timelines.clear()
    old.signal()
    assert line.released == []


def test_a_release_can_park_the_next_response() -> None:
    """The driver may answer a notification with the next command before the first release returns."""
    parked = Line()
    following = Fence()

    def release(response: Parked) -> None:
        parked.released.append(response.response)
        if response.response == b"first":
            parked.park(b"next", following)

    parked.timelines = Timelines(release, parked.failures.append, Budget(100))
    first = Fence()
    parked.park(b"first", first)
    first.signal()
    assert (parked.released, len(parked.timelines)) == ([b"first"], 1)
    following.signal()
    assert parked.released == [b"first", b"next"]


@given(data=st.data(), count=st.integers(1, 8))
def test_any_order_of_signals_releases_each_timeline_in_order(data: st.DataObject, count: int) -> None:
    line = Line()
    keys = data.draw(st.lists(st.sampled_from([None, (1, 0), (1, 1)]), min_size=count, max_size=count))
    fences = [Fence(0, index) for index in range(count)]
    for index, key in enumerate(keys):
        line.park(bytes([index]), fences[index], key=key)
    for index in data.draw(st.permutations(range(count))):
        fences[index].signal()
    assert sorted(line.released) == [bytes([index]) for index in range(count)]
    for wanted in (None, (1, 0), (1, 1)):
        order = [name for name in line.released if keys[name[0]] == wanted]
        assert order == sorted(order)
