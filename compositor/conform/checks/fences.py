"""Fences: 5.7.6.5 and 5.7.6.7."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Answer, Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    Command,
    Feature,
    Flag,
    Rect,
    ResourceCreate2d,
    ResourceDetachBacking,
    ResourceFlush,
    ResourceUnref,
    Response,
    TransferToHost2d,
)

_GROUP = Group("fences")
check = _GROUP.check

_LARGE = 0xFEDC_BA98_7654_3210
_UNKNOWN = 0x0BAD
_SIDE = 64
_WHOLE = Rect(0, 0, _SIDE, _SIDE)
_MANY = 12


def _echoed(answer: Answer, fence: int, what: str) -> None:
    flags, found = answer.header.flags, answer.header.fence_id
    require(bool(flags & Flag.FENCE), f"{what}: the answer's flags are {flags:#x}, without FENCE")
    require(found == fence, f"{what}: the answer's fence is {found:#x}, the request's was {fence:#x}")


@check("5.7.6.7")
def answers_carry_their_fence(rig: Rig) -> None:
    """The answer to a fenced request has the FENCE flag and the request's fence id, all 64 bits of it."""
    guest = rig.guest()
    for fence in (1, 0, _LARGE):
        answer = guest.ask(Command.GET_DISPLAY_INFO, fence=fence)
        _echoed(answer, fence, "GET_DISPLAY_INFO")


@check("5.7.6.7")
def refusals_carry_their_fence(rig: Rig) -> None:
    """An error answers a fence as a success does: a driver waits for it all the same."""
    guest = rig.guest()
    answer = guest.ask(Command.RESOURCE_UNREF, ResourceUnref(404), fence=_LARGE)
    require(answer.is_error, f"RESOURCE_UNREF of no resource is answered {answer}")
    _echoed(answer, _LARGE, "RESOURCE_UNREF, refused")
    _echoed(guest.ask(_UNKNOWN, fence=7), 7, "a type that is no command")


@check("5.7.6.7", "should")
def answers_carry_their_context(rig: Rig) -> None:
    """The answer to a fenced request repeats its context, by which drivers find the timeline."""
    guest = rig.guest()
    answer = guest.ask(Command.GET_DISPLAY_INFO, fence=3, ctx=9)
    require(answer.header.ctx_id == 9, f"the request's context was 9, the answer's is {answer.header.ctx_id}")


@check("5.7.6.5")
def fenced_transfers_are_complete(rig: Rig) -> None:
    """A fenced transfer is answered when it is complete, with its fence; the backing may then go."""
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    transfer = TransferToHost2d(_WHOLE, 0, 1)
    answer = guest.do(Command.TRANSFER_TO_HOST_2D, transfer, fence=11)
    _echoed(answer, 11, "TRANSFER_TO_HOST_2D")
    guest.do(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(1))


@check("5.7.6.5")
def fenced_flushes_are_answered(rig: Rig) -> None:
    """A fenced flush of a shown picture is answered within the check's time, with its fence."""
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))
    guest.show(1, _WHOLE)
    for fence in range(20, 25):
        _echoed(
            guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1), fence=fence), fence, "RESOURCE_FLUSH"
        )


def _many(guest: Guest) -> list[int]:
    """Fenced flushes and others, all at once; the fences in the order in which they were answered."""
    places = {}
    for fence in range(1, _MANY + 1):
        flush = fence % 3 == 0
        command, body = (
            (Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1))
            if flush
            else (Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1))
        )
        head, place = guest.post(guest.request(command, body, fence=fence))
        places[head] = place
    used = guest.control.finish(_MANY, f"{_MANY} fenced requests")
    return [guest.parse(one, places[one.head], "a fenced request").header.fence_id for one in used]


def _shown(rig: Rig) -> Guest:
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    guest.show(1, _WHOLE)
    return guest


@check("5.7.6.7")
def each_fence_is_answered_once(rig: Rig) -> None:
    """Of several fenced requests that wait together, each is answered once, with its own fence."""
    found = _many(_shown(rig))
    require(
        sorted(found) == list(range(1, _MANY + 1)), f"the fences were 1 to {_MANY}, answered were {found}"
    )


@check("5.7.6.7", "should")
def fences_are_answered_in_order(rig: Rig) -> None:
    """Fences of one timeline are answered in their order: Linux takes each for all that were before."""
    found = _many(_shown(rig))
    require(found == sorted(found), f"answered were {found}")


@check("5.7.6.7")
def fences_of_rings_carry_their_ring(rig: Rig) -> None:
    """With CONTEXT_INIT, the answer to a request of a context's ring names that ring."""
    guest = rig.guest()
    need(bool(guest.offered >> Feature.CONTEXT_INIT & 1), "CONTEXT_INIT is not offered")
    answer = guest.ask(Command.GET_DISPLAY_INFO, fence=5, flags=Flag.INFO_RING_IDX, ring_idx=3)
    _echoed(answer, 5, "GET_DISPLAY_INFO")
    require(
        answer.header.ring_idx == 3, f"the request's ring was 3, the answer's is {answer.header.ring_idx}"
    )


@check("5.7.6.5")
def a_fence_covers_its_command(rig: Rig) -> None:
    """What a fenced command has made is there when it is answered."""
    guest = rig.guest()
    for number in range(1, 6):
        body = ResourceCreate2d(number, Format.B8G8R8X8, _SIDE, _SIDE)
        answer = guest.ask(Command.RESOURCE_CREATE_2D, body, fence=number)
        require(answer.type == Response.OK_NODATA, f"RESOURCE_CREATE_2D is answered {answer}")
        guest.do(Command.RESOURCE_UNREF, ResourceUnref(number))
