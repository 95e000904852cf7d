"""Faults in requests: too short, unknown, or about what does not exist."""

from __future__ import annotations

from functools import partial

from guest.faults.fault import Fault
from guest.faults.sender import Sender, request_fault
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, Rect, Response

UNKNOWN = 0xDEAD  # no driver makes a resource with this id

FAULTS: list[Fault] = []
_fault = partial(request_fault, FAULTS)


@_fault(Response.ERR_UNSPEC)
def short_header(out: Sender) -> None:
    """A request that ends inside its header."""
    out.message(bytes(10))


@_fault(Response.ERR_UNSPEC)
def short_body(out: Sender) -> None:
    """A request ends before its structure does."""
    out.send(Command.GET_EDID, wire.NoBody())


@_fault(Response.ERR_UNSPEC)
def unknown_command(out: Sender) -> None:
    """A command that does not exist."""
    out.send(0x01FF, wire.NoBody())


@_fault(Response.ERR_UNSPEC)
def command_of_3d(out: Sender) -> None:
    """A 3D command, though VIRGL was not negotiated."""
    out.send(Command.CTX_CREATE, wire.CtxCreate(0))


@_fault(Response.ERR_INVALID_PARAMETER)
def edid_of_no_scanout(out: Sender) -> None:
    """The EDID of a scanout that does not exist."""
    out.send(Command.GET_EDID, wire.GetEdid(16))


@_fault(Response.ERR_INVALID_RESOURCE_ID)
def flush_of_unknown_resource(out: Sender) -> None:
    """A flush of a resource that was never made."""
    out.send(Command.RESOURCE_FLUSH, wire.ResourceFlush(Rect(0, 0, 16, 16), UNKNOWN))


@_fault(Response.ERR_INVALID_RESOURCE_ID)
def unref_of_unknown_resource(out: Sender) -> None:
    """The end of a resource that was never made."""
    out.send(Command.RESOURCE_UNREF, wire.ResourceUnref(UNKNOWN))


@_fault(Response.ERR_INVALID_RESOURCE_ID)
def resource_zero(out: Sender) -> None:
    """A resource with the id that means none."""
    out.send(Command.RESOURCE_CREATE_2D, wire.ResourceCreate2d(0, Format.B8G8R8X8, 16, 16))
