"""2D resources: create, attach, transfer, detach, unref (5.7.6.8)."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.memory import PAGE
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    Command,
    Feature,
    Rect,
    ResourceAssignUuid,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceDetachBacking,
    ResourceUnref,
    Response,
    TransferToHost2d,
)

_GROUP = Group("resources")
check = _GROUP.check

_SIDE = 64
_WHOLE = Rect(0, 0, _SIDE, _SIDE)


@check("5.7.6.8")
def every_format_makes_a_resource(rig: Rig) -> None:
    """RESOURCE_CREATE_2D takes each of the eight formats."""
    guest = rig.guest()
    for number, kind in enumerate(Format, start=1):
        body = ResourceCreate2d(number, kind, _SIDE, _SIDE)
        answer = guest.ask(Command.RESOURCE_CREATE_2D, body)
        require(answer.type == Response.OK_NODATA, f"RESOURCE_CREATE_2D of {kind.name} is answered {answer}")


@check("5.7.6.8")
def ids_are_the_drivers(rig: Rig) -> None:
    """A driver may choose any id but 0, and one again after RESOURCE_UNREF."""
    guest = rig.guest()
    for number in (1, 0xFFFF_FFFF, 77, 1):
        guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(number, Format.B8G8R8A8, _SIDE, _SIDE))
        guest.do(Command.RESOURCE_UNREF, ResourceUnref(number))


@check("5.7.6.8")
def backings_may_be_scattered(rig: Rig) -> None:
    """A backing may lie in many pieces, in any order, and need not begin with a page."""
    guest = rig.guest()
    guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, Format.B8G8R8X8, _SIDE, _SIDE))
    pieces = [guest.memory.take(PAGE, align=PAGE) for _ in range(3)]
    pieces += [guest.memory.take(1000, align=4), guest.memory.take(PAGE - 1000, align=4)]
    guest.attach(1, list(reversed(pieces)))
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))


@check("5.7.6.8")
def backings_may_change(rig: Rig) -> None:
    """A backing may be detached and another one attached; transfers go on."""
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    for _ in range(3):
        guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))
        guest.do(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(1))
        guest.attach(1, [guest.memory.take(_SIDE * _SIDE * 4, align=PAGE)])
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))


@check("5.7.6.8")
def entries_may_be_a_descriptor_of_their_own(rig: Rig) -> None:
    """The memory entries of an attach may come in a buffer of their own, as Linux sends them."""
    guest = rig.guest()
    guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, Format.B8G8R8X8, _SIDE, _SIDE))
    answer = guest.ask_in_two(1, [guest.memory.take(PAGE, align=PAGE) for _ in range(4)])
    require(answer.type == Response.OK_NODATA, f"RESOURCE_ATTACH_BACKING in two buffers is answered {answer}")


@check("5.7.6.8")
def parts_may_be_transferred(rig: Rig) -> None:
    """A transfer of a part takes its offset from the first pixel of that part, as Linux counts."""
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    stride = _SIDE * 4
    for rect in (
        Rect(0, 0, 1, 1),
        Rect(10, 20, 30, 40),
        Rect(_SIDE - 1, _SIDE - 1, 1, 1),
        Rect(0, 63, 64, 1),
    ):
        offset = rect.y * stride + rect.x * 4
        guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(rect, offset, 1))


@check("5.7.6.8")
def unref_frees_what_is_attached(rig: Rig) -> None:
    """A resource may go with its backing attached, many times over."""
    guest = rig.guest()
    for _ in range(50):
        guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, Format.B8G8R8X8, 512, 512))
        guest.attach(1, [guest.memory.high_piece(512 * 512 * 4)])
        guest.do(Command.RESOURCE_UNREF, ResourceUnref(1))


@check("5.7.6.8", "should")
def an_empty_backing_is_a_backing(rig: Rig) -> None:
    """RESOURCE_ATTACH_BACKING of no entries is no error."""
    guest = rig.guest()
    guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(1, Format.B8G8R8X8, _SIDE, _SIDE))
    guest.do(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(1, 0))


@check("5.7.6.8")
def uuids_name_resources(rig: Rig) -> None:
    """RESOURCE_ASSIGN_UUID answers 16 bytes, the same for the same resource, others for another."""
    guest = rig.guest()
    need(guest.offers(Feature.RESOURCE_UUID), "RESOURCE_UUID is not offered")
    found = []
    for number in (1, 2):
        guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(number, Format.B8G8R8X8, _SIDE, _SIDE))
    for number in (1, 2, 1):
        answer = guest.ask(Command.RESOURCE_ASSIGN_UUID, ResourceAssignUuid(number))
        require(answer.type == Response.OK_RESOURCE_UUID, f"RESOURCE_ASSIGN_UUID is answered {answer}")
        require(len(answer.body) == 16, f"the UUID has {len(answer.body)} bytes")
        found.append(answer.body)
    require(found[0] == found[2], "one resource has two UUIDs")
    require(found[0] != found[1], "two resources have one UUID")
