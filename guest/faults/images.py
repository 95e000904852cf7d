"""Faults in requests about images in the host's memory: outside of them, or more than there may be."""

from __future__ import annotations

from functools import partial

from guest.faults.fault import Fault
from guest.faults.sender import Sender, request_fault
from guest.memory import PAGE
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.gpu.wire import Command, Rect, Response

_SIDE = 32  # of an image, pixels: a page
_ALL = Rect(0, 0, _SIDE, _SIDE)
_BESIDE = Rect(1, 0, _SIDE, _SIDE)

FAULTS: list[Fault] = []
_fault = partial(request_fault, FAULTS)


@_fault(Response.ERR_INVALID_PARAMETER)
def image_of_no_width(out: Sender) -> None:
    """An image without a single pixel."""
    _create(out, 0, _SIDE)


@_fault(Response.ERR_INVALID_PARAMETER)
def image_too_wide(out: Sender) -> None:
    """An image of 2^32 - 1 pixels in a row."""
    _create(out, 0xFFFF_FFFF, _SIDE)


@_fault(Response.ERR_INVALID_PARAMETER)
def image_of_unknown_format(out: Sender) -> None:
    """An image in a format that virtio-gpu does not know."""
    body = wire.ResourceCreate2d(out.driver.new_resource_id(), 5, _SIDE, _SIDE)
    out.send(Command.RESOURCE_CREATE_2D, body)


@_fault(Response.ERR_OUT_OF_MEMORY)
def images_beyond_memory(out: Sender) -> None:
    """Images of 1 GiB each, until the host says no."""
    resource_id = out.driver.new_resource_id()
    out.driver.create_2d(resource_id, (16_384, 16_383), Format.B8G8R8X8)
    _create(out, 16_384, 16_384)
    out.driver.unref(resource_id, lambda: None)


@_fault(Response.ERR_UNSPEC)
def backing_attached_twice(out: Sender) -> None:
    """Memory for an image that has some already."""
    resource_id, entry = _image(out)
    body = wire.ResourceAttachBacking(resource_id, 1)
    out.send(Command.RESOURCE_ATTACH_BACKING, body, entry)


@_fault(Response.ERR_UNSPEC)
def backing_detached_twice(out: Sender) -> None:
    """Memory taken back from an image that has none."""
    resource_id, _ = _image(out)
    out.driver.detach_backing(resource_id)
    out.send(Command.RESOURCE_DETACH_BACKING, wire.ResourceDetachBacking(resource_id))


@_fault(Response.ERR_INVALID_PARAMETER)
def transfer_outside_image(out: Sender) -> None:
    """A transfer whose last column is beyond the image."""
    out.send(Command.TRANSFER_TO_HOST_2D, wire.TransferToHost2d(_BESIDE, 0, _image(out)[0]))


@_fault(Response.ERR_INVALID_PARAMETER)
def transfer_wraps_around(out: Sender) -> None:
    """A transfer whose rectangle fits only if 32 bits overflow."""
    rect = Rect(0xFFFF_FFF0, 0, 16, _SIDE)
    out.send(Command.TRANSFER_TO_HOST_2D, wire.TransferToHost2d(rect, 0, _image(out)[0]))


@_fault(Response.ERR_INVALID_PARAMETER)
def transfer_beyond_backing(out: Sender) -> None:
    """A transfer whose last byte lies beyond the image's memory."""
    out.send(Command.TRANSFER_TO_HOST_2D, wire.TransferToHost2d(_ALL, 4, _image(out)[0]))


@_fault(Response.ERR_UNSPEC)
def transfer_without_backing(out: Sender) -> None:
    """A transfer from memory that was taken back."""
    resource_id, _ = _image(out)
    out.driver.detach_backing(resource_id)
    out.send(Command.TRANSFER_TO_HOST_2D, wire.TransferToHost2d(_ALL, 0, resource_id))


@_fault(Response.ERR_INVALID_PARAMETER)
def flush_outside_image(out: Sender) -> None:
    """A flush whose last column is beyond the image."""
    out.send(Command.RESOURCE_FLUSH, wire.ResourceFlush(_BESIDE, _image(out)[0]))


@_fault(Response.ERR_INVALID_PARAMETER)
def scanout_outside_image(out: Sender) -> None:
    """A scanout of a rectangle whose last column is beyond its image."""
    out.send(Command.SET_SCANOUT, wire.SetScanout(_BESIDE, 0, _image(out)[0]))


@_fault(Response.ERR_INVALID_PARAMETER)
def scanout_too_small(out: Sender) -> None:
    """A scanout of a single pixel."""
    out.send(Command.SET_SCANOUT, wire.SetScanout(Rect(0, 0, 1, 1), 0, _image(out)[0]))


@_fault(Response.ERR_UNSPEC)
def scanout_without_backing(out: Sender) -> None:
    """A scanout of an image whose memory was taken back."""
    resource_id, _ = _image(out)
    out.driver.detach_backing(resource_id)
    out.send(Command.SET_SCANOUT, wire.SetScanout(_ALL, 0, resource_id))


def _create(out: Sender, width: int, height: int) -> None:
    body = wire.ResourceCreate2d(out.driver.new_resource_id(), Format.B8G8R8X8, width, height)
    out.send(Command.RESOURCE_CREATE_2D, body)


def _image(out: Sender) -> tuple[int, bytes]:
    """A valid image, and its memory as an entry."""
    resource_id, run = out.driver.new_resource_id(), out.driver.ram.allocate_contiguous(PAGE)
    out.driver.create_2d(resource_id, (_SIDE, _SIDE), Format.B8G8R8X8)
    out.driver.attach_backing(resource_id, [run])
    return resource_id, wire.pack_entries([run])
