"""Fences: signalled once, and heard in order."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from virtio.errors import Misuse
from virtio.fence.fence import Callback, Fence, Producer, allocate_context
from virtio.fence.state import TRANSITIONS, Event, State


def test_callbacks_run_once_in_the_order_of_their_registration() -> None:
    fence = Fence(3, 7)
    heard: list[tuple[str, Fence]] = []
    fence.add_callback(lambda done: heard.append(("first", done)))
    fence.add_callback(lambda done: heard.append(("second", done)))
    assert (fence.signaled, heard) == (False, [])
    fence.signal()
    assert fence.signaled
    assert heard == [("first", fence), ("second", fence)]


def test_a_callback_that_comes_late_runs_at_once() -> None:
    fence = Fence()
    heard: list[Fence] = []
    fence.signal()
    fence.add_callback(heard.append)
    assert heard == [fence]


def test_the_error_is_there_when_callbacks_run() -> None:
    fence, errors = Fence(), []
    fence.add_callback(lambda done: errors.append(done.error))
    fence.signal(-2)
    assert errors == [-2]


def test_callbacks_find_the_fence_signalled() -> None:
    fence, seen = Fence(), []
    fence.add_callback(lambda done: seen.append(done.signaled))
    fence.signal()
    assert seen == [True]


def test_a_fence_signals_once() -> None:
    fence = Fence(1, 2)
    fence.signal()
    with pytest.raises(Misuse, match="fence 1:2 is signalled twice"):
        fence.signal(-5)
    assert fence.error is None


@pytest.mark.parametrize("error", [0, 5])
def test_an_error_is_a_negative_errno(error: int) -> None:
    fence = Fence(1, 2)
    with pytest.raises(Misuse, match=f"error {error} is not a negative errno"):
        fence.signal(error)
    assert not fence.signaled


def test_a_fence_says_who_it_is_and_what_became_of_it() -> None:
    fences = [Fence(4, 1), Fence(4, 2), Fence(4, 3)]
    fences[1].signal()
    fences[2].signal(-110)
    assert list(map(repr, fences)) == ["<Fence 4:1 active>", "<Fence 4:2 signaled>", "<Fence 4:3 error -110>"]


def test_a_fence_without_a_timeline_has_a_context_of_its_own() -> None:
    one, other = Fence(), Fence()
    assert len({one.context, other.context, allocate_context()}) == 3


def test_an_error_can_be_set_before_the_fence_signals() -> None:
    fence = Fence()
    fence.set_error(-5)
    assert (fence.state, fence.signaled, fence.status) == (State.FAILING, False, 0)
    fence.signal(now_ns=70)
    assert (fence.state, fence.status, fence.timestamp_ns) == (State.FAILED, -5, 70)


def test_the_last_error_that_is_set_holds() -> None:
    fence = Fence()
    fence.set_error(-5)
    fence.set_error(-110)
    fence.signal()
    assert fence.error == -110
    other = Fence()
    other.set_error(-5)
    other.signal(-2)
    assert other.error == -2


def test_no_error_can_be_set_after_the_fence_has_signalled() -> None:
    fence = Fence(1, 2)
    fence.signal()
    with pytest.raises(Misuse, match="fence 1:2 has signalled: its error cannot be set any more"):
        fence.set_error(-5)
    assert (fence.error, fence.state) == (None, State.SIGNALED)


def test_the_status_is_that_of_a_sync_file() -> None:
    fence = Fence()
    assert fence.status == 0
    fence.signal()
    assert (fence.status, fence.timestamp_ns) == (1, None)


def test_the_time_of_the_signal_is_there_when_callbacks_run() -> None:
    fence, times = Fence(), []
    fence.add_callback(lambda done: times.append(done.timestamp_ns))
    fence.signal(now_ns=123)
    assert times == [123]


def test_a_callback_that_is_added_while_others_run_takes_its_turn() -> None:
    fence = Fence()
    heard: list[str] = []

    def first(_: Fence) -> None:
        heard.append("first")
        fence.add_callback(lambda _: heard.append("late"))

    fence.add_callback(first)
    fence.add_callback(lambda _: heard.append("second"))
    fence.signal()
    assert heard == ["first", "second", "late"]


def test_a_removed_callback_does_not_run() -> None:
    fence = Fence()
    heard: list[Fence] = []
    fence.add_callback(heard.append)
    fence.add_callback(heard.append)
    assert fence.remove_callback(heard.append)
    fence.signal()
    assert heard == [fence]


def test_removing_says_whether_it_came_in_time() -> None:
    fence = Fence()
    heard: list[Fence] = []
    answers: list[bool] = []
    assert not fence.remove_callback(heard.append)
    fence.add_callback(lambda _: answers.append(fence.remove_callback(heard.append)))
    assert not fence.remove_callback(heard.append)
    fence.add_callback(heard.append)
    fence.signal()
    assert (answers, heard) == ([False], [fence])
    assert not fence.remove_callback(heard.append)


def test_a_callback_that_raises_keeps_no_other_from_running() -> None:
    fence = Fence()
    heard: list[Fence] = []

    def fail(_: Fence) -> None:
        raise KeyError("first")

    fence.add_callback(fail)
    fence.add_callback(heard.append)
    with pytest.raises(KeyError):
        fence.signal()
    assert heard == [fence]
    fence.add_callback(heard.append)
    assert heard == [fence, fence]


def test_what_several_callbacks_raise_comes_as_a_group() -> None:
    fence = Fence()

    def fail(_: Fence) -> None:
        raise KeyError

    fence.add_callback(fail)
    fence.add_callback(fail)
    with pytest.raises(BaseExceptionGroup) as caught:
        fence.signal()
    assert [type(failure) for failure in caught.value.exceptions] == [KeyError, KeyError]


def test_fences_compare_within_their_context_only() -> None:
    early, late, foreign = Fence(7, 1), Fence(7, 2), Fence(8, 3)
    assert late.is_later_than(early)
    assert not early.is_later_than(late)
    assert not early.is_later_than(early)
    with pytest.raises(Misuse, match="fence 8:3 and fence 7:1 are of different contexts"):
        foreign.is_later_than(early)


def test_messages_name_the_timeline_where_it_is_known() -> None:
    fence = Fence(4, 1, producer=Producer("GPU ring 0", "guest-0"))
    assert fence.describe() == "fence GPU ring 0 4:1"
    assert repr(fence) == "<Fence GPU ring 0 4:1 active>"


class FenceMachine(RuleBasedStateMachine):
    """A fence against its table and a list of what should have been heard."""

    def __init__(self) -> None:
        super().__init__()
        self.fence = Fence()
        self.state = State.ACTIVE
        self.heard: list[int] = []
        self.expected: list[int] = []
        self.waiting: list[int] = []
        self.callbacks: dict[int, Callback] = {}

    @rule(error=st.integers(-4096, -1))
    def set_error(self, error: int) -> None:
        self.happens(Event.SET_ERROR, lambda: self.fence.set_error(error))

    @rule(error=st.none() | st.integers(-4096, -1))
    def signal(self, error: int | None) -> None:
        if error is not None and self.state == State.ACTIVE:
            self.state = State.FAILING
        expected = [] if self.fence.signaled else self.waiting
        self.happens(Event.SIGNAL, lambda: self.fence.signal(error))
        self.expected += expected
        self.waiting = []

    def happens(self, event: Event, act: Callable[[], None]) -> None:
        target = TRANSITIONS[self.state].get(event)
        if target is None:
            with pytest.raises(Misuse):
                act()
        else:
            act()
            self.state = target

    @rule()
    def listen(self) -> None:
        number = len(self.callbacks)
        self.callbacks[number] = lambda _: self.heard.append(number)
        (self.expected if self.fence.signaled else self.waiting).append(number)
        self.fence.add_callback(self.callbacks[number])

    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        if self.callbacks:
            number = data.draw(st.sampled_from(sorted(self.callbacks)))
            assert self.fence.remove_callback(self.callbacks[number]) == (number in self.waiting)
            self.waiting = [other for other in self.waiting if other != number]

    @invariant()
    def agrees(self) -> None:
        assert self.fence.state == self.state
        assert self.heard == self.expected
        assert (self.fence.error is not None) == (self.state in (State.FAILING, State.FAILED))


TestFenceMachine = FenceMachine.TestCase
TestFenceMachine.settings = settings(max_examples=40, stateful_step_count=30)
