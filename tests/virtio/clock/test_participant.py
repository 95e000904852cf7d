from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.clock import Calendar
from virtio.clock.participant import FREE_RUN_NS, Participant, Turn
from virtio.errors import ProtocolFault


class RecordingParticipant:
    """A participant that writes down what it is told."""

    def __init__(self, calendar: Calendar, name: str = "uml") -> None:
        self.told: list[tuple[str, int, int]] = []
        self.place = Participant(calendar, name, resume=self._resume, confine=self._confine)

    def _resume(self, now_ns: int, bound_ns: int) -> None:
        self.told.append(("run", now_ns, bound_ns))

    def _confine(self, bound_ns: int) -> None:
        self.told.append(("confine", self.place.now_ns(), bound_ns))

    def begin(self) -> None:
        self.place.wait()


def test_nothing_happens_before_a_participant_has_come() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    assert calendar.held_by == ["uml is starting"]
    player.begin()
    assert not calendar.held
    assert calendar.run_next()
    assert player.place.turn is Turn.RUNNING
    assert calendar.held_by == ["uml runs"]
    assert player.told == [("run", 0, FREE_RUN_NS)]


@pytest.mark.parametrize("base_ns", [0, 5])
def test_what_is_asked_for_behind_the_end_of_time_never_comes(base_ns: int) -> None:
    calendar = Calendar()
    calendar.advance_to(base_ns)
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.request((1 << 64) - 1 - base_ns)
    player.place.wait()
    assert calendar.next_ns() is None
    player.place.request((1 << 63) - 1 - base_ns)
    assert calendar.next_ns() == (1 << 63) - 1


def test_it_may_not_pass_what_it_asked_for_itself() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.request(1000)
    with pytest.raises(ProtocolFault, match="ran to 1005 ns, past what happens at 1000 ns"):
        player.place.update(1005)
    player.place.update(1000)
    assert calendar.now_ns() == 1000


def test_it_may_run_to_the_next_event_of_any_other() -> None:
    calendar = Calendar()
    one, other = RecordingParticipant(calendar, "one"), RecordingParticipant(calendar, "other")
    calendar.call_at(100, lambda: None)
    other.place.request(70)
    other.place.wait()
    one.begin()
    calendar.run_next()
    assert one.told == [("run", 0, 70)]


def test_it_may_run_through_the_end_of_the_run_and_no_farther() -> None:
    calendar = Calendar()
    calendar.limit_ns = 500
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    assert player.told == [("run", 0, 501)]
    player.place.update(500)
    assert calendar.now_ns() == 500
    with pytest.raises(ProtocolFault, match="ran to 502 ns, but only to 501 ns it may"):
        player.place.update(502)


def test_a_nearer_event_confines_it_once() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.update(10)
    calendar.call_at(30, lambda: None)
    assert player.place.tighten()
    assert not player.place.tighten()
    assert player.told[1:] == [("confine", 10, 30)]


def test_who_waits_is_not_confined() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.wait()
    calendar.call_at(1, lambda: None)
    assert not player.place.tighten()


def test_a_later_request_replaces_the_one_before() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.request(50)
    player.place.request(20)
    player.place.wait()
    assert calendar.run_next()
    player.place.wait()
    assert not calendar.run_next(), "the request for 50 was replaced"
    assert [told[1] for told in player.told] == [0, 20]


def test_times_begin_when_it_joins() -> None:
    calendar = Calendar()
    calendar.advance_to(1000)
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.update(5)
    assert calendar.now_ns() == 1005
    assert player.place.now_ns() == 5
    assert player.told == [("run", 0, FREE_RUN_NS)]


def test_going_back_in_time_is_a_fault_and_changes_nothing() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    calendar.run_next()
    player.place.update(100)
    with pytest.raises(ProtocolFault, match="uml: went back in time: it asks to run at 99 ns, and 100 ns"):
        player.place.request(99)
    with pytest.raises(ProtocolFault, match="uml: went back in time: it says that it is at 99 ns"):
        player.place.update(99)
    assert calendar.now_ns() == 100
    assert calendar.next_ns() is None


def test_time_passes_in_its_own_turn_only() -> None:
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    with pytest.raises(ProtocolFault, match="lets time pass, but it waits"):
        player.place.update(1)
    with pytest.raises(ProtocolFault, match="waits, but it waits already"):
        player.place.wait()


def test_who_leaves_lets_time_go_on() -> None:
    calendar = Calendar()
    gone, stays = RecordingParticipant(calendar, "gone"), RecordingParticipant(calendar, "stays")
    stays.begin()
    gone.place.leave()
    gone.place.leave()
    assert not calendar.held
    assert calendar.run_next()
    assert stays.place.turn is Turn.RUNNING


@given(st.lists(st.lists(st.integers(0, 50), max_size=6), min_size=1, max_size=4))
def test_one_runs_at_a_time_in_the_order_of_time_then_request(wishes: list[list[int]]) -> None:
    """Each participant asks for its times one after the other, as delays; one holds the calendar."""
    calendar = Calendar()
    players = [RecordingParticipant(calendar, str(index)) for index in range(len(wishes))]
    left = [list(delays) for delays in wishes]
    for player in players:
        player.begin()
    expected = sorted(
        (sum(delays[:count]), index)
        for index, delays in enumerate(wishes)
        for count in range(len(delays) + 1)
    )
    seen: list[tuple[int, int]] = []
    while calendar.run_next():
        running = [i for i, player in enumerate(players) if player.place.turn is Turn.RUNNING]
        assert len(running) == 1
        (index,) = running
        seen.append((calendar.now_ns(), index))
        if left[index]:
            players[index].place.request(calendar.now_ns() + left[index].pop(0))
        players[index].place.wait()
    assert sorted(seen) == expected
    assert [when for when, _ in seen] == sorted(when for when, _ in seen)


def test_a_guest_on_a_loaded_host_is_heard_of_long_before_it_is_taken_for_hung() -> None:
    """A kernel may need 30 s of real time for a second of its own: it is bound to come earlier."""
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.begin()
    for turn in range(50):
        assert calendar.run_next()
        _, _, bound_ns = player.told[-1]
        assert bound_ns == (turn + 1) * 20_000_000
        player.place.update(bound_ns)
        player.place.request(bound_ns)
        player.place.wait()


def test_who_waits_can_be_spoken_to_when_its_time_is_known() -> None:
    """It ran up to its bound, perhaps, before it said that it waits."""
    calendar = Calendar()
    player = RecordingParticipant(calendar)
    player.place.free_run_ns = 300
    player.begin()
    calendar.run_next()
    assert player.told == [("run", 0, 300)]
    player.place.wait()
    assert player.place.horizon_ns == 300
    calendar.advance_to(1_000)
    assert player.place.horizon_ns == 1_000
    late = RecordingParticipant(calendar, "late")
    late.place.free_run_ns = 300
    late.begin()
    calendar.run_next()
    late.place.wait()
    assert late.place.horizon_ns == 1_300
