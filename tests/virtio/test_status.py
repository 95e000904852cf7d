"""`virtio.status`: every written value in every state, against the specification's sequence."""

from __future__ import annotations

from itertools import pairwise

import pytest

from virtio.errors import DriverFault
from virtio.status import TRANSITIONS, DeviceState, DeviceStatus

SEQUENCE = [0x00, 0x01, 0x03, 0x0B, 0x0F]  # reset, ACKNOWLEDGE, DRIVER, FEATURES_OK, DRIVER_OK
FAILED, NEEDS_RESET = DeviceStatus.FAILED, DeviceStatus.NEEDS_RESET


def state_at(step: int) -> DeviceState:
    """A state after the first `step` steps of the sequence."""
    state = DeviceState()
    for value in SEQUENCE[1 : step + 1]:
        state.write(value)
    assert state.status == SEQUENCE[step]
    return state


@pytest.mark.parametrize("step", range(5))
def test_of_all_values_exactly_the_legal_steps_are_taken(step: int) -> None:
    before = SEQUENCE[step]
    legal = {before, before | FAILED, *SEQUENCE[step + 1 : step + 2]}
    for value in range(1, 0x100):
        state = state_at(step)
        wanted = value & ~int(NEEDS_RESET)
        if wanted in legal:
            state.write(value)
            assert state.status == wanted
        else:
            with pytest.raises(DriverFault, match=f"{value:#04x} is written while it is {before:#04x}"):
                state.write(value)
            assert state.status == before


@pytest.mark.parametrize("value", [0x100, 0x10F, 1 << 32, -1])
def test_values_beyond_a_byte_are_refused(value: int) -> None:
    state = state_at(4)
    with pytest.raises(DriverFault):
        state.write(value)
    assert state.status == 0x0F


@pytest.mark.parametrize("step", range(5))
def test_reset_works_from_every_state(step: int) -> None:
    for spoil in (
        lambda _: None,
        DeviceState.needs_reset,
        lambda state: state.write(SEQUENCE[step] | FAILED),
    ):
        state = state_at(step)
        spoil(state)
        state.write(0)
        assert state.status == DeviceStatus.RESET
        state.write(0x01)


def test_a_driver_that_failed_gets_no_further() -> None:
    state = state_at(2)
    state.write(0x83)
    state.write(0x83)
    for value in (0x03, 0x0B, 0x8B):
        with pytest.raises(DriverFault):
            state.write(value)
    assert state.status == 0x83


def test_needs_reset_stays_until_the_reset_and_stops_progress() -> None:
    state = state_at(3)
    state.needs_reset()
    assert state.status == 0x4B
    with pytest.raises(DriverFault, match="0x0f is written while it is 0x4b"):
        state.write(0x0F)
    state.write(0x0B)  # what was there, without the bit that is not the driver's
    assert state.status == 0x4B
    state.write(0xCB)
    assert state.status == 0xCB
    state.write(0)
    assert state.status == 0


def test_queues_are_served_between_driver_ok_and_trouble() -> None:
    assert [state_at(step).live for step in range(5)] == [False, False, False, False, True]
    broken, failed = state_at(4), state_at(4)
    broken.needs_reset()
    failed.write(0x8F)
    assert not broken.live
    assert not failed.live


def test_the_table_is_the_sequence() -> None:
    assert [(int(old), int(new)) for old, new in TRANSITIONS.items()] == list(pairwise(SEQUENCE))
