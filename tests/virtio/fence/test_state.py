"""The table of a fence's states."""

from __future__ import annotations

from virtio.fence.state import TRANSITIONS, Event, State, after


def test_every_state_has_a_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_nothing_leads_back_to_active_and_nothing_out_of_the_last_states() -> None:
    targets = {target for row in TRANSITIONS.values() for target in row.values()}
    assert State.ACTIVE not in targets
    assert TRANSITIONS[State.SIGNALED] == TRANSITIONS[State.FAILED] == {}


def test_the_states_whose_work_has_ended_are_those_from_signaled_on() -> None:
    ended = {state for state in State if state >= State.SIGNALED}
    assert ended == {state for state, row in TRANSITIONS.items() if not row}
    assert all(row[Event.SIGNAL] in ended for row in TRANSITIONS.values() if row)


def test_a_column_has_a_state_only_for_those_that_take_the_event() -> None:
    assert after(Event.SIGNAL) == (State.SIGNALED, State.FAILED, None, None)
    assert after(Event.SET_ERROR) == (State.FAILING, State.FAILING, None, None)
