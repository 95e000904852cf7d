from __future__ import annotations

import struct
from functools import partial
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.clock import Calendar
from virtio.clock.participant import FREE_RUN_NS
from virtio.clock.time_travel import EPOCH_NS, Op, TimeTravel
from virtio.errors import ProtocolFault

if TYPE_CHECKING:
    from tests.virtio.clock.conftest import FakeKernel


def test_kernels_run_in_the_order_of_joining_whichever_process_comes_first(
    calendar: Calendar, make: type[FakeKernel]
) -> None:
    one, other = make(calendar, "one"), make(calendar, "other")
    other.start()
    assert calendar.held_by == ["one is starting"]
    one.start()
    calendar.run_next()
    assert (one.started, other.started) == (True, False)
    one.wait()
    calendar.run_next()
    assert other.started
    one.close()
    other.close()


def test_a_run_carries_the_time_and_the_bound(calendar: Calendar, kernel: FakeKernel) -> None:
    calendar.call_at(900, lambda: None)
    kernel.wait(400)
    calendar.run_next()
    assert kernel.runs == [0, 400]
    assert kernel.free_until == 900
    assert calendar.held_by == ["uml runs"]


def test_free_running_takes_the_calendar_along(calendar: Calendar, kernel: FakeKernel) -> None:
    kernel.spend(FREE_RUN_NS - 1)
    kernel.propagate()
    assert calendar.now_ns() == FREE_RUN_NS - 1


def test_a_kick_waits_until_the_kernel_knows_of_its_event(calendar: Calendar, kernel: FakeKernel) -> None:
    kernel.spend(70)
    kernel.propagate()
    answered: list[str] = []
    kernel.dumb = True
    calendar.call_at(calendar.now_ns(), lambda: answered.append("served"))
    kernel.link.settle(lambda: answered.append("answered"))
    kernel.link.settle(lambda: answered.append("second"))
    assert kernel.free_until == 70
    if kernel.map is None:
        assert not answered
    kernel.dumb = False
    kernel.pay()
    assert answered == ["answered", "second"]
    kernel.wait(80)
    calendar.run_next()
    assert answered[-1] == "served", "at 70, before the kernel's own 80"
    calendar.run_next()
    assert kernel.runs[-1] == 80


def test_an_interrupted_kernel_runs_at_once(calendar: Calendar, kernel: FakeKernel) -> None:
    kernel.wait(1000)

    def interrupt() -> None:
        kernel.link.stand()
        kernel.request(kernel.look())
        kernel.link.listen()

    calendar.call_at(600, interrupt)
    calendar.run_next()
    calendar.run_next()
    assert kernel.runs == [0, 600]


def test_the_same_wish_in_shared_memory_keeps_its_place(calendar: Calendar, make: type[FakeKernel]) -> None:
    kernel, order = make(calendar, sharing=True), list[str]()
    kernel.start()
    calendar.run_next()
    kernel.wait(1000)
    calendar.call_at(1000, lambda: order.append(f"after {len(kernel.runs)} runs"))
    kernel.link.listen()
    calendar.run_next()
    kernel.wait()
    calendar.run_next()
    assert order == ["after 1 runs"]
    kernel.close()


def test_the_date_is_the_same_in_every_run(calendar: Calendar, kernel: FakeKernel) -> None:
    assert kernel.say(Op.GET_TOD) == EPOCH_NS


def test_who_waits_without_a_wish_is_never_run(calendar: Calendar, kernel: FakeKernel) -> None:
    kernel.wait()
    assert not calendar.held
    assert not calendar.run_next()


def test_what_one_says_to_all_reaches_the_others(calendar: Calendar, make: type[FakeKernel]) -> None:
    kernels = [make(calendar, str(index), sharing=index == 1) for index in range(3)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        calendar.run_next()
        kernel.wait()

    def pass_on(sender: TimeTravel, what: int) -> None:
        for kernel in kernels:
            if kernel.link is not sender:
                kernel.link.announce(what)

    for kernel in kernels:
        kernel.link._broadcast = pass_on
    assert kernels[0].say(Op.BROADCAST, 7) == 0
    assert [kernel.heard for kernel in kernels] == [[], [7], [7]]
    for kernel in kernels:
        kernel.close()


def test_bytes_may_come_in_any_pieces(calendar: Calendar, make: type[FakeKernel]) -> None:
    kernel = make(calendar)
    for byte in struct.pack("=IIQ", Op.START, 1, 0):
        kernel.link.receive(bytes([byte]))
    assert not calendar.held
    kernel.close()


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ((Op.START, 9, 0), "uml: sent START again"),
        ((Op.ACK, 9, 0), "uml: acknowledged 9, which was not its turn"),
        ((Op.RUN, 9, 0), "uml: sent time-travel message 6, which there is not"),
        ((77, 9, 0), "uml: sent time-travel message 77, which there is not"),
        ((Op.UPDATE, 9, FREE_RUN_NS + 1), f"uml: ran to {FREE_RUN_NS + 1} ns"),
    ],
)
def test_nonsense_is_a_fault(kernel: FakeKernel, message: tuple[int, int, int], line: str) -> None:
    with pytest.raises(ProtocolFault, match=line):
        kernel.link.receive(struct.pack("=IIQ", *message))


def test_a_kernel_that_goes_back_in_time_is_a_fault(calendar: Calendar, kernel: FakeKernel) -> None:
    kernel.spend(50)
    kernel.propagate()
    kernel.time = 49
    with pytest.raises(ProtocolFault, match="uml: went back in time: it says that it is at 49 ns"):
        kernel.propagate()


def test_nothing_can_be_said_before_start(calendar: Calendar, make: type[FakeKernel]) -> None:
    kernel = make(calendar)
    with pytest.raises(ProtocolFault, match="uml: sent WAIT before START"):
        kernel.say(Op.WAIT)
    kernel.close()


def test_when_the_kernel_has_gone_its_acknowledgement_is_not_waited_for(
    calendar: Calendar, kernel: FakeKernel
) -> None:
    answered: list[int] = []
    kernel.dumb = True
    calendar.call_at(5, lambda: None)
    kernel.link.settle(lambda: answered.append(1))
    kernel.link.end()
    assert answered == [1]
    assert calendar.held, "the owner of the kernel, which knows why it has gone, lets time go on"
    kernel.link.participant.leave()
    assert not calendar.held


Step = tuple[str, int]


def tell(kernel: FakeKernel, calendar: Calendar, steps: list[Step]) -> list[Step]:
    """Live through the steps; what happened when."""
    story: list[Step] = []

    def note(what: str) -> None:
        story.append((what, calendar.now_ns()))

    for what, number in steps:
        if what == "spend":
            kernel.spend(kernel.time + number % max(1, kernel.free_until - kernel.time))
        elif what == "wait":
            kernel.wait(kernel.time + number)
            while calendar.run_next() and not calendar.held:
                pass
        else:
            kernel.propagate()
            calendar.call_at(calendar.now_ns() + number // 2, partial(note, "event"))
            kernel.link.settle(partial(note, "answer"))
        story.append((what, kernel.time))
    return story


@given(st.lists(st.tuples(st.sampled_from(["spend", "wait", "kick"]), st.integers(0, 10**9)), max_size=25))
def test_messages_and_shared_memory_tell_the_same_story(make: type[FakeKernel], steps: list[Step]) -> None:
    stories = []
    for sharing in (False, True):
        calendar = Calendar()
        kernel = make(calendar, sharing=sharing)
        kernel.start()
        calendar.run_next()
        kernel.wait(0)
        calendar.run_next()
        stories.append((tell(kernel, calendar, steps), kernel.runs))
        kernel.close()
    assert stories[0] == stories[1]


def test_a_kernel_that_waits_is_seen_before_time_passes(calendar: Calendar, kernel: FakeKernel) -> None:
    seen: list[tuple[int, bool]] = []
    kernel.link.on_wait = lambda: seen.append((calendar.now_ns(), calendar.held))
    kernel.spend(70)
    kernel.propagate()
    kernel.wait(400)
    calendar.run_next()
    assert seen == [(70, True)]
