"""Faults in requests about memory and pictures: lists that lie, pictures that do not fit, early ends."""

from __future__ import annotations

from functools import partial

from guest.faults.fault import NOWHERE, Fault
from guest.faults.sender import Sender, request_fault
from guest.memory import PAGE
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import BlobMem, Command, Flag, Header, Rect, Response
from virtio.memory import Run

_SIDE = 32  # of the pictures, pixels: a page each

FAULTS: list[Fault] = []
_fault = partial(request_fault, FAULTS)


@_fault(Response.ERR_INVALID_RESOURCE_ID)
def resource_id_taken(out: Sender) -> None:
    """A resource with the id of another one."""
    out.send(Command.RESOURCE_CREATE_2D, wire.ResourceCreate2d(_blob(out)[0], Format.B8G8R8X8, 16, 16))


@_fault(Response.ERR_UNSPEC)
def entries_truncated(out: Sender) -> None:
    """A list of four memory entries that ends after the first."""
    out.send(Command.RESOURCE_CREATE_BLOB, _create_blob(out, entries=4), _one_page(out))


@_fault(Response.ERR_UNSPEC)
def entries_beyond_limit(out: Sender) -> None:
    """A list that claims more memory entries than any device takes."""
    out.send(Command.RESOURCE_CREATE_BLOB, _create_blob(out, entries=0xFFFF_FFFF), _one_page(out))


@_fault(Response.ERR_UNSPEC)
def entries_outside_memory(out: Sender) -> None:
    """A memory entry that is nowhere in the guest's memory."""
    out.send(Command.RESOURCE_CREATE_BLOB, _create_blob(out), wire.pack_entries([(NOWHERE, PAGE)]))


@_fault(Response.ERR_INVALID_PARAMETER)
def blob_of_no_size(out: Sender) -> None:
    """A blob of zero bytes."""
    out.send(Command.RESOURCE_CREATE_BLOB, _create_blob(out, size=0), _one_page(out))


@_fault(Response.ERR_INVALID_PARAMETER)
def blob_beyond_its_memory(out: Sender) -> None:
    """A blob that says it is larger than its memory entries are together."""
    out.send(Command.RESOURCE_CREATE_BLOB, _create_blob(out, size=1 << 40), _one_page(out))


@_fault(Response.ERR_INVALID_PARAMETER)
def blob_of_no_kind(out: Sender) -> None:
    """A blob in memory of a kind that does not exist."""
    out.send(Command.RESOURCE_CREATE_BLOB, _create_blob(out, kind=0), _one_page(out))


@_fault(Response.ERR_INVALID_SCANOUT_ID)
def scanout_out_of_range(out: Sender) -> None:
    """A picture for a scanout that does not exist."""
    out.send(Command.SET_SCANOUT_BLOB, _scanout_blob(out, scanout=16))


@_fault(Response.ERR_INVALID_PARAMETER)
def scanout_beyond_blob(out: Sender) -> None:
    """A picture whose last rows lie beyond the end of its blob."""
    out.send(Command.SET_SCANOUT_BLOB, _scanout_blob(out, height=_SIDE + 1))


@_fault(Response.ERR_INVALID_PARAMETER)
def scanout_wraps_around(out: Sender) -> None:
    """A rectangle whose right edge fits only if 32 bits overflow."""
    out.send(Command.SET_SCANOUT_BLOB, _scanout_blob(out, rect=Rect(0xFFFF_FFF0, 0, 32, _SIDE)))


@_fault(Response.ERR_INVALID_PARAMETER)
def scanout_of_unknown_format(out: Sender) -> None:
    """A picture in a format that virtio-gpu does not know."""
    out.send(Command.SET_SCANOUT_BLOB, _scanout_blob(out, pixel_format=5))


@_fault(Response.OK_NODATA)
def unref_of_scanned_out_resource(out: Sender) -> None:
    """The end of a resource that is on the screen: allowed, and the screen goes dark."""
    resource_id, runs = _blob(out)
    out.driver.set_scanout_blob(0, resource_id, (_SIDE, _SIDE), Format.B8G8R8X8, 4 * _SIDE)
    out.driver.flush(resource_id, Rect(0, 0, _SIDE, _SIDE))
    out.send(Command.RESOURCE_UNREF, wire.ResourceUnref(resource_id))
    out.driver.notify()
    out.driver.ram.free(runs)


@_fault(Response.OK_NODATA)
def fence_reused(out: Sender) -> None:
    """A flush with the fence of one that is done: answered all the same, its number is the driver's own."""
    resource_id, runs = _blob(out)
    fence = out.driver.flush(resource_id, Rect(0, 0, _SIDE, _SIDE))
    out.driver.notify()
    header = Header(Command.RESOURCE_FLUSH, Flag.FENCE, fence.seqno)
    body = wire.ResourceFlush(Rect(0, 0, _SIDE, _SIDE), resource_id)
    out.message(wire.pack(header) + wire.pack(body))
    out.driver.unref(resource_id, lambda: out.driver.ram.free(runs))


def _one_page(out: Sender) -> bytes:
    return wire.pack_entries([out.driver.ram.allocate_contiguous(PAGE)])


def _create_blob(
    out: Sender, *, kind: int = BlobMem.GUEST, entries: int = 1, size: int = PAGE
) -> wire.ResourceCreateBlob:
    return wire.ResourceCreateBlob(out.driver.new_resource_id(), kind, 0, entries, 0, size)


def _blob(out: Sender) -> tuple[int, list[Run]]:
    """A valid blob, for a fault that needs one."""
    resource_id, runs = out.driver.new_resource_id(), out.driver.ram.allocate(PAGE)
    out.driver.create_blob(resource_id, runs, PAGE)
    return resource_id, runs


def _scanout_blob(
    out: Sender,
    *,
    scanout: int = 0,
    height: int = _SIDE,
    rect: Rect | None = None,
    pixel_format: int = Format.B8G8R8X8,
) -> wire.SetScanoutBlob:
    """A SET_SCANOUT_BLOB that would be valid but for the arguments."""
    rect = rect or Rect(0, 0, _SIDE, height)
    size = (_SIDE, height)
    return wire.SetScanoutBlob(
        rect, scanout, _blob(out)[0], *size, pixel_format, strides=(4 * _SIDE, 0, 0, 0)
    )
