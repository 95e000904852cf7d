from __future__ import annotations

from typing import TYPE_CHECKING

from virtio.clock import Calendar
from virtio.clock.pace import CalendarPace
from virtio.errors import ProtocolFault

if TYPE_CHECKING:
    from tests.virtio.clock.conftest import FakeKernel


def reraise(fault: ProtocolFault) -> None:
    raise fault


def test_the_device_works_after_its_latency_while_the_guest_waits(
    calendar: Calendar, kernel: FakeKernel
) -> None:
    pace, log = CalendarPace(calendar, kernel.link, on_fault=reraise, latency_ns=30), list[tuple[str, int]]()
    kernel.spend(100)
    kernel.propagate()
    pace.listen()
    pace.defer(lambda: log.append(("work", calendar.now_ns())))
    pace.settle(lambda: log.append(("answer", calendar.now_ns())))
    assert log == [("answer", 100)]
    assert kernel.free_until == 130
    kernel.wait(500)
    calendar.run_next()
    assert log[1:] == [("work", 130)]


def test_no_time_passes_while_the_guest_takes_a_notification(calendar: Calendar, kernel: FakeKernel) -> None:
    pace = CalendarPace(calendar, kernel.link, on_fault=reraise)
    kernel.wait(500)
    calendar.call_at(200, lambda: pace.owes(answer=True))
    calendar.run_next()
    assert calendar.held_by == ["uml takes a notification"]
    pace.owes(answer=True)
    assert calendar.held, "the next notification followed at once"
    assert kernel.look() == 200
    kernel.request(200)
    pace.listen()
    pace.owes(answer=False)
    assert not calendar.held
    calendar.run_next()
    assert kernel.runs[-1] == 200


def test_a_guest_that_kicks_in_the_past_is_reported(calendar: Calendar, kernel: FakeKernel) -> None:
    faults: list[str] = []
    pace = CalendarPace(calendar, kernel.link, on_fault=lambda fault: faults.append(str(fault)))
    pace.listen()
    calendar.advance_to(5)  # as if it had been there already
    pace.listen()
    past = ["uml: went back in time: it says that it is at 0 ns, and 5 ns have passed"]
    assert faults == (past if kernel.map is not None else []), "else UPDATE says so"
