from __future__ import annotations

import errno
from typing import TYPE_CHECKING

import pytest

from guest.driver.requests import Answer
from guest.driver.session import DriverState
from virtio.errors import Misuse
from virtio.fence import Fence
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, Feature, Flag, Header, Response
from virtio.status import DeviceStatus

if TYPE_CHECKING:
    from tests.guest.conftest import Rig


def flush_of_nothing(rig: Rig) -> Fence:
    fence = rig.driver.flush(77, wire.Rect(0, 0, 1, 1))
    rig.driver.notify()
    return fence


def test_opening_negotiates_all_that_the_device_has(rig: Rig) -> None:
    states = [rig.driver.state]
    rig.driver.open()
    states.append(rig.driver.state)
    assert states == [DriverState.CLOSED, DriverState.PROBING]
    assert rig.transport.status & DeviceStatus.DRIVER_OK
    assert rig.driver.has(Feature.RESOURCE_BLOB)
    assert not rig.driver.has(Feature.VIRGL)
    assert rig.faults == []


def test_errors_are_counted_and_life_goes_on(rig: Rig) -> None:
    rig.driver.probe()
    fence = flush_of_nothing(rig)
    assert fence.signaled
    assert rig.driver.errors == {"ERR_INVALID_RESOURCE_ID": 1} == rig.device.errors
    assert rig.driver.commands["RESOURCE_FLUSH"] == 1
    assert rig.driver.state is DriverState.RUNNING


def answer_with(rig: Rig, header: Header) -> None:
    rig.driver._answered(Answer(header, wire.pack(header)), lambda _answer: None)


def test_an_error_without_a_name_is_counted_by_its_number(rig: Rig) -> None:
    answer_with(rig, Header(0x12FF))
    assert rig.driver.errors == {"0x12ff": 1}


def test_a_fence_signals_all_earlier_ones_and_an_unknown_one_nothing(rig: Rig) -> None:
    fences = [rig.driver.new_fence() for _ in range(3)]
    answer_with(rig, Header(Response.OK_NODATA, Flag.FENCE, 99))
    answer_with(rig, Header(Response.OK_NODATA, 0, fences[2].seqno))
    assert [fence.signaled for fence in fences] == [False, False, False]
    answer_with(rig, Header(Response.OK_NODATA, Flag.FENCE, fences[1].seqno))
    assert [fence.signaled for fence in fences] == [True, True, False]


def test_answers_that_carry_data_come_whole(rig: Rig) -> None:
    rig.driver.probe()
    answers: list[Answer] = []
    rig.driver.create_2d(5, (16, 16), Format.B8G8R8X8)
    rig.driver.submit(Command.RESOURCE_ASSIGN_UUID, wire.ResourceAssignUuid(5), done=answers.append)
    rig.driver.notify()
    assert answers[0].header.type == Response.OK_RESOURCE_UUID
    assert len(wire.unpack(wire.RespResourceUuid, answers[0].message, wire.HEADER_SIZE).uuid) == 16


def break_ring(rig: Rig) -> None:
    config = rig.driver.queue(0).config
    rig.ram.memory.store(config.available_ring + 2, 2, 30_000)
    rig.transport.kick(0)


def test_a_device_that_needs_a_reset_is_lost(rig: Rig) -> None:
    lost: list[bool] = []
    rig.driver.on_lost = lambda: lost.append(True)
    rig.driver.probe()
    fence = rig.driver.new_fence()
    break_ring(rig)
    assert lost == [True]
    assert rig.driver.state is DriverState.LOST
    with pytest.raises(Misuse, match="the device is lost; open it first"):
        flush_of_nothing(rig)
    rig.driver.notify()
    rig.driver._interrupted(0)
    assert not fence.signaled


def test_a_lost_device_is_driven_again_after_probing(rig: Rig) -> None:
    rig.driver.probe()
    break_ring(rig)
    rig.driver.probe()
    assert rig.driver.state is DriverState.RUNNING
    assert flush_of_nothing(rig).signaled


def test_sessions_leave_no_memory_behind(rig: Rig) -> None:
    before = rig.ram.free_bytes
    for _ in range(3):
        rig.driver.probe()
    rig.driver.close()
    assert rig.ram.free_bytes == before
    with pytest.raises(Misuse, match="the device is closed"):
        rig.driver.queue(0)


def test_closing_ends_fences_that_are_out(rig: Rig) -> None:
    rig.driver.probe()
    fences = [rig.driver.new_fence(), rig.driver.new_fence(1)]
    rig.driver.close()
    assert [fence.error for fence in fences] == [-errno.ECANCELED] * 2


def test_rings_have_timelines_of_their_own(rig: Rig) -> None:
    rig.driver.probe()
    on_ring, plain = rig.driver.new_fence(1), rig.driver.new_fence()
    answer_with(rig, Header(Response.OK_NODATA, Flag.FENCE, plain.seqno))
    assert (plain.signaled, on_ring.signaled) == (True, False)
    assert plain.context != on_ring.context
