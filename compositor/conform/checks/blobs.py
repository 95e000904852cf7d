"""Blobs of guest memory (5.7.6.8)."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.memory import PAGE, Piece
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    BlobFlag,
    BlobMem,
    Command,
    Feature,
    Rect,
    ResourceCreateBlob,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    SetScanoutBlob,
    TransferToHost2d,
    pack_entries,
)

_GROUP = Group("blobs")
check = _GROUP.check

_SIDE = 64
_STRIDE = _SIDE * 4
_BYTES = _SIDE * _STRIDE
_WHOLE = Rect(0, 0, _SIDE, _SIDE)


def _guest(rig: Rig) -> Guest:
    guest = rig.guest()
    need(guest.offers(Feature.RESOURCE_BLOB), "RESOURCE_BLOB is not offered")
    return guest


def _create(guest: Guest, number: int, pieces: list[Piece], *, size: int = _BYTES) -> None:
    body = ResourceCreateBlob(number, BlobMem.GUEST, BlobFlag.USE_SHAREABLE, len(pieces), 0, size)
    guest.do(Command.RESOURCE_CREATE_BLOB, body, tail=pack_entries(pieces))


def _pages(guest: Guest) -> list[Piece]:
    return [guest.memory.take(PAGE, align=PAGE) for _ in range(_BYTES // PAGE)]


def _show(guest: Guest, number: int, rect: Rect = _WHOLE, **layout: int) -> None:
    guest.do(Command.SET_SCANOUT_BLOB, _layout(number, rect, **layout))


def _layout(
    number: int,
    rect: Rect,
    *,
    height: int = _SIDE,
    stride: int = _STRIDE,
    offset: int = 0,
    kind: int = Format.B8G8R8X8,
) -> SetScanoutBlob:
    planes = ((stride, 0, 0, 0), (offset, 0, 0, 0))
    return SetScanoutBlob(rect, 0, number, _SIDE, height, kind, 0, *planes)


@check("5.7.6.8")
def guest_memory_is_shown(rig: Rig) -> None:
    """A blob of guest pages, in one piece or many, is created, shown, flushed, and goes."""
    guest = _guest(rig)
    for pieces in ([guest.memory.take(_BYTES, align=PAGE)], list(reversed(_pages(guest)))):
        _create(guest, 1, pieces)
        _show(guest, 1)
        guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1))
        guest.do(Command.RESOURCE_UNREF, ResourceUnref(1))


@check("5.7.6.8")
def every_format_is_shown(rig: Rig) -> None:
    """SET_SCANOUT_BLOB takes each of the eight formats."""
    guest = _guest(rig)
    _create(guest, 1, _pages(guest))
    for kind in Format:
        _show(guest, 1, kind=kind)


@check("5.7.6.8")
def pages_may_be_attached_later(rig: Rig) -> None:
    """A blob may be created without entries; its pages come with RESOURCE_ATTACH_BACKING."""
    guest = _guest(rig)
    _create(guest, 1, [])
    guest.attach(1, _pages(guest))
    _show(guest, 1)
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1))


@check("5.7.6.8")
def pages_may_change_while_shown(rig: Rig) -> None:
    """A shown blob's pages may be detached and others attached, as Linux does for imported buffers."""
    guest = _guest(rig)
    _create(guest, 1, _pages(guest))
    _show(guest, 1)
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1))
    guest.do(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(1))
    guest.attach(1, _pages(guest))
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1))


@check("5.7.6.8")
def parts_and_offsets_may_be_shown(rig: Rig) -> None:
    """A scanout may show a part of a blob, and an image that begins within it."""
    guest = _guest(rig)
    _create(guest, 1, _pages(guest))
    _show(guest, 1, Rect(16, 16, 32, 32))
    _show(guest, 1, Rect(0, 0, _SIDE, 32), height=32, offset=32 * _STRIDE)


@check("5.7.6.8", "should")
def the_last_row_may_end_early(rig: Rig) -> None:
    """An image's last row need not have a whole stride: the bytes behind its pixels may be missing."""
    guest = _guest(rig)
    stride = _STRIDE + 64
    size = (_SIDE - 1) * stride + _STRIDE
    _create(guest, 1, [guest.memory.take(size, align=PAGE)], size=size)
    _show(guest, 1, stride=stride)


@check("5.7.6.8", "should")
def transfers_of_blobs_are_no_error(rig: Rig) -> None:
    """TRANSFER_TO_HOST_2D of a blob has nothing to do and succeeds: Linux sends it."""
    guest = _guest(rig)
    _create(guest, 1, _pages(guest))
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))


@check("5.7.6.8")
def blob_mem_is_not_0(rig: Rig) -> None:
    """RESOURCE_CREATE_BLOB with blob_mem 0 is answered with an error."""
    guest = _guest(rig)
    pieces = _pages(guest)
    for memory in (0, 9):
        body = ResourceCreateBlob(1, memory, BlobFlag.USE_SHAREABLE, len(pieces), 0, _BYTES)
        answer = guest.ask(Command.RESOURCE_CREATE_BLOB, body, tail=pack_entries(pieces))
        require(answer.is_error, f"blob_mem {memory} is answered {answer}")


@check("5.7.6.8")
def host_memory_needs_3d(rig: Rig) -> None:
    """Without VIRGL, RESOURCE_CREATE_BLOB of host memory is answered with an error."""
    guest = _guest(rig)
    need(not guest.offered >> Feature.VIRGL & 1, "the device offers VIRGL")
    for memory in (BlobMem.HOST3D, BlobMem.HOST3D_GUEST):
        body = ResourceCreateBlob(1, memory, BlobFlag.USE_MAPPABLE, 0, 0, _BYTES)
        answer = guest.ask(Command.RESOURCE_CREATE_BLOB, body)
        require(answer.is_error, f"{memory.name} is answered {answer}")


@check("5.7.6.8")
def the_format_is_one_of_eight(rig: Rig) -> None:
    """SET_SCANOUT_BLOB with a format that there is not is answered with an error."""
    guest = _guest(rig)
    _create(guest, 1, _pages(guest))
    for kind in (0, 5, 999):
        answer = guest.ask(Command.SET_SCANOUT_BLOB, _layout(1, _WHOLE, kind=kind))
        require(answer.is_error, f"format {kind} is answered {answer}")


@check("5.7.6.8")
def images_lie_within_their_blob(rig: Rig) -> None:
    """An image that reaches beyond its blob is answered with an error."""
    guest = _guest(rig)
    _create(guest, 1, _pages(guest))
    for body in (
        _layout(1, _WHOLE, offset=8),
        _layout(1, _WHOLE, stride=_STRIDE + 4),
        _layout(1, _WHOLE, offset=0xFFFF_FFFC),
        _layout(1, _WHOLE, stride=0xFFFF_FFFC),
    ):
        answer = guest.ask(Command.SET_SCANOUT_BLOB, body)
        place = f"stride {body.strides[0]}, offset {body.offsets[0]}, blob of {_BYTES} bytes"
        require(answer.is_error, f"{place}: answered {answer}")
