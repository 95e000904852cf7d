"""Messages in any order that a front end may choose, against the smallest model of what runs then."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.virtio.vhost_user.conftest import (
    QUEUE_SIZE,
    SIZE,
    EchoDevice,
    Guest,
    RecordingHost,
    held_descriptors,
)
from virtio.memory import SharedHandle
from virtio.vhost_user.messages import Request
from virtio.vhost_user.payloads import VringState, pack_memory_table, pack_u64
from virtio.vhost_user.rings import Rings

queues = st.integers(0, 1)


class ModelQueue:
    """What the front end has said of a queue, and what its driver waits for."""

    def __init__(self) -> None:
        self.sized = self.placed = self.started = self.enabled = False
        self.waiting: list[bytes] = []
        self.answered = 0

    @property
    def ready(self) -> bool:
        return self.sized and self.placed and self.started and self.enabled


class FrontEnd(RuleBasedStateMachine):
    """Sets up, starts, stops and resets two queues; a queue runs when all was said, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.before = held_descriptors()
        self.handle = SharedHandle.create(SIZE)
        self.guest = Guest(self.handle)
        self.device = EchoDevice()
        self.host = RecordingHost(self.device)
        self.host.negotiate()
        self.has_memory = False
        self.queues = [ModelQueue(), ModelQueue()]
        self.next = 0

    def runs(self, index: int) -> bool:
        return self.has_memory and self.queues[index].ready

    def settle(self, *due: int) -> None:
        """Let the device work; queues that are due have answered all, and those that halt have not."""
        self.host.run()
        for index, queue in enumerate(self.queues):
            answers = self.guest.answers(index)
            assert answers == queue.waiting[: len(answers)]
            assert self.runs(index) or not answers
            del queue.waiting[: len(answers)]
            queue.answered += len(answers)
            assert not (index in due and self.runs(index) and queue.waiting)

    @initialize(begun=st.booleans())
    def begins(self, begun: bool) -> None:
        """With both queues running, or with nothing."""
        if begun:
            self.shares_memory()
            for index in range(2):
                for step in (self.sets_the_size, self.sets_the_place, self.gives_a_kick):
                    step(index)
                self.enables(index, True)
                self.submits(index, True)

    @rule()
    def shares_memory(self) -> None:
        self.has_memory = True
        table = pack_memory_table([self.guest.region])
        assert self.host.ack(Request.SET_MEM_TABLE, table, fds=[os.dup(self.handle.fd)]) == 0
        self.settle(0, 1)

    @rule(index=queues)
    def sets_the_size(self, index: int) -> None:
        self.queues[index].sized = True
        assert self.host.ack(Request.SET_VRING_NUM, VringState(index, QUEUE_SIZE).pack()) == 0
        self.settle(index)

    @rule(index=queues)
    def sets_the_place(self, index: int) -> None:
        self.queues[index].placed = True
        assert self.host.ack(Request.SET_VRING_ADDR, self.guest.address(index).pack()) == 0
        self.settle(index)

    @rule(index=queues)
    def goes_on_where_it_stopped(self, index: int) -> None:
        base = VringState(index, self.queues[index].answered).pack()
        assert self.host.ack(Request.SET_VRING_BASE, base) == 0
        self.settle()

    @rule(index=queues)
    def gives_a_call(self, index: int) -> None:
        assert self.host.ack(Request.SET_VRING_CALL, pack_u64(index), fds=[os.eventfd(0)]) == 0
        self.settle()

    @rule(index=queues)
    def gives_a_kick(self, index: int) -> None:
        self.queues[index].started = True
        assert self.host.ack(Request.SET_VRING_KICK, pack_u64(index), fds=[os.eventfd(0)]) == 0
        self.settle(index)

    @rule(index=queues, on=st.booleans())
    def enables(self, index: int, on: bool) -> None:
        self.queues[index].enabled = on
        assert self.host.enable(index, on=on) == 0
        self.settle(index)

    @rule(index=queues)
    def stops(self, index: int) -> None:
        self.queues[index].started = False
        assert self.host.stop(index) == self.queues[index].answered
        self.settle()

    @rule()
    def resets_the_owner(self) -> None:
        for queue in self.queues:
            queue.enabled = False
        assert self.host.ack(Request.RESET_OWNER) == 0
        self.settle()

    @rule()
    def resets_the_device(self) -> None:
        assert self.host.ack(Request.RESET_DEVICE) == 0
        assert self.device.events[-1] == "reset"
        for index, queue in enumerate(self.queues):
            queue.enabled = False
            queue.waiting.clear()
            queue.answered = 0
            self.guest.renew(index)
        self.settle()

    @precondition(lambda self: all(len(queue.waiting) < 50 for queue in self.queues))
    @rule(index=queues, kicks=st.booleans())
    def submits(self, index: int, kicks: bool) -> None:
        self.next += 1
        request = self.next.to_bytes(4, "little")
        self.queues[index].waiting.append(request)
        self.guest.submit(index, request)
        if kicks and index in self.host.watched:
            self.host.scheduled.append(index)
            self.settle(index)

    @invariant()
    def a_queue_is_served_when_all_was_said_and_else_never(self) -> None:
        assert set(self.host.watched) == {index for index in range(2) if self.runs(index)}
        assert not self.host.reports

    @invariant()
    def the_device_lives_from_the_first_queue_to_the_reset(self) -> None:
        if any(self.runs(index) for index in range(2)):
            assert "activate" in self.device.events
            assert self.device.events[-1] == "activate"

    def teardown(self) -> None:
        self.host.backend.close()
        assert self.device.events[-1] == "reset"
        self.guest.close()
        self.handle.close()
        assert held_descriptors() == self.before


TestFrontEnd = FrontEnd.TestCase
TestFrontEnd.settings = settings(max_examples=60, stateful_step_count=50)


def _starts_only(self: Rings, index: int, on: bool) -> None:
    self.vring(index).enabled |= on
    self._update(self.vring(index))


def _runs_on(self: Rings, index: int) -> int:
    return self.vring(index).next_available


@pytest.mark.parametrize(("name", "fault"), [("enable", _starts_only), ("stop", _runs_on)])
def test_a_planted_fault_is_found(monkeypatch: pytest.MonkeyPatch, name: str, fault: Any) -> None:
    monkeypatch.setattr(Rings, name, fault)
    looking = settings(TestFrontEnd.settings, phases=[Phase.generate], report_multiple_bugs=False)
    with pytest.raises(AssertionError):
        run_state_machine_as_test(FrontEnd, settings=looking)
