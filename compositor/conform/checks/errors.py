"""Which error when: a table. The specification names six errors, and leaves to devices which they answer.

Two checks a row would say too much: a row that is answered with *an* error is as the specification has it.
So the rows are advice; the "must" checks of other modules are about what has to be an error at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.memory import PAGE
from compositor.conform.rig import Rig
from compositor.conform.verdict import need
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    BlobFlag,
    BlobMem,
    Command,
    Feature,
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
    ResourceUnref,
    Response,
    SetScanout,
    SetScanoutBlob,
    TransferToHost2d,
    pack,
    pack_entries,
)

_GROUP = Group("errors")

_SIDE = 64
_WHOLE = Rect(0, 0, _SIDE, _SIDE)
_OUTSIDE = Rect(1, 0, _SIDE, _SIDE)
_UNKNOWN = 404
_NOWHERE = 1 << 56
_UNS, _PAR = Response.ERR_UNSPEC, Response.ERR_INVALID_PARAMETER
_RES, _SCN = Response.ERR_INVALID_RESOURCE_ID, Response.ERR_INVALID_SCANOUT_ID
_TOO_MANY = 16_385
_FORMAT = Format.B8G8R8X8


class _Row(NamedTuple):
    """One condition.

    Attributes:
        command: What is sent.
        condition: In words.
        error: What had best be answered.
        body: The command's structure.
        tail: What follows it.
        before: Gets the device ready.
        feature: Skipped where the device does not offer it.
    """

    command: Command
    condition: str
    error: Response
    body: Any
    tail: bytes = b""
    before: Callable[[Guest], object] = lambda _guest: None
    feature: Feature | None = None


def _bare(guest: Guest) -> None:
    """Resource 1, without a backing."""
    guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, _FORMAT, _SIDE, _SIDE))


def _gone(guest: Guest) -> None:
    """Resource 1, made and destroyed."""
    _bare(guest)
    guest.do(Command.RESOURCE_UNREF, ResourceUnref(1))


def _backed(guest: Guest) -> None:
    """Resource 1, with a backing."""
    guest.make_image(1, _SIDE, _SIDE)


def _short(guest: Guest) -> None:
    """Resource 1, with a backing that is too small."""
    _bare(guest)
    guest.attach(1, [guest.memory.take(PAGE, align=PAGE)])


def _blob(guest: Guest) -> None:
    """Resource 1, a blob with its pages."""
    backing = guest.memory.take(_SIDE * _SIDE * 4, align=PAGE)
    body = ResourceCreateBlob(1, BlobMem.GUEST, BlobFlag.USE_SHAREABLE, 1, 0, backing.length)
    guest.do(Command.RESOURCE_CREATE_BLOB, body, tail=pack_entries([backing]))


def _shown_blob(guest: Guest) -> None:
    """The same, shown in part."""
    _blob(guest)
    guest.do(Command.SET_SCANOUT_BLOB, _image(1, Rect(32, 32, 32, 32)))


def _image(
    number: int, rect: Rect = _WHOLE, *, scanout: int = 0, kind: int = _FORMAT, stride: int = _SIDE * 4
) -> Any:
    return SetScanoutBlob(rect, scanout, number, _SIDE, _SIDE, kind, 0, (stride, 0, 0, 0), (0, 0, 0, 0))


def _guest_blob(number: int, entries: int, size: int) -> ResourceCreateBlob:
    return ResourceCreateBlob(number, BlobMem.GUEST, BlobFlag.USE_SHAREABLE, entries, 0, size)


_ENTRY = pack(MemEntry(_NOWHERE, PAGE))
_ALMOST = 0xFFFF_FFF0

_2D = {
    "create-id-0": _Row(Command.RESOURCE_CREATE_2D, "the id is 0", _RES, ResourceCreate2d(0, _FORMAT, 8, 8)),
    "create-id-taken": _Row(
        Command.RESOURCE_CREATE_2D, "the id is taken", _RES, ResourceCreate2d(1, _FORMAT, 8, 8), before=_bare
    ),
    "create-format": _Row(
        Command.RESOURCE_CREATE_2D, "the format is unknown", _PAR, ResourceCreate2d(1, 99, 8, 8)
    ),
    "unref-unknown": _Row(Command.RESOURCE_UNREF, "the id is unknown", _RES, ResourceUnref(_UNKNOWN)),
    "unref-twice": _Row(
        Command.RESOURCE_UNREF,
        "the resource has gone",
        _RES,
        ResourceUnref(1),
        before=_gone,
    ),
    "attach-unknown": _Row(
        Command.RESOURCE_ATTACH_BACKING, "the id is unknown", _RES, ResourceAttachBacking(_UNKNOWN, 0)
    ),
    "attach-twice": _Row(
        Command.RESOURCE_ATTACH_BACKING,
        "the resource has a backing already",
        _UNS,
        ResourceAttachBacking(1, 0),
        before=_backed,
    ),
    "attach-too-many": _Row(
        Command.RESOURCE_ATTACH_BACKING,
        "there are more than 16384 entries",
        _UNS,
        ResourceAttachBacking(1, _TOO_MANY),
        bytes(64),
        _bare,
    ),
    "attach-cut": _Row(
        Command.RESOURCE_ATTACH_BACKING,
        "fewer entries follow than are announced",
        _UNS,
        ResourceAttachBacking(1, 2),
        _ENTRY,
        _bare,
    ),
    "attach-nowhere": _Row(
        Command.RESOURCE_ATTACH_BACKING,
        "an entry lies outside of memory",
        _UNS,
        ResourceAttachBacking(1, 1),
        _ENTRY,
        _bare,
    ),
    "detach-unknown": _Row(
        Command.RESOURCE_DETACH_BACKING, "the id is unknown", _RES, ResourceDetachBacking(_UNKNOWN)
    ),
    "detach-bare": _Row(
        Command.RESOURCE_DETACH_BACKING, "there is no backing", _UNS, ResourceDetachBacking(1), before=_bare
    ),
    "transfer-unknown": _Row(
        Command.TRANSFER_TO_HOST_2D, "the id is unknown", _RES, TransferToHost2d(_WHOLE, 0, _UNKNOWN)
    ),
    "transfer-bare": _Row(
        Command.TRANSFER_TO_HOST_2D, "there is no backing", _UNS, TransferToHost2d(_WHOLE, 0, 1), before=_bare
    ),
    "transfer-outside": _Row(
        Command.TRANSFER_TO_HOST_2D,
        "the rectangle leaves the resource",
        _PAR,
        TransferToHost2d(_OUTSIDE, 0, 1),
        before=_backed,
    ),
    "transfer-wraps": _Row(
        Command.TRANSFER_TO_HOST_2D,
        "the rectangle's end is beyond 32 bits",
        _PAR,
        TransferToHost2d(Rect(_ALMOST, 0, 32, 8), 0, 1),
        before=_backed,
    ),
    "transfer-short": _Row(
        Command.TRANSFER_TO_HOST_2D,
        "the backing ends before the rectangle",
        _PAR,
        TransferToHost2d(_WHOLE, 0, 1),
        before=_short,
    ),
    "transfer-offset": _Row(
        Command.TRANSFER_TO_HOST_2D,
        "the offset is beyond the backing",
        _PAR,
        TransferToHost2d(_WHOLE, 1 << 40, 1),
        before=_backed,
    ),
    "scanout-unknown": _Row(
        Command.SET_SCANOUT, "the resource is unknown", _RES, SetScanout(_WHOLE, 0, _UNKNOWN)
    ),
    "scanout-too-far": _Row(
        Command.SET_SCANOUT, "there is no such scanout", _SCN, SetScanout(_WHOLE, 16, 1), before=_backed
    ),
    "scanout-too-far-disabled": _Row(
        Command.SET_SCANOUT, "there is no such scanout to disable", _SCN, SetScanout(_WHOLE, 0xFFFF_FFFF, 0)
    ),
    "scanout-bare": _Row(
        Command.SET_SCANOUT, "there is no backing", _UNS, SetScanout(_WHOLE, 0, 1), before=_bare
    ),
    "scanout-outside": _Row(
        Command.SET_SCANOUT,
        "the rectangle leaves the resource",
        _PAR,
        SetScanout(_OUTSIDE, 0, 1),
        before=_backed,
    ),
    "scanout-empty": _Row(
        Command.SET_SCANOUT,
        "the rectangle is empty",
        _PAR,
        SetScanout(Rect(0, 0, 0, 0), 0, 1),
        before=_backed,
    ),
    "flush-unknown": _Row(Command.RESOURCE_FLUSH, "the id is unknown", _RES, ResourceFlush(_WHOLE, _UNKNOWN)),
    "flush-id-0": _Row(Command.RESOURCE_FLUSH, "the id is 0", _RES, ResourceFlush(_WHOLE, 0)),
    "flush-outside": _Row(
        Command.RESOURCE_FLUSH,
        "the rectangle leaves the resource",
        _PAR,
        ResourceFlush(_OUTSIDE, 1),
        before=_backed,
    ),
    "edid-too-far": _Row(
        Command.GET_EDID, "there is no such scanout", _PAR, GetEdid(16), feature=Feature.EDID
    ),
    "capset-too-far": _Row(Command.GET_CAPSET_INFO, "there is no such capset", _PAR, GetCapsetInfo(99)),
    "uuid-unknown": _Row(
        Command.RESOURCE_ASSIGN_UUID,
        "the id is unknown",
        _RES,
        ResourceAssignUuid(_UNKNOWN),
        feature=Feature.RESOURCE_UUID,
    ),
}

_BLOB = {
    "blob-id-0": _Row(Command.RESOURCE_CREATE_BLOB, "the id is 0", _RES, _guest_blob(0, 0, PAGE)),
    "blob-id-taken": _Row(
        Command.RESOURCE_CREATE_BLOB, "the id is taken", _RES, _guest_blob(1, 0, PAGE), before=_bare
    ),
    "blob-memory": _Row(
        Command.RESOURCE_CREATE_BLOB,
        "the kind of memory is unknown",
        _PAR,
        ResourceCreateBlob(1, 9, 0, 0, 0, PAGE),
    ),
    "blob-nowhere": _Row(
        Command.RESOURCE_CREATE_BLOB, "an entry lies outside of memory", _UNS, _guest_blob(1, 1, PAGE), _ENTRY
    ),
    "blob-too-many": _Row(
        Command.RESOURCE_CREATE_BLOB,
        "there are more than 16384 entries",
        _UNS,
        _guest_blob(1, _TOO_MANY, _TOO_MANY * PAGE),
        bytes(64),
    ),
    "blob-cut": _Row(
        Command.RESOURCE_CREATE_BLOB,
        "fewer entries follow than are announced",
        _UNS,
        _guest_blob(1, 2, 2 * PAGE),
        _ENTRY,
    ),
    "blob-size-0": _Row(Command.RESOURCE_CREATE_BLOB, "the size is 0", _PAR, _guest_blob(1, 0, 0)),
    "scanout-of-a-blob": _Row(
        Command.SET_SCANOUT, "the resource is a blob", _PAR, SetScanout(_WHOLE, 0, 1), before=_blob
    ),
    "scanout-blob-unknown": _Row(Command.SET_SCANOUT_BLOB, "the id is unknown", _RES, _image(_UNKNOWN)),
    "scanout-blob-too-far": _Row(
        Command.SET_SCANOUT_BLOB, "there is no such scanout", _SCN, _image(1, scanout=16), before=_blob
    ),
    "scanout-blob-format": _Row(
        Command.SET_SCANOUT_BLOB, "the format is unknown", _PAR, _image(1, kind=99), before=_blob
    ),
    "scanout-blob-beyond": _Row(
        Command.SET_SCANOUT_BLOB,
        "the image ends beyond the blob",
        _PAR,
        _image(1, stride=_SIDE * 8),
        before=_blob,
    ),
    "scanout-blob-outside": _Row(
        Command.SET_SCANOUT_BLOB,
        "the rectangle leaves the image",
        _PAR,
        _image(1, _OUTSIDE),
        before=_blob,
    ),
    "flush-blob-elsewhere": _Row(
        Command.RESOURCE_FLUSH,
        "the rectangle touches no scanout that shows the blob",
        _PAR,
        ResourceFlush(Rect(0, 0, 8, 8), 1),
        before=_shown_blob,
    ),
}


def _player(row: _Row) -> Callable[[Rig], None]:
    def play(rig: Rig) -> None:
        guest = rig.guest()
        if row.feature is not None:
            need(guest.offers(row.feature), f"{row.feature.name} is not offered")
        row.before(guest)
        guest.fail(row.command, row.body, [row.error], tail=row.tail)

    return play


def _enter(rows: Mapping[str, _Row], feature: Feature | None = None) -> None:
    for name, row in rows.items():
        own = row if feature is None else row._replace(feature=feature)
        requirement = f"{own.command.name}: {own.condition}: the answer had best be {own.error.name}."
        _GROUP.enter(name, "5.7.6.8", requirement, "should", _player(own))


_enter(_2D)
_enter(_BLOB, Feature.RESOURCE_BLOB)


@_GROUP.check("5.7.6.8", "should")
def blobs_without_their_feature(rig: Rig) -> None:
    """RESOURCE_CREATE_BLOB without RESOURCE_BLOB accepted: the answer had best be ERR_INVALID_PARAMETER."""
    guest = rig.guest(features=1 << 32)
    guest.fail(Command.RESOURCE_CREATE_BLOB, _guest_blob(1, 0, PAGE), [_PAR])
