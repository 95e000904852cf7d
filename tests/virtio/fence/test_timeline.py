"""Timelines: in order, once, and never for ever."""

from __future__ import annotations

import errno

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from virtio.errors import Misuse
from virtio.fence.fence import Fence
from virtio.fence.timeline import Timeline


def statuses(*fences: Fence) -> list[int]:
    return [fence.status for fence in fences]


def test_a_value_signals_everything_up_to_it_in_order() -> None:
    timeline = Timeline("gpu")
    heard: list[int] = []
    fences = [timeline.fence(seqno) for seqno in (5, 2, 9, 3)]
    for fence in fences:
        fence.add_callback(lambda done: heard.append(done.seqno))
    timeline.signal(5, now_ns=40)
    assert heard == [2, 3, 5]
    assert [fence.timestamp_ns for fence in fences] == [40, 40, None, 40]
    assert (timeline.value, len(timeline)) == (5, 1)


def test_fences_are_numbered_one_after_the_other_unless_told() -> None:
    timeline = Timeline()
    assert [timeline.fence().seqno for _ in range(2)] == [1, 2]
    timeline.fence(7)
    timeline.fence(4)
    assert timeline.fence().seqno == 8
    timeline.signal(20)
    assert timeline.fence().seqno == 21


def test_a_number_has_one_fence_while_it_is_outstanding() -> None:
    timeline = Timeline()
    fence = timeline.fence(3)
    assert timeline.fence(3) is fence
    assert len(timeline) == 1


def test_a_fence_of_a_number_that_is_done_has_signalled() -> None:
    timeline = Timeline()
    timeline.signal(4, now_ns=10)
    fence = timeline.fence(4)
    assert (fence.status, fence.timestamp_ns, len(timeline)) == (1, 10, 0)


def test_a_timeline_does_not_go_back() -> None:
    timeline = Timeline("gpu")
    timeline.signal(4)
    timeline.signal(4)
    with pytest.raises(Misuse, match="timeline gpu cannot go back from 4 to 3"):
        timeline.signal(3)
    assert timeline.value == 4


def test_one_call_ends_its_fences_with_one_error() -> None:
    timeline = Timeline()
    done, failed, later = (timeline.fence() for _ in range(3))
    timeline.signal(1)
    timeline.signal(2, -errno.EIO)
    timeline.signal(3)
    assert statuses(done, failed, later) == [1, -errno.EIO, 1]


def test_an_error_that_is_none_changes_nothing() -> None:
    timeline = Timeline("gpu")
    fence = timeline.fence()
    with pytest.raises(Misuse, match="gpu: error 5 is not a negative errno"):
        timeline.signal(1, 5)
    with pytest.raises(Misuse, match="gpu: error 0 is not a negative errno"):
        timeline.close(0)
    assert (fence.status, timeline.value, timeline.closed, len(timeline)) == (0, 0, False, 1)
    timeline.signal(1)
    assert fence.status == 1


def test_an_error_set_on_a_single_fence_stays_its_own() -> None:
    timeline = Timeline()
    one, other = timeline.fence(), timeline.fence()
    one.set_error(-errno.EIO)
    timeline.signal(2)
    assert statuses(one, other) == [-errno.EIO, 1]


def test_a_fence_that_signalled_by_itself_is_passed_over() -> None:
    timeline = Timeline()
    one, other = timeline.fence(), timeline.fence()
    one.signal(-errno.ECANCELED)
    timeline.signal(2)
    assert statuses(one, other) == [-errno.ECANCELED, 1]


def test_closing_ends_what_is_outstanding_as_sw_sync_does() -> None:
    with Timeline("gpu") as timeline:
        heard: list[int] = []
        fences = [timeline.fence(seqno) for seqno in (3, 1, 2)]
        for fence in fences:
            fence.add_callback(lambda done: heard.append(done.seqno))
        timeline.signal(1)
    assert statuses(*fences) == [-errno.ENOENT, 1, -errno.ENOENT]
    assert heard == [1, 2, 3]
    timeline.close()
    for use in (timeline.fence, lambda: timeline.signal(9)):
        with pytest.raises(Misuse, match="timeline gpu is closed"):
            use()


def test_a_close_for_a_dead_producer_says_so() -> None:
    timeline = Timeline()
    fence = timeline.fence()
    timeline.close(-errno.ESRCH, now_ns=5)
    assert (fence.status, fence.timestamp_ns) == (-errno.ESRCH, 5)


def test_a_timeline_that_is_dropped_leaves_no_waiter() -> None:
    timeline = Timeline()
    fence = timeline.fence()
    del timeline
    assert fence.status == -errno.ENOENT


def test_a_callback_that_advances_the_timeline_keeps_the_order() -> None:
    timeline = Timeline()
    heard: list[tuple[str, int]] = []
    first = timeline.fence()
    first.add_callback(lambda _: timeline.signal(4, -errno.EIO, now_ns=2))
    for fence in (first, *(timeline.fence() for _ in range(3))):
        fence.add_callback(lambda done: heard.append(("a", done.seqno)))
        fence.add_callback(lambda done: heard.append(("b", done.seqno)))
    timeline.signal(2, now_ns=1)
    assert heard == [(name, seqno) for seqno in (1, 2, 3, 4) for name in "ab"]
    assert len(timeline) == 0


def test_what_a_callback_signals_ends_as_that_call_says() -> None:
    timeline = Timeline()
    fences = [timeline.fence() for _ in range(3)]
    fences[0].add_callback(lambda _: timeline.signal(2, -errno.EIO, now_ns=2))
    fences[0].add_callback(lambda _: timeline.close(now_ns=3))
    timeline.signal(1, now_ns=1)
    assert statuses(*fences) == [1, -errno.EIO, -errno.ENOENT]
    assert [fence.timestamp_ns for fence in fences] == [1, 2, 3]


def test_callbacks_that_advance_the_timeline_do_not_nest() -> None:
    timeline = Timeline()
    last = 5_000  # far more than the interpreter lets calls nest
    for seqno in range(1, last):
        timeline.fence(seqno).add_callback(lambda done: timeline.signal(done.seqno + 1))
    end = timeline.fence(last)
    timeline.signal(1)
    assert end.signaled


def test_a_callback_that_raises_keeps_no_other_fence_from_signalling() -> None:
    timeline = Timeline()

    def fail(_: Fence) -> None:
        raise KeyError

    fences = [timeline.fence() for _ in range(3)]
    fences[0].add_callback(fail)
    with pytest.raises(KeyError):
        timeline.signal(2)
    assert statuses(*fences) == [1, 1, 0]
    fences[2].add_callback(fail)
    with pytest.raises(KeyError):
        timeline.close()


def test_what_several_fences_callbacks_raise_comes_as_a_group() -> None:
    timeline = Timeline()

    def fail(_: Fence) -> None:
        raise KeyError

    for _ in range(2):
        timeline.fence().add_callback(fail)
    with pytest.raises(BaseExceptionGroup):
        timeline.signal(2)


def test_messages_name_the_timeline_and_its_fences_name_their_owner() -> None:
    timeline = Timeline("ring 0", "guest-0", context=12)
    fence = timeline.fence()
    assert repr(timeline) == "<Timeline ring 0 12, at 0, 1 outstanding>"
    assert (fence.describe(), fence.producer) == ("fence ring 0 12:1", ("ring 0", "guest-0"))


class TimelineMachine(RuleBasedStateMachine):
    """A timeline against the plainest model: a number, and every fence ever made."""

    def __init__(self) -> None:
        super().__init__()
        self.timeline = Timeline()
        self.value = 0
        self.closed = False
        self.made: dict[int, Fence] = {}
        self.heard: list[int] = []

    @rule(seqno=st.none() | st.integers(1, 30))
    def make(self, seqno: int | None) -> None:
        if self.closed:
            with pytest.raises(Misuse):
                self.timeline.fence(seqno)
            return
        fence = self.timeline.fence(seqno)
        known = self.made.setdefault(fence.seqno, fence)
        assert known is fence or known.signaled
        if known is fence and not fence.signaled:
            fence.remove_callback(self.hear)
            fence.add_callback(self.hear)

    def hear(self, fence: Fence) -> None:
        self.heard.append(fence.seqno)

    @rule(ahead=st.integers(0, 5))
    def signal(self, ahead: int) -> None:
        if self.closed:
            with pytest.raises(Misuse):
                self.timeline.signal(self.value + ahead)
            return
        self.value += ahead
        expected = sorted(n for n, fence in self.made.items() if not fence.signaled and n <= self.value)
        self.heard = []
        self.timeline.signal(self.value)
        assert self.heard == expected

    @rule()
    def close(self) -> None:
        expected = sorted(n for n, fence in self.made.items() if not fence.signaled)
        self.heard = []
        self.timeline.close()
        self.closed = True
        assert self.heard == expected

    @invariant()
    def agrees(self) -> None:
        for seqno, fence in self.made.items():
            assert fence.signaled == (self.closed or seqno <= self.value)
        assert len(self.timeline) == sum(not fence.signaled for fence in self.made.values())


TestTimelineMachine = TimelineMachine.TestCase
TestTimelineMachine.settings = settings(max_examples=60, stateful_step_count=30)


def test_a_callback_that_closes_the_timeline_ends_what_is_not_due_yet() -> None:
    timeline = Timeline()
    fences = [timeline.fence() for _ in range(4)]
    order: list[tuple[int, int]] = []
    for fence in fences:
        fence.add_callback(lambda done: order.append((done.seqno, done.status)))
    fences[0].add_callback(lambda _: timeline.close(-5, now_ns=9))
    timeline.signal(2, now_ns=3)
    assert order == [(1, 1), (2, 1), (3, -5), (4, -5)]
    assert [fence.timestamp_ns for fence in fences] == [3, 3, 9, 9]
    assert len(timeline) == 0
