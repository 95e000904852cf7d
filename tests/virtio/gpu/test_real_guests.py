"""The traffic of real kernels, and what they demand of a device: each test replays one of their habits.

Observed with Linux 6.1 to 7.2 under QEMU and UML, with weston, modetest and DRM tests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from virtio.gpu.display import DisplayMode
from virtio.gpu.edid import make_edid
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    Command,
    CursorPos,
    Flag,
    GetEdid,
    Rect,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    RespDisplayInfo,
    Response,
    SetScanout,
    TransferToHost2d,
    UpdateCursor,
    pack_entries,
    unpack,
)
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

HIGH = 0x1000_0000
FRAME = Rect(0, 0, 256, 64)
FRAME_PAGES = 16


def test_boot(make_machine: MakeMachine) -> None:
    """GET_EDID for all, GET_DISPLAY_INFO, the console's buffer, off, transfer, on, flush."""
    machine = make_machine([DisplayMode(256, 64), DisplayMode(800, 600, enabled=False)])
    for scanout in range(2):
        machine.ok(Command.GET_EDID, GetEdid(scanout))
    assert [
        mode.enabled for mode in unpack(RespDisplayInfo, machine.ok(Command.GET_DISPLAY_INFO).body).pmodes[:3]
    ] == [1, 0, 0]
    machine.create_blob(2, machine.pages(*range(FRAME_PAGES)))
    machine.ok(Command.SET_SCANOUT, SetScanout(FRAME, 0, 0))
    machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(FRAME, 0, 2))
    machine.show_blob(2, 256, 64)
    machine.flush(2, FRAME)
    assert machine.display.calls == [("set_scanout", 0, True), ("flush", 0, FRAME)]
    assert (machine.device.transfer_bytes, machine.device.errors.total()) == (0, 0)


def test_a_page_flip_of_weston(machine: Machine) -> None:
    """TRANSFER (of a blob: nothing to do), SET_SCANOUT_BLOB and a fenced FLUSH, two buffers in turn."""
    for resource_id in (3, 4):
        machine.create_blob(resource_id, machine.pages(*range(resource_id * 16, resource_id * 16 + 16)))
    for frame in range(6):
        resource_id = 3 + frame % 2
        machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(FRAME, 0, resource_id))
        machine.show_blob(resource_id, 256, 64)
        body = ResourceFlush(FRAME, resource_id)
        reply = machine.send(Command.RESOURCE_FLUSH, body, flags=Flag.FENCE, fence_id=frame)
        assert (reply.response, reply.header.fence_id) == (Response.OK_NODATA, frame)
    assert machine.device.transfer_bytes == 0
    assert machine.display.flushes == [(0, FRAME)] * 6


def test_the_entries_of_a_large_list_come_page_by_page(machine: Machine) -> None:
    """Request and entries are separate descriptors, and a vmalloc'd list is one for each of its pages."""
    machine.create_2d(2, 1024, 600, page=None)
    request = machine.request(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(2, 600))
    entries = pack_entries(machine.pages(*range(599, -1, -1)))
    parts = [request, *(entries[start : start + PAGE] for start in range(0, len(entries), PAGE))]
    assert machine.send_parts(parts).response == Response.OK_NODATA
    assert machine.device.mappings == 600


def test_a_prime_import_lives_and_dies(machine: Machine) -> None:
    """No transfer at all: create with foreign pages, show, flush alone, then a fenced DETACH and UNREF."""
    machine.create_blob(7, machine.pages(*range(30, 14, -1)))
    machine.show_blob(7, 256, 64)
    for value in (1, 2, 3):
        machine.array(30, 1)[:] = value
        machine.flush(7, FRAME)
        image = machine.display.images[0]
        assert image is not None
        assert image.pixels[0, 0].tolist() == [value] * 4
    reply = machine.send(
        Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(7), flags=Flag.FENCE, fence_id=9
    )
    assert (reply.response, reply.header.fence_id) == (Response.OK_NODATA, 9)
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(7))
    assert machine.device.mappings == 0
    assert "TRANSFER_TO_HOST_2D" not in machine.device.commands


def test_a_framebuffer_offset_arrives_as_offsets_0(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(*range(FRAME_PAGES + 1)))
    machine.array(1, 1)[:] = 4
    machine.show_blob(5, 256, 64, offset=PAGE)
    image = machine.display.images[0]
    assert image is not None
    assert np.unique(image.pixels[:4]).tolist() == [4]


@pytest.mark.parametrize("size", [(256, 64), (1024, 768), (0, 0)])
def test_mode_set_and_off_name_a_size_with_resource_0(machine: Machine, size: tuple[int, int]) -> None:
    machine.create_blob(5, machine.pages(*range(FRAME_PAGES)))
    machine.show_blob(5, 256, 64)
    machine.ok(Command.SET_SCANOUT, SetScanout(Rect(0, 0, *size), 0, 0))
    assert machine.display.images[0] is None


def test_dirty_rectangles_of_a_1024_wide_console(machine: Machine) -> None:
    """TRANSFER of 24x8 at (1000, 760) with offset 0x2f8fa0, seen on Linux 7.2."""
    machine.ok(Command.RESOURCE_CREATE_2D, ResourceCreate2d(2, 2, 1024, 768))
    machine.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(2, 1), [(HIGH, 1024 * 768 * 4)])
    machine.array(0, 768).view(np.uint32)[:] = np.arange(768 * 1024, dtype=np.uint32)
    machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(Rect(1000, 760, 24, 8), 0x2F8FA0, 2))
    machine.show_2d(2, Rect(0, 0, 1024, 768))
    image = machine.display.images[0]
    assert image is not None
    words = np.ascontiguousarray(image.pixels).view(np.uint32)[..., 0]
    assert words[760:768, 1000:].tolist() == [
        [y * 1024 + x for x in range(1000, 1024)] for y in range(760, 768)
    ]
    assert machine.device.transfer_bytes == 24 * 8 * 4


def test_an_update_may_name_a_cursor_that_unref_removed(machine: Machine) -> None:
    """Control and cursor queue are not ordered against each other."""
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(5))
    assert machine.cursor(Command.UPDATE_CURSOR, UpdateCursor(CursorPos(0, 3, 3), 5)).length == 0
    assert machine.display.cursors == {}
    assert machine.device.errors == {"ERR_INVALID_RESOURCE_ID": 1}


def test_many_cursor_commands_in_flight(machine: Machine) -> None:
    ring, queue = machine.rings[CURSOR_QUEUE], machine.queues[CURSOR_QUEUE]
    request = machine.request(Command.MOVE_CURSOR, UpdateCursor(CursorPos(0, -5, 5)))
    for _ in range(8):
        for _ in range(32):
            ring.submit(request, 0)
        assert machine.device.process(CURSOR_QUEUE, queue)
        assert {reply.length for reply in machine.reap(CURSOR_QUEUE).values()} == {0}
    assert machine.device.commands["MOVE_CURSOR"] == 256


def test_kicks_that_find_an_empty_queue_cost_nothing(machine: Machine) -> None:
    for _ in range(100):
        assert not machine.device.process(CONTROL_QUEUE, machine.queues[CONTROL_QUEUE])
    assert not machine.device.commands


def test_hundreds_of_resources_leave_nothing_mapped(machine: Machine) -> None:
    """A leak of one mapping a resource kills long runs."""
    for resource_id in range(2, 460):
        machine.create_blob(resource_id, machine.pages(9, 3, 7, 1))
        machine.show_blob(resource_id, 64, 64)
        if resource_id % 2:
            machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(resource_id))
        machine.ok(Command.RESOURCE_UNREF, ResourceUnref(resource_id))
    assert machine.device.mappings == 0
    assert machine.display.images[0] is None


def test_seventy_live_resources_of_many_pieces(machine: Machine) -> None:
    for resource_id in range(2, 72):
        machine.create_blob(resource_id, machine.pages(*range(0, 240, 2)))
    assert machine.device.mappings == 70 * 120
    assert machine.device.host_memory_bytes == 0


def test_hotplug(make_machine: MakeMachine) -> None:
    """An event, then the driver asks for everything again, then it clears the event."""
    machine = make_machine([DisplayMode(1024, 768), DisplayMode(800, 600, enabled=False)])
    machine.display.mode_list[1] = DisplayMode(1920, 1080)
    machine.device.display_changed()
    assert machine.config_changes == 1
    assert machine.device.read_config(0, 4) == b"\1\0\0\0"
    edid = machine.ok(Command.GET_EDID, GetEdid(1)).body[8 : 8 + 128]
    assert edid == make_edid(DisplayMode(1920, 1080), 1)
    modes = unpack(RespDisplayInfo, machine.ok(Command.GET_DISPLAY_INFO).body).pmodes
    assert (modes[1].enabled, modes[1].rect.width) == (1, 1920)
    machine.device.write_config(4, b"\1\0\0\0")
    assert machine.device.read_config(0, 4) == bytes(4)


def test_unbind_and_rebind_begin_anew(machine: Machine) -> None:
    """Ids start at 2 again, and nothing of the first life is left."""
    for _ in range(3):
        machine.create_blob(2, machine.pages(*range(FRAME_PAGES)))
        machine.show_blob(2, 256, 64)
        machine.flush(2, FRAME)
        machine.device.reset()
        assert machine.display.images[0] is None
        machine.start()


def test_a_flush_of_a_buffer_that_is_not_shown_yet_is_no_error(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(*range(FRAME_PAGES)))
    machine.flush(5, FRAME)
    assert machine.display.flushes == []
