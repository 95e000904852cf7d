"""virtio-gpu on the wire: numbers and structures (virtio 1.3, 5.7; linux/virtio_gpu.h).

Both sides use this module: the device reads requests and writes responses, the simulated driver does
the opposite. Each structure is declared without its 24-byte header, which every request and response
starts with: `pack(Header(...)) + pack(body)` is a whole message, and `unpack(Kind, message, HEADER_SIZE)`
reads a body. Numbers are written out in hex, so that no missed member can shift the rest.

Bit sets are plain integer enums and not `IntFlag`: `flags & Flag.FENCE` is then an integer operation,
and this one happens for every command.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from enum import IntEnum
from itertools import chain
from typing import Annotated, Any, NamedTuple

import numpy as np

from virtio.gpu.layout import S32, U8, U32, U64, Array, layout_of, pack, sizeof, unpack

__all__ = [
    "Command",
    "Response",
    "Flag",
    "Feature",
    "BlobMem",
    "BlobFlag",
    "Event",
    "ShmId",
    "MapCache",
    "Header",
    "Rect",
    "MemEntry",
    "pack",
    "pack_entries",
    "unpack",
    "unpack_entries",
    "layout_of",
    "sizeof",
]

DEVICE_ID = 16
"""virtio device id of a GPU (virtio 1.3, 5.7.1)."""

CONTROL_QUEUE, CURSOR_QUEUE = 0, 1
MAX_SCANOUTS = 16
EDID_BYTES = 1024


class Feature(IntEnum):
    """Bit numbers of the device's feature bits (virtio 1.3, 5.7.3)."""

    VIRGL = 0
    EDID = 1
    RESOURCE_UUID = 2
    RESOURCE_BLOB = 3
    CONTEXT_INIT = 4


class Command(IntEnum):
    """Request types: `enum virtio_gpu_ctrl_type`."""

    GET_DISPLAY_INFO = 0x0100
    RESOURCE_CREATE_2D = 0x0101
    RESOURCE_UNREF = 0x0102
    SET_SCANOUT = 0x0103
    RESOURCE_FLUSH = 0x0104
    TRANSFER_TO_HOST_2D = 0x0105
    RESOURCE_ATTACH_BACKING = 0x0106
    RESOURCE_DETACH_BACKING = 0x0107
    GET_CAPSET_INFO = 0x0108
    GET_CAPSET = 0x0109
    GET_EDID = 0x010A
    RESOURCE_ASSIGN_UUID = 0x010B
    RESOURCE_CREATE_BLOB = 0x010C
    SET_SCANOUT_BLOB = 0x010D
    CTX_CREATE = 0x0200
    CTX_DESTROY = 0x0201
    CTX_ATTACH_RESOURCE = 0x0202
    CTX_DETACH_RESOURCE = 0x0203
    RESOURCE_CREATE_3D = 0x0204
    TRANSFER_TO_HOST_3D = 0x0205
    TRANSFER_FROM_HOST_3D = 0x0206
    SUBMIT_3D = 0x0207
    RESOURCE_MAP_BLOB = 0x0208
    RESOURCE_UNMAP_BLOB = 0x0209
    UPDATE_CURSOR = 0x0300
    MOVE_CURSOR = 0x0301


class Response(IntEnum):
    """Response types; from 0x1200 on they are errors, and no others exist."""

    OK_NODATA = 0x1100
    OK_DISPLAY_INFO = 0x1101
    OK_CAPSET_INFO = 0x1102
    OK_CAPSET = 0x1103
    OK_EDID = 0x1104
    OK_RESOURCE_UUID = 0x1105
    OK_MAP_INFO = 0x1106
    ERR_UNSPEC = 0x1200
    ERR_OUT_OF_MEMORY = 0x1201
    ERR_INVALID_SCANOUT_ID = 0x1202
    ERR_INVALID_RESOURCE_ID = 0x1203
    ERR_INVALID_CONTEXT_ID = 0x1204
    ERR_INVALID_PARAMETER = 0x1205


class Flag(IntEnum):
    """Bits of `Header.flags`."""

    FENCE = 0x1
    INFO_RING_IDX = 0x2


class BlobMem(IntEnum):
    """Where a blob's memory lives (`CreateBlob.blob_mem`); 0 is invalid."""

    GUEST = 0x1
    HOST3D = 0x2
    HOST3D_GUEST = 0x3


class BlobFlag(IntEnum):
    """What a blob may be used for: bits of `CreateBlob.blob_flags`."""

    USE_MAPPABLE = 0x1
    USE_SHAREABLE = 0x2
    USE_CROSS_DEVICE = 0x4


class Event(IntEnum):
    """Bits of `Config.events_read` and `Config.events_clear`."""

    DISPLAY = 0x1


class ShmId(IntEnum):
    """Shared memory regions of the device."""

    UNDEFINED = 0x0
    HOST_VISIBLE = 0x1


class MapCache(IntEnum):
    """How the driver must map a blob (`MapInfo.map_info`, low four bits)."""

    NONE = 0x0
    CACHED = 0x1
    UNCACHED = 0x2
    WC = 0x3


Bytes3 = Annotated[bytes, "3s"]
Bytes16 = Annotated[bytes, "16s"]
Bytes64 = Annotated[bytes, "64s"]
BytesEdid = Annotated[bytes, "1024s"]
Planes = Annotated[tuple[int, ...], Array("I", 4)]


class Config(NamedTuple):
    """The config space (`struct virtio_gpu_config`, 16 bytes)."""

    events_read: U32 = 0
    events_clear: U32 = 0
    num_scanouts: U32 = 1
    num_capsets: U32 = 0


class Header(NamedTuple):
    """What every request and response starts with (`struct virtio_gpu_ctrl_hdr`, 24 bytes)."""

    type: U32
    flags: U32 = 0
    fence_id: U64 = 0
    ctx_id: U32 = 0
    ring_idx: U8 = 0
    padding: Bytes3 = b"\0\0\0"


HEADER_SIZE = sizeof(Header)


class Rect(NamedTuple):
    """A rectangle in pixels (`struct virtio_gpu_rect`)."""

    x: U32
    y: U32
    width: U32
    height: U32


class MemEntry(NamedTuple):
    """One contiguous piece of guest memory (`struct virtio_gpu_mem_entry`)."""

    addr: U64
    length: U32
    padding: U32 = 0


class ResourceCreate2d(NamedTuple):
    """RESOURCE_CREATE_2D: a host image of `width` by `height` pixels."""

    resource_id: U32
    format: U32
    width: U32
    height: U32


class ResourceUnref(NamedTuple):
    """RESOURCE_UNREF: the resource is gone."""

    resource_id: U32
    padding: U32 = 0


class SetScanout(NamedTuple):
    """SET_SCANOUT: show `rect` of a 2D resource; resource 0 disables the scanout."""

    rect: Rect
    scanout_id: U32
    resource_id: U32


class ResourceFlush(NamedTuple):
    """RESOURCE_FLUSH: `rect` of the resource changed, make it visible."""

    rect: Rect
    resource_id: U32
    padding: U32 = 0


class TransferToHost2d(NamedTuple):
    """TRANSFER_TO_HOST_2D: copy `rect` from the backing, whose byte `offset` is its first pixel."""

    rect: Rect
    offset: U64
    resource_id: U32
    padding: U32 = 0


class ResourceAttachBacking(NamedTuple):
    """RESOURCE_ATTACH_BACKING: `nr_entries` of `MemEntry` follow."""

    resource_id: U32
    nr_entries: U32


class ResourceDetachBacking(NamedTuple):
    """RESOURCE_DETACH_BACKING: the host lets go of the resource's guest memory."""

    resource_id: U32
    padding: U32 = 0


class DisplayOne(NamedTuple):
    """One scanout in GET_DISPLAY_INFO's response: the preferred mode, and where the monitor stands."""

    rect: Rect
    enabled: U32
    flags: U32 = 0


Displays = Annotated[tuple[DisplayOne, ...], Array(DisplayOne, MAX_SCANOUTS)]


class RespDisplayInfo(NamedTuple):
    """OK_DISPLAY_INFO: always 16 entries."""

    pmodes: Displays


class GetEdid(NamedTuple):
    """GET_EDID of one scanout."""

    scanout: U32
    padding: U32 = 0


class RespEdid(NamedTuple):
    """OK_EDID: the first `size` bytes of `edid` count."""

    size: U32
    padding: U32 = 0
    edid: BytesEdid = b""


class ResourceAssignUuid(NamedTuple):
    """RESOURCE_ASSIGN_UUID: a name for the resource that other virtio devices understand."""

    resource_id: U32
    padding: U32 = 0


class RespResourceUuid(NamedTuple):
    """OK_RESOURCE_UUID."""

    uuid: Bytes16


class ResourceCreateBlob(NamedTuple):
    """RESOURCE_CREATE_BLOB: `nr_entries` of `MemEntry` follow."""

    resource_id: U32
    blob_mem: U32
    blob_flags: U32
    nr_entries: U32
    blob_id: U64
    size: U64


class SetScanoutBlob(NamedTuple):
    """SET_SCANOUT_BLOB: show `rect` of a `width` by `height` image that lies in a blob.

    The first plane's pixel (x, y) is at `offsets[0] + y * strides[0] + 4 * x`; the eight formats have
    one plane, so the other strides and offsets mean nothing.
    """

    rect: Rect
    scanout_id: U32
    resource_id: U32
    width: U32
    height: U32
    format: U32
    padding: U32 = 0
    strides: Planes = (0, 0, 0, 0)
    offsets: Planes = (0, 0, 0, 0)


class ResourceMapBlob(NamedTuple):
    """RESOURCE_MAP_BLOB: place a host blob at byte `offset` of the host-visible region."""

    resource_id: U32
    padding: U32 = 0
    offset: U64 = 0


class RespMapInfo(NamedTuple):
    """OK_MAP_INFO: a `MapCache` value."""

    map_info: U32
    padding: U32 = 0


class ResourceUnmapBlob(NamedTuple):
    """RESOURCE_UNMAP_BLOB: take the blob out of the host-visible region."""

    resource_id: U32
    padding: U32 = 0


class CursorPos(NamedTuple):
    """Where the cursor's upper left corner stands (`struct virtio_gpu_cursor_pos`).

    The specification says le32; drivers store signed numbers there (Linux: `plane->state->crtc_x`), so
    that a cursor can leave the screen to the left and above.
    """

    scanout_id: U32
    x: S32
    y: S32
    padding: U32 = 0


class UpdateCursor(NamedTuple):
    """UPDATE_CURSOR and MOVE_CURSOR (which uses `pos` alone); resource 0 hides the cursor."""

    pos: CursorPos
    resource_id: U32 = 0
    hot_x: U32 = 0
    hot_y: U32 = 0
    padding: U32 = 0


class GetCapsetInfo(NamedTuple):
    """GET_CAPSET_INFO of the capset with that index."""

    capset_index: U32
    padding: U32 = 0


class RespCapsetInfo(NamedTuple):
    """OK_CAPSET_INFO."""

    capset_id: U32
    capset_max_version: U32
    capset_max_size: U32
    padding: U32 = 0


class GetCapset(NamedTuple):
    """GET_CAPSET."""

    capset_id: U32
    capset_version: U32


class CtxCreate(NamedTuple):
    """CTX_CREATE: a 3D context; the low 8 bits of `context_init` are a capset id."""

    nlen: U32
    context_init: U32 = 0
    debug_name: Bytes64 = b""


class CtxResource(NamedTuple):
    """CTX_ATTACH_RESOURCE and CTX_DETACH_RESOURCE."""

    resource_id: U32
    padding: U32 = 0


class Box(NamedTuple):
    """A box of texels (`struct virtio_gpu_box`)."""

    x: U32
    y: U32
    z: U32
    w: U32
    h: U32
    d: U32


class ResourceCreate3d(NamedTuple):
    """RESOURCE_CREATE_3D."""

    resource_id: U32
    target: U32
    format: U32
    bind: U32
    width: U32
    height: U32
    depth: U32
    array_size: U32
    last_level: U32
    nr_samples: U32
    flags: U32
    padding: U32 = 0


class TransferHost3d(NamedTuple):
    """TRANSFER_TO_HOST_3D and TRANSFER_FROM_HOST_3D."""

    box: Box
    offset: U64
    resource_id: U32
    level: U32
    stride: U32
    layer_stride: U32


class CmdSubmit(NamedTuple):
    """SUBMIT_3D: `size` bytes of commands follow."""

    size: U32
    padding: U32 = 0


class NoBody(NamedTuple):
    """A message that is a header and nothing else."""


REQUESTS: dict[Command, type[Any]] = {
    Command.GET_DISPLAY_INFO: NoBody,
    Command.RESOURCE_CREATE_2D: ResourceCreate2d,
    Command.RESOURCE_UNREF: ResourceUnref,
    Command.SET_SCANOUT: SetScanout,
    Command.RESOURCE_FLUSH: ResourceFlush,
    Command.TRANSFER_TO_HOST_2D: TransferToHost2d,
    Command.RESOURCE_ATTACH_BACKING: ResourceAttachBacking,
    Command.RESOURCE_DETACH_BACKING: ResourceDetachBacking,
    Command.GET_CAPSET_INFO: GetCapsetInfo,
    Command.GET_CAPSET: GetCapset,
    Command.GET_EDID: GetEdid,
    Command.RESOURCE_ASSIGN_UUID: ResourceAssignUuid,
    Command.RESOURCE_CREATE_BLOB: ResourceCreateBlob,
    Command.SET_SCANOUT_BLOB: SetScanoutBlob,
    Command.CTX_CREATE: CtxCreate,
    Command.CTX_DESTROY: NoBody,
    Command.CTX_ATTACH_RESOURCE: CtxResource,
    Command.CTX_DETACH_RESOURCE: CtxResource,
    Command.RESOURCE_CREATE_3D: ResourceCreate3d,
    Command.TRANSFER_TO_HOST_3D: TransferHost3d,
    Command.TRANSFER_FROM_HOST_3D: TransferHost3d,
    Command.SUBMIT_3D: CmdSubmit,
    Command.RESOURCE_MAP_BLOB: ResourceMapBlob,
    Command.RESOURCE_UNMAP_BLOB: ResourceUnmapBlob,
    Command.UPDATE_CURSOR: UpdateCursor,
    Command.MOVE_CURSOR: UpdateCursor,
}
"""The body of each request; entries or data may follow it."""

RESPONSES: dict[Response, type[Any]] = {
    Response.OK_DISPLAY_INFO: RespDisplayInfo,
    Response.OK_CAPSET_INFO: RespCapsetInfo,
    Response.OK_EDID: RespEdid,
    Response.OK_RESOURCE_UUID: RespResourceUuid,
    Response.OK_MAP_INFO: RespMapInfo,
}
"""The body of each response that has one (OK_CAPSET is followed by a capset's own bytes)."""

_ENTRY_SIZE = sizeof(MemEntry)
_ENTRY = np.dtype([("address", "<u8"), ("length", "<u4"), ("padding", "<u4")])


def pack_entries(runs: Sequence[tuple[int, int]]) -> bytes:
    """(guest address, length) pairs as the `MemEntry` array that follows a request."""
    values = chain.from_iterable(MemEntry(address, length) for address, length in runs)
    return struct.pack("<" + layout_of(MemEntry).format * len(runs), *values)


def unpack_entries(data: bytes, offset: int, count: int) -> list[tuple[int, int]]:
    """The (guest address, length) pairs of `count` entries at `offset`.

    Raises:
        struct.error: `data` ends before the last entry does.
    """
    end = offset + count * _ENTRY_SIZE
    if len(data) < end:
        raise struct.error(f"{count} memory entries need {end - offset} bytes, got {len(data) - offset}")
    entries = np.frombuffer(data[offset:end], _ENTRY)
    return list(zip(entries["address"].tolist(), entries["length"].tolist(), strict=True))
