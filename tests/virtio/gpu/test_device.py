"""The device as a transport sees it: queues, config space, parked responses, lives."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from virtio.errors import Misuse, QueueFault
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DeferredTransfer, DisplayMode
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    Command,
    CursorPos,
    Feature,
    Flag,
    Rect,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    Response,
    TransferToHost2d,
    UpdateCursor,
)
from virtio.limits import Limits
from virtio.memory import PAGE, SharedHandle
from virtio.ring.split import SplitQueue

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine
    from virtio.device import Device

ALL = Rect(0, 0, 64, 64)
TWO = [DisplayMode(64, 64), DisplayMode(64, 64)]


@pytest.fixture
def showing(make_machine: MakeMachine) -> Machine:
    """Blob 5 on scanout 0 and blob 6 on scanout 1; the display holds every flush."""
    machine = make_machine(TWO)
    for scanout, resource_id in enumerate((5, 6)):
        machine.create_blob(resource_id, machine.pages(*range(4 * resource_id, 4 * resource_id + 4)))
        machine.show_blob(resource_id, 64, 64, scanout=scanout)
    machine.display.hold = True
    return machine


def flush(
    machine: Machine, resource_id: int, fence_id: int, *, flags: int = Flag.FENCE, **header: Any
) -> int:
    """A fenced flush; the head of its chain."""
    body = ResourceFlush(ALL, resource_id)
    return machine.post(
        machine.request(Command.RESOURCE_FLUSH, body, flags=flags, fence_id=fence_id, **header)
    )


def fence_ids(machine: Machine) -> list[int]:
    """Fences of the responses that have come since the last call."""
    return [reply.header.fence_id for reply in machine.reap().values()]


def test_it_is_a_device(machine: Machine) -> None:
    device: Device = machine.device
    assert (device.device_id, device.queue_count) == (16, 2)
    assert device.features == 1 << Feature.EDID | 1 << Feature.RESOURCE_UUID | 1 << Feature.RESOURCE_BLOB


@pytest.mark.parametrize("count", [0, 17])
def test_a_display_has_1_to_16_scanouts(make_machine: MakeMachine, count: int) -> None:
    with pytest.raises(Misuse, match=f"a display with {count} modes"):
        make_machine([DisplayMode(64, 64)] * count)


def test_queues_are_served_only_while_it_is_active(machine: Machine) -> None:
    with pytest.raises(Misuse, match="queue 2 is served"):
        machine.device.process(2, machine.queues[0])
    machine.device.reset()
    with pytest.raises(Misuse, match="queue 0 is served"):
        machine.device.process(CONTROL_QUEUE, machine.queues[0])


def test_an_idle_device_holds_nothing_and_shows_nothing(machine: Machine) -> None:
    machine.device.reset()
    assert (machine.device.host_memory_bytes, machine.device.mappings) == (0, 0)
    assert (list(machine.device.scanouts), machine.device.host_visible) == ([], None)


def test_a_device_without_a_transport_is_silent() -> None:
    """The hooks can be set later, or not at all."""

    class Screens:
        def modes(self) -> list[DisplayMode]:
            return TWO

    device = GpuDevice(Screens())  # type: ignore[arg-type]
    device.display_changed()
    device.notify(0)
    device.on_fault("no transport listens")
    assert device.read_config(0, 12) == b"\1\0\0\0" + bytes(4) + b"\2\0\0\0"


def test_every_available_command_is_served_at_once(machine: Machine) -> None:
    ring = machine.rings[CONTROL_QUEUE]
    heads = [ring.submit(machine.request(Command.GET_DISPLAY_INFO), 408) for _ in range(20)]
    assert machine.device.process(CONTROL_QUEUE, machine.queues[CONTROL_QUEUE])
    assert list(machine.reap()) == heads


def test_a_command_that_arrives_while_kicks_are_off_is_not_forgotten(machine: Machine) -> None:
    """Between the last look at the ring and the wish to be kicked again, a driver does not kick."""
    ring = machine.rings[CONTROL_QUEUE]

    class Late(SplitQueue):
        late = 1

        def enable_kicks(self) -> bool:
            if self.late:
                self.late -= 1
                ring.submit(machine.request(Command.GET_DISPLAY_INFO), 408)
            return super().enable_kicks()

    assert machine.device.process(CONTROL_QUEUE, Late(machine.memory, ring.config))
    assert [reply.response for reply in machine.reap().values()] == [Response.OK_DISPLAY_INFO]


def test_an_empty_queue_is_no_reason_to_notify(machine: Machine) -> None:
    assert not machine.device.process(CONTROL_QUEUE, machine.queues[CONTROL_QUEUE])


def test_a_broken_queue_is_the_transport_s_affair(machine: Machine) -> None:
    ring = machine.rings[CONTROL_QUEUE]
    machine.memory.store(ring.config.available_ring + 2, 2, 1000)
    with pytest.raises(QueueFault, match="available index jumps"):
        machine.device.process(CONTROL_QUEUE, machine.queues[CONTROL_QUEUE])


def test_commands_and_errors_are_counted_by_name(machine: Machine) -> None:
    machine.create_2d(2, 64, 64)
    machine.send(Command.RESOURCE_UNREF, ResourceUnref(9))
    machine.send(Command.CTX_DESTROY)
    machine.send_bytes(machine.request(0x4242))
    assert machine.device.commands == {
        "RESOURCE_CREATE_2D": 1,
        "RESOURCE_ATTACH_BACKING": 1,
        "RESOURCE_UNREF": 1,
        "CTX_DESTROY": 1,
        "UNKNOWN": 1,
    }
    assert machine.device.errors == {"ERR_INVALID_RESOURCE_ID": 1, "ERR_UNSPEC": 2}
    assert machine.faults == [
        "RESOURCE_UNREF: resource 9 does not exist",
        "CTX_DESTROY: a 3D command, and the device has no 3D",
        "UNKNOWN: type 0x4242 is no command of this queue",
    ]
    assert machine.device.last_fault == machine.faults[-1]


def test_a_fenced_command_without_display_work_is_answered_at_once(machine: Machine) -> None:
    reply = machine.send(Command.GET_DISPLAY_INFO, flags=Flag.FENCE, fence_id=1 << 40, ctx_id=9)
    assert (reply.header.flags, reply.header.fence_id, reply.header.ctx_id) == (Flag.FENCE, 1 << 40, 9)


def test_without_a_fence_nothing_of_the_header_comes_back(machine: Machine) -> None:
    reply = machine.send(Command.GET_DISPLAY_INFO, fence_id=7, ctx_id=9, ring_idx=3)
    assert reply.header == (Response.OK_DISPLAY_INFO, 0, 0, 0, 0, bytes(3))


def test_ring_index_and_flag_come_back(machine: Machine) -> None:
    flags = Flag.FENCE | Flag.INFO_RING_IDX
    reply = machine.send(Command.GET_DISPLAY_INFO, flags=flags | 0x80, fence_id=7, ctx_id=9, ring_idx=63)
    assert reply.header == (Response.OK_DISPLAY_INFO, flags, 7, 9, 63, bytes(3))


def test_a_ring_that_cannot_be_is_refused(machine: Machine) -> None:
    reply = machine.send(Command.GET_DISPLAY_INFO, flags=3, fence_id=7, ctx_id=9, ring_idx=64)
    assert (reply.response, reply.header.fence_id) == (Response.ERR_INVALID_PARAMETER, 7)


def test_a_fenced_flush_waits_for_the_display_and_then_notifies(showing: Machine) -> None:
    flush(showing, 5, 1)
    assert (fence_ids(showing), showing.device.parked, showing.notified) == ([], 1, [])
    showing.display.fences[0].signal()
    assert (fence_ids(showing), showing.device.parked, showing.notified) == ([1], 0, [CONTROL_QUEUE])


def test_a_flush_that_the_display_is_done_with_is_answered_at_once(showing: Machine) -> None:
    showing.display.hold = False
    flush(showing, 5, 1)
    assert (fence_ids(showing), showing.notified) == ([1], [])


def test_an_unfenced_flush_never_waits(showing: Machine) -> None:
    flush(showing, 5, 1)
    head = flush(showing, 6, 0, flags=0)
    assert list(showing.reap()) == [head]


def test_a_flush_on_several_scanouts_waits_for_all_of_them(showing: Machine) -> None:
    showing.show_blob(5, 64, 64, scanout=1)
    flush(showing, 5, 1)
    first, second = showing.display.fences
    second.signal()
    assert fence_ids(showing) == []
    first.signal()
    assert fence_ids(showing) == [1]


def test_later_fences_of_a_timeline_wait_for_earlier_ones(showing: Machine) -> None:
    """Linux takes the answer of fence 2 for that of fence 1 too, and would reuse the buffer."""
    flush(showing, 5, 1)
    flush(showing, 6, 2)
    detach = showing.request(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(9), flags=1, fence_id=3)
    showing.post(detach)
    showing.display.fences[1].signal()
    assert fence_ids(showing) == []
    showing.display.fences[0].signal()
    replies = list(showing.reap().values())
    assert [reply.header.fence_id for reply in replies] == [1, 2, 3]
    assert replies[2].response == Response.ERR_INVALID_RESOURCE_ID
    assert showing.notified == [CONTROL_QUEUE] * 3


def test_each_ring_of_each_context_is_a_timeline_of_its_own(showing: Machine) -> None:
    rings = [(1, 0), (1, 1), (2, 0)]
    for number, (ctx_id, ring_idx) in enumerate(rings):
        flush(showing, 5, number, flags=Flag.FENCE | Flag.INFO_RING_IDX, ctx_id=ctx_id, ring_idx=ring_idx)
    flush(showing, 5, 3)
    for number in (2, 3, 0, 1):
        showing.display.fences[number].signal()
        assert fence_ids(showing) == [number]


def test_a_fence_that_signals_during_a_command_joins_that_notification(showing: Machine) -> None:
    """The next flush can end the first one's wait: the display shows the new image now."""
    flush(showing, 5, 1)
    held = showing.display.fences[0]
    display_flush = showing.display.flush

    def flush_and_release(scanout_id: int, damage: Rect, incoming: DeferredTransfer | None) -> object:
        held.signal()
        return display_flush(scanout_id, damage, incoming)

    showing.display.flush = flush_and_release  # type: ignore[assignment,method-assign]
    flush(showing, 6, 2)
    assert (fence_ids(showing), showing.notified) == ([1], [])


def test_a_fence_that_signals_while_the_cursor_is_served_is_notified(showing: Machine) -> None:
    flush(showing, 5, 1)
    held = showing.display.fences[0]
    showing.display.move_cursor = lambda *_position: held.signal()  # type: ignore[method-assign]
    showing.cursor(Command.MOVE_CURSOR, UpdateCursor(CursorPos(0, 1, 1)))
    assert (fence_ids(showing), showing.notified) == ([1], [CONTROL_QUEUE])


def test_a_fenced_cursor_command_is_answered_on_its_own_queue(showing: Machine) -> None:
    flush(showing, 5, 1)
    request = showing.request(Command.MOVE_CURSOR, UpdateCursor(CursorPos(0, 1, 1)), flags=1, fence_id=2)
    head = showing.post(request, queue=CURSOR_QUEUE)
    assert showing.reap(CURSOR_QUEUE) == {}
    showing.display.fences[0].signal()
    assert showing.reap(CURSOR_QUEUE)[head].header.fence_id == 2
    assert showing.notified == [CONTROL_QUEUE, CURSOR_QUEUE]


def test_a_driver_that_reaps_by_itself_is_not_notified(showing: Machine) -> None:
    flush(showing, 5, 1)
    showing.memory.store(showing.rings[CONTROL_QUEUE].config.available_ring, 2, 1)
    showing.display.fences[0].signal()
    assert (fence_ids(showing), showing.notified) == ([1], [])


def test_a_reset_drops_parked_responses_and_darkens_the_screens(showing: Machine) -> None:
    flush(showing, 5, 1)
    showing.display.calls.clear()
    showing.device.reset()
    showing.display.fences[0].signal()
    assert (fence_ids(showing), showing.notified, showing.device.parked) == ([], [], 0)
    assert showing.display.calls == [("set_scanout", 0, False), ("set_scanout", 1, False)]
    assert (showing.device.host_memory_bytes, showing.device.mappings) == (0, 0)


def test_fences_of_an_old_life_complete_nothing_of_the_new_one(showing: Machine) -> None:
    flush(showing, 5, 1)
    showing.device.reset()
    showing.start()
    showing.create_blob(5, showing.pages(0, 1, 2, 3))
    showing.show_blob(5, 64, 64)
    flush(showing, 5, 1)
    showing.display.fences[0].signal()
    assert fence_ids(showing) == []
    showing.display.fences[1].signal()
    assert fence_ids(showing) == [1]


def test_a_reset_hides_the_cursors_that_are_shown(make_machine: MakeMachine) -> None:
    machine = make_machine(TWO)
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.cursor(Command.UPDATE_CURSOR, UpdateCursor(CursorPos(1, 8, 8), 5))
    machine.display.calls.clear()
    machine.device.reset()
    assert machine.display.calls == [("set_cursor", 1, False, 0, 0)]


def test_counters_survive_a_reset(machine: Machine) -> None:
    machine.create_2d(2, 64, 64)
    machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(ALL, 0, 2))
    machine.device.reset()
    assert machine.device.transfer_bytes == 64 * 64 * 4
    assert machine.device.commands["RESOURCE_CREATE_2D"] == 1


def test_resources_stay_valid_when_the_memory_table_changes(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(3, 1, 2, 0))
    machine.show_blob(5, 64, 64)
    machine.array(3, 1)[:] = 6
    low, high = machine.memory.regions
    machine.remap([low, replace(high, guest_address=0x2000_0000)])
    image = machine.display.images[0]
    assert image is not None
    assert np.unique(image.pixels[:16]).tolist() == [6]
    machine.create_blob(6, [(0x2000_0000, PAGE)])
    assert machine.device.mappings == 3 + 1


def test_memory_that_vanishes_under_the_device_reads_as_zeros(machine: Machine) -> None:
    """A VMM's file need not be sealed: a blob and a backing of it are cut short while they are shown."""
    low, high = machine.memory.regions
    with SharedHandle.create(64 * PAGE, seal=False) as file:
        machine.remap([low, replace(high, handle=file, size=64 * PAGE)])
        machine.array(0, 64)[:] = 3
        machine.create_blob(5, machine.pages(3, 1, 2, 0))
        machine.create_2d(6, 64, 64, page=8)
        machine.show_blob(5, 64, 64)
        os.truncate(file.fd, 0)
        machine.flush(5, ALL)
        image = machine.display.images[0]
        assert image is not None
        assert not image.pixels.any()
        machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(ALL, 0, 6))
        assert machine.memory.truncated


def test_outputs_that_change_are_told_until_the_driver_has_seen_it(machine: Machine) -> None:
    machine.device.display_changed()
    assert machine.config_changes == 1
    assert machine.device.read_config(0, 16) == b"\1" + bytes(7) + b"\1" + bytes(7)
    machine.device.write_config(4, b"\1\0\0\0")
    assert machine.device.read_config(0, 4) == bytes(4)
    machine.device.display_changed()
    machine.device.reset()
    assert machine.device.read_config(0, 4) == bytes(4)


def test_the_guest_s_host_memory_is_bounded_and_given_back(make_machine: MakeMachine) -> None:
    machine = make_machine(limits=Limits(host_memory=3 * 64 * 64 * 4))
    for resource_id in (2, 3, 4):
        machine.create_2d(resource_id, 64, 64, page=None)
    with pytest.raises(AssertionError, match="needs 16384 bytes of host memory"):
        machine.create_2d(5, 64, 64, page=None)
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(3))
    machine.create_2d(5, 64, 64, page=None)
    assert machine.device.host_memory_bytes == 3 * 64 * 64 * 4
