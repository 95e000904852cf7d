"""Which response, when: one row for each case in which implementations disagree or drivers err.

Every row starts from the same furniture on a device with two scanouts:

    2   2D resource, 64x48, with backing       4   blob of 4 pages, shown 32x32 on scanout 1
    3   2D resource, 64x48, without backing    5   blob of 4 pages, backing detached
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode
from virtio.gpu.wire import (
    BlobMem,
    Command,
    CtxCreate,
    CursorPos,
    Feature,
    GetCapset,
    GetCapsetInfo,
    GetEdid,
    MemEntry,
    Rect,
    ResourceAssignUuid,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceCreateBlob,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceMapBlob,
    ResourceUnmapBlob,
    ResourceUnref,
    Response,
    SetScanout,
    SetScanoutBlob,
    TransferToHost2d,
    UpdateCursor,
    pack,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

OK = Response.OK_NODATA
UNS = Response.ERR_UNSPEC
OOM = Response.ERR_OUT_OF_MEMORY
SCN = Response.ERR_INVALID_SCANOUT_ID
RES = Response.ERR_INVALID_RESOURCE_ID
PAR = Response.ERR_INVALID_PARAMETER

HIGH = 0x1000_0000
ALL = Rect(0, 0, 64, 48)
HUGE = 0xFFFF_FFFF
WRAPS = 0xFFFF_FFF0
DEFAULT = Limits()


@dataclass(frozen=True)
class Row:
    """One case: this request, sent to the furnished device, gets this response."""

    command: int
    condition: str
    expected: Response
    body: tuple[Any, ...] | None = None
    runs: tuple[tuple[int, int], ...] = ()
    tail: bytes = b""
    cut: int = 0
    without: Feature | None = None
    limits: Limits = DEFAULT

    def __str__(self) -> str:
        name = self.command.name if isinstance(self.command, Command) else f"{self.command:#06x}"
        return f"{name}: {self.condition}"


def scanout_blob(resource_id: int, **changed: Any) -> SetScanoutBlob:
    """A right SET_SCANOUT_BLOB of 64x64 pixels on scanout 0, but for what is changed."""
    rect = Rect(0, 0, 64, 64)
    right = SetScanoutBlob(rect, 0, resource_id, 64, 64, 2, strides=(256, 0, 0, 0), offsets=(0, 0, 0, 0))
    return right._replace(**changed)


def create_blob(resource_id: int, **changed: Any) -> ResourceCreateBlob:
    """A right RESOURCE_CREATE_BLOB of one page, but for what is changed."""
    return ResourceCreateBlob(resource_id, BlobMem.GUEST, 0, 1, 0, PAGE)._replace(**changed)


page = ((HIGH, PAGE),)
nowhere = ((0xDEAD_0000_0000, PAGE),)
many = 16_385
blobs_off = Feature.RESOURCE_BLOB

ROWS = [
    Row(0x0000, "unknown type", UNS),
    Row(0x01FF, "unknown type", UNS),
    Row(0xFFFF_FFFF, "unknown type", UNS),
    Row(Command.UPDATE_CURSOR, "on the control queue", UNS, UpdateCursor(CursorPos(0, 0, 0))),
    Row(Command.GET_EDID, "body shorter than its structure", UNS, GetEdid(0), cut=1),
    Row(Command.RESOURCE_FLUSH, "body shorter than its structure", UNS, ResourceFlush(ALL, 2), cut=24),
    Row(Command.SET_SCANOUT_BLOB, "body shorter than its structure", UNS, scanout_blob(4), cut=4),
    Row(Command.CTX_CREATE, "3D", UNS, CtxCreate(0)),
    Row(Command.CTX_DESTROY, "3D", UNS),
    Row(Command.SUBMIT_3D, "3D, and longer than any command of ours", UNS, tail=b"\xff" * 400_000),
    # What is connected.
    Row(Command.GET_EDID, "scanout >= max", PAR, GetEdid(2)),
    Row(Command.GET_EDID, "last scanout", Response.OK_EDID, GetEdid(1)),
    Row(Command.GET_CAPSET_INFO, "no such index", PAR, GetCapsetInfo(0)),
    Row(Command.GET_CAPSET, "no such capset", PAR, GetCapset(1, 0)),
    # 2D images.
    Row(Command.RESOURCE_CREATE_2D, "id 0", RES, ResourceCreate2d(0, 1, 64, 64)),
    Row(Command.RESOURCE_CREATE_2D, "id exists", RES, ResourceCreate2d(2, 1, 64, 64)),
    Row(Command.RESOURCE_CREATE_2D, "id exists as a blob", RES, ResourceCreate2d(4, 1, 64, 64)),
    Row(Command.RESOURCE_CREATE_2D, "format unknown", PAR, ResourceCreate2d(9, 5, 64, 64)),
    Row(Command.RESOURCE_CREATE_2D, "no width", PAR, ResourceCreate2d(9, 1, 0, 64)),
    Row(Command.RESOURCE_CREATE_2D, "no height", PAR, ResourceCreate2d(9, 1, 64, 0)),
    Row(Command.RESOURCE_CREATE_2D, "larger than any image", PAR, ResourceCreate2d(9, 1, HUGE, HUGE)),
    Row(
        Command.RESOURCE_CREATE_2D,
        "beyond the guest's host memory",
        OOM,
        ResourceCreate2d(9, 1, 512, 512),
        limits=Limits(host_memory=1 << 20),
    ),
    Row(
        Command.RESOURCE_CREATE_2D,
        "too many resources",
        OOM,
        ResourceCreate2d(9, 1, 16, 16),
        limits=Limits(resources=4),
    ),
    Row(Command.RESOURCE_CREATE_2D, "right", OK, ResourceCreate2d(9, 1, 64, 64)),
    # Unref.
    Row(Command.RESOURCE_UNREF, "id unknown", RES, ResourceUnref(9)),
    Row(Command.RESOURCE_UNREF, "id 0", RES, ResourceUnref(0)),
    Row(Command.RESOURCE_UNREF, "is an active scanout", OK, ResourceUnref(4)),
    # Attach.
    Row(Command.RESOURCE_ATTACH_BACKING, "id unknown", RES, ResourceAttachBacking(9, 1), page),
    Row(Command.RESOURCE_ATTACH_BACKING, "already attached", UNS, ResourceAttachBacking(2, 1), page),
    Row(Command.RESOURCE_ATTACH_BACKING, "n > 16384", UNS, ResourceAttachBacking(3, many), page * many),
    Row(Command.RESOURCE_ATTACH_BACKING, "n > 16384, entries missing", UNS, ResourceAttachBacking(3, HUGE)),
    Row(Command.RESOURCE_ATTACH_BACKING, "entries truncated", UNS, ResourceAttachBacking(3, 2), page),
    Row(Command.RESOURCE_ATTACH_BACKING, "address unmapped", UNS, ResourceAttachBacking(3, 1), nowhere),
    Row(
        Command.RESOURCE_ATTACH_BACKING,
        "last entry unmapped",
        UNS,
        ResourceAttachBacking(3, 2),
        page + nowhere,
    ),
    Row(Command.RESOURCE_ATTACH_BACKING, "n = 0", OK, ResourceAttachBacking(3, 0)),
    Row(Command.RESOURCE_ATTACH_BACKING, "entries without bytes", OK, ResourceAttachBacking(3, 1), ((0, 0),)),
    Row(Command.RESOURCE_ATTACH_BACKING, "smaller than the resource", OK, ResourceAttachBacking(3, 1), page),
    # Detach.
    Row(Command.RESOURCE_DETACH_BACKING, "id unknown", RES, ResourceDetachBacking(9)),
    Row(Command.RESOURCE_DETACH_BACKING, "not attached", UNS, ResourceDetachBacking(3)),
    Row(Command.RESOURCE_DETACH_BACKING, "not attached, a blob", UNS, ResourceDetachBacking(5)),
    Row(Command.RESOURCE_DETACH_BACKING, "right", OK, ResourceDetachBacking(2)),
    # Transfer.
    Row(Command.TRANSFER_TO_HOST_2D, "id unknown", RES, TransferToHost2d(ALL, 0, 9)),
    Row(Command.TRANSFER_TO_HOST_2D, "no backing", UNS, TransferToHost2d(ALL, 0, 3)),
    Row(Command.TRANSFER_TO_HOST_2D, "blob resource", OK, TransferToHost2d(Rect(0, 0, HUGE, HUGE), 0, 4)),
    Row(Command.TRANSFER_TO_HOST_2D, "blob resource, no backing", OK, TransferToHost2d(ALL, 0, 5)),
    Row(Command.TRANSFER_TO_HOST_2D, "rect outside", PAR, TransferToHost2d(Rect(1, 0, 64, 48), 0, 2)),
    Row(Command.TRANSFER_TO_HOST_2D, "rect wraps", PAR, TransferToHost2d(Rect(WRAPS, 0, 32, 48), 0, 2)),
    Row(Command.TRANSFER_TO_HOST_2D, "rect wraps down", PAR, TransferToHost2d(Rect(0, WRAPS, 64, 32), 0, 2)),
    Row(Command.TRANSFER_TO_HOST_2D, "backing shorter than needed", PAR, TransferToHost2d(ALL, 4, 2)),
    Row(Command.TRANSFER_TO_HOST_2D, "offset wraps", PAR, TransferToHost2d(ALL, (1 << 64) - 4, 2)),
    Row(
        Command.TRANSFER_TO_HOST_2D, "empty rect on the edge", OK, TransferToHost2d(Rect(64, 48, 0, 0), 0, 2)
    ),
    Row(Command.TRANSFER_TO_HOST_2D, "right", OK, TransferToHost2d(ALL, 0, 2)),
    # Scanouts of 2D images.
    Row(Command.SET_SCANOUT, "scanout >= max", SCN, SetScanout(ALL, 2, 2)),
    Row(Command.SET_SCANOUT, "scanout >= max, resource 0", SCN, SetScanout(ALL, 16, 0)),
    Row(Command.SET_SCANOUT, "resource 0", OK, SetScanout(Rect(0, 0, 1920, 1080), 0, 0)),
    Row(Command.SET_SCANOUT, "resource 0, no size", OK, SetScanout(Rect(0, 0, 0, 0), 1, 0)),
    Row(Command.SET_SCANOUT, "id unknown", RES, SetScanout(ALL, 0, 9)),
    Row(Command.SET_SCANOUT, "no backing", UNS, SetScanout(ALL, 0, 3)),
    Row(Command.SET_SCANOUT, "rect outside", PAR, SetScanout(Rect(0, 1, 64, 48), 0, 2)),
    Row(Command.SET_SCANOUT, "rect wraps", PAR, SetScanout(Rect(WRAPS, 0, 64, 48), 0, 2)),
    Row(Command.SET_SCANOUT, "width < 16", PAR, SetScanout(Rect(0, 0, 15, 48), 0, 2)),
    Row(Command.SET_SCANOUT, "height < 16", PAR, SetScanout(Rect(0, 0, 64, 0), 0, 2)),
    Row(Command.SET_SCANOUT, "resource is a blob", PAR, SetScanout(ALL, 0, 4)),
    Row(Command.SET_SCANOUT, "smallest", OK, SetScanout(Rect(48, 32, 16, 16), 0, 2)),
    # Flush.
    Row(Command.RESOURCE_FLUSH, "id unknown", RES, ResourceFlush(ALL, 9)),
    Row(Command.RESOURCE_FLUSH, "id 0", RES, ResourceFlush(ALL, 0)),
    Row(Command.RESOURCE_FLUSH, "2D, rect outside", PAR, ResourceFlush(Rect(0, 0, 65, 48), 2)),
    Row(Command.RESOURCE_FLUSH, "2D, rect wraps", PAR, ResourceFlush(Rect(0, WRAPS, 64, 48), 2)),
    Row(Command.RESOURCE_FLUSH, "2D, on no scanout", OK, ResourceFlush(ALL, 2)),
    Row(Command.RESOURCE_FLUSH, "blob, on no scanout", OK, ResourceFlush(ALL, 5)),
    Row(Command.RESOURCE_FLUSH, "blob, touches no scanout", PAR, ResourceFlush(Rect(32, 0, 9, 9), 4)),
    Row(Command.RESOURCE_FLUSH, "blob, empty", PAR, ResourceFlush(Rect(0, 0, 0, 0), 4)),
    Row(
        Command.RESOURCE_FLUSH, "blob, reaches beyond the image", OK, ResourceFlush(Rect(0, 0, HUGE, HUGE), 4)
    ),
    # Blobs.
    Row(Command.RESOURCE_CREATE_BLOB, "feature off", PAR, create_blob(9), page, without=blobs_off),
    Row(Command.RESOURCE_CREATE_BLOB, "id 0", RES, create_blob(0), page),
    Row(Command.RESOURCE_CREATE_BLOB, "id exists", RES, create_blob(2), page),
    Row(Command.RESOURCE_CREATE_BLOB, "memory type 0", PAR, create_blob(9, blob_mem=0), page),
    Row(Command.RESOURCE_CREATE_BLOB, "memory type 2, no 3D", PAR, create_blob(9, blob_mem=2), page),
    Row(Command.RESOURCE_CREATE_BLOB, "memory type 3, no 3D", PAR, create_blob(9, blob_mem=3), page),
    Row(Command.RESOURCE_CREATE_BLOB, "memory type 4", PAR, create_blob(9, blob_mem=4), page),
    Row(Command.RESOURCE_CREATE_BLOB, "address unmapped", UNS, create_blob(9), nowhere),
    Row(Command.RESOURCE_CREATE_BLOB, "entries truncated", UNS, create_blob(9, nr_entries=2), page),
    Row(Command.RESOURCE_CREATE_BLOB, "n > 16384", UNS, create_blob(9, nr_entries=many), page * many),
    Row(Command.RESOURCE_CREATE_BLOB, "size 0", PAR, create_blob(9, size=0), page),
    Row(Command.RESOURCE_CREATE_BLOB, "size 0, no entries", PAR, create_blob(9, size=0, nr_entries=0)),
    Row(Command.RESOURCE_CREATE_BLOB, "entries have less", PAR, create_blob(9, size=PAGE + 1), page),
    Row(Command.RESOURCE_CREATE_BLOB, "entries have more", PAR, create_blob(9, size=PAGE - 1), page),
    Row(Command.RESOURCE_CREATE_BLOB, "right", OK, create_blob(9, blob_flags=2), page),
    # Scanouts of blobs.
    Row(Command.SET_SCANOUT_BLOB, "feature off", PAR, scanout_blob(2), without=blobs_off),
    Row(Command.SET_SCANOUT_BLOB, "scanout >= max", SCN, scanout_blob(4, scanout_id=2)),
    Row(Command.SET_SCANOUT_BLOB, "resource 0", OK, scanout_blob(0, width=0, height=0, format=0)),
    Row(Command.SET_SCANOUT_BLOB, "id unknown", RES, scanout_blob(9)),
    Row(Command.SET_SCANOUT_BLOB, "resource is 2D", PAR, scanout_blob(2)),
    Row(Command.SET_SCANOUT_BLOB, "no backing", UNS, scanout_blob(5)),
    Row(Command.SET_SCANOUT_BLOB, "format unknown", PAR, scanout_blob(4, format=0)),
    Row(Command.SET_SCANOUT_BLOB, "past blob end", PAR, scanout_blob(4, offsets=(4, 0, 0, 0))),
    Row(Command.SET_SCANOUT_BLOB, "past blob end by stride", PAR, scanout_blob(4, strides=(260, 0, 0, 0))),
    Row(Command.SET_SCANOUT_BLOB, "stride wraps", PAR, scanout_blob(4, strides=(HUGE, 0, 0, 0))),
    Row(Command.SET_SCANOUT_BLOB, "offset wraps", PAR, scanout_blob(4, offsets=(WRAPS, 0, 0, 0))),
    Row(Command.SET_SCANOUT_BLOB, "stride < width", PAR, scanout_blob(4, strides=(252, 0, 0, 0))),
    Row(Command.SET_SCANOUT_BLOB, "stride 0", PAR, scanout_blob(4, strides=(0, 0, 0, 0))),
    Row(
        Command.SET_SCANOUT_BLOB,
        "tight last row",
        OK,
        scanout_blob(4, rect=Rect(0, 0, 16, 16), width=16, height=16, strides=(1088, 0, 0, 0)),
    ),
    Row(Command.SET_SCANOUT_BLOB, "rect outside", PAR, scanout_blob(4, rect=Rect(1, 0, 64, 64))),
    Row(Command.SET_SCANOUT_BLOB, "rect wraps", PAR, scanout_blob(4, rect=Rect(0, WRAPS, 64, 64))),
    Row(Command.SET_SCANOUT_BLOB, "width < 16", PAR, scanout_blob(4, rect=Rect(0, 0, 15, 64))),
    Row(Command.SET_SCANOUT_BLOB, "height < 16", PAR, scanout_blob(4, rect=Rect(0, 0, 64, 15))),
    Row(Command.SET_SCANOUT_BLOB, "right", OK, scanout_blob(4)),
    # UUIDs.
    Row(
        Command.RESOURCE_ASSIGN_UUID, "feature off", PAR, ResourceAssignUuid(2), without=Feature.RESOURCE_UUID
    ),
    Row(Command.RESOURCE_ASSIGN_UUID, "id unknown", RES, ResourceAssignUuid(9)),
    Row(Command.RESOURCE_ASSIGN_UUID, "2D", Response.OK_RESOURCE_UUID, ResourceAssignUuid(2)),
    Row(Command.RESOURCE_ASSIGN_UUID, "blob", Response.OK_RESOURCE_UUID, ResourceAssignUuid(4)),
    # The host-visible region, which this device does not have.
    Row(Command.RESOURCE_MAP_BLOB, "id unknown", RES, ResourceMapBlob(9)),
    Row(Command.RESOURCE_MAP_BLOB, "not host memory", PAR, ResourceMapBlob(4)),
    Row(Command.RESOURCE_MAP_BLOB, "not a blob", PAR, ResourceMapBlob(2)),
    Row(Command.RESOURCE_UNMAP_BLOB, "id unknown", RES, ResourceUnmapBlob(9)),
    Row(Command.RESOURCE_UNMAP_BLOB, "not mapped", PAR, ResourceUnmapBlob(4)),
]


def furnish(machine: Machine, row: Row) -> None:
    """Make what every row starts from; without blobs where the row's driver did not accept them."""
    machine.create_2d(2, 64, 48)
    machine.create_2d(3, 64, 48, page=None)
    if row.without is not Feature.RESOURCE_BLOB:
        machine.create_blob(4, machine.pages(8, 7, 6, 5))
        machine.create_blob(5, machine.pages(9, 10, 11, 12))
        machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(5))
        machine.show_blob(4, 64, 64, rect=Rect(0, 0, 32, 32), scanout=1)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_response(make_machine: MakeMachine, row: Row) -> None:
    refused = 0 if row.without is None else 1 << row.without
    features = GpuDevice.features & ~refused
    machine = make_machine([DisplayMode(1024, 768)] * 2, limits=row.limits, features=features)
    furnish(machine, row)
    errors, calls = machine.device.errors.total(), len(machine.display.calls)
    held = machine.device.host_memory_bytes, machine.device.mappings

    request = machine.request(row.command, row.body, row.runs, flags=1, fence_id=77, ctx_id=3) + row.tail
    reply = machine.send_bytes(request[: len(request) - row.cut])

    assert reply.response == row.expected, machine.device.last_fault
    assert (reply.header.flags, reply.header.fence_id, reply.header.ctx_id) == (1, 77, 3)
    if row.expected >= Response.ERR_UNSPEC:
        assert machine.device.errors[row.expected.name] == 1
        assert machine.device.errors.total() == errors + 1
        assert machine.faults == [machine.device.last_fault]
        assert len(machine.display.calls) == calls, "a refused command changed what is shown"
        assert (machine.device.host_memory_bytes, machine.device.mappings) == held
    else:
        assert machine.device.errors.total() == errors


@pytest.mark.parametrize("size", [0, 1, 8, 23])
def test_a_request_without_a_whole_header_is_unspecified_where_there_is_room_for_saying_so(
    machine: Machine, size: int
) -> None:
    request = machine.request(Command.GET_DISPLAY_INFO, flags=1, fence_id=5)[:size]
    reply = machine.send_bytes(request)
    assert (reply.response, reply.header.flags, reply.length) == (UNS, 0, 24)
    if size:
        assert machine.send_bytes(request, room=0).length == 0
    assert machine.device.errors["ERR_UNSPEC"] == 1 + bool(size)


@pytest.mark.parametrize("room", [0, 1, 23, 24, 100, 408])
def test_a_response_is_cut_where_the_driver_s_room_ends(machine: Machine, room: int) -> None:
    whole = machine.send(Command.GET_DISPLAY_INFO)
    reply = machine.send_bytes(machine.request(Command.GET_DISPLAY_INFO), room=room)
    assert reply.length == room
    assert reply.body == whole.body[: max(room - 24, 0)]


def test_the_kernel_s_own_entry_format_is_used(machine: Machine) -> None:
    machine.create_2d(2, 64, 16, page=None)
    body = pack(ResourceAttachBacking(2, 1)) + pack(MemEntry(HIGH, PAGE))
    assert machine.send_bytes(machine.request(Command.RESOURCE_ATTACH_BACKING) + body).response == OK
