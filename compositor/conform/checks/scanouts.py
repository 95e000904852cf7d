"""Scanouts of 2D resources: SET_SCANOUT and RESOURCE_FLUSH (5.7.6.1 to 5.7.6.4, 5.7.6.8)."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.wire import (
    Command,
    Rect,
    ResourceFlush,
    ResourceUnref,
    Response,
    SetScanout,
    TransferToHost2d,
)

_GROUP = Group("scanouts")
check = _GROUP.check

_SIDE = 128
_WHOLE = Rect(0, 0, _SIDE, _SIDE)
_NOTHING = Rect(0, 0, 0, 0)


def _with_image(rig: Rig) -> Guest:
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    return guest


def _frame(guest: Guest, number: int) -> None:
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, number))
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, number))


@check("5.7.6.1")
def a_framebuffer_is_shown_step_by_step(rig: Rig) -> None:
    """Create, attach, set scanout, transfer, flush: each succeeds, as does every step back."""
    guest = _with_image(rig)
    guest.show(1, _WHOLE)
    _frame(guest, 1)
    guest.do(Command.SET_SCANOUT, SetScanout(_NOTHING, 0, 0))
    guest.do(Command.RESOURCE_DETACH_BACKING, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
    guest.do(Command.RESOURCE_UNREF, ResourceUnref(1))


@check("5.7.6.3")
def pages_flip(rig: Rig) -> None:
    """Two framebuffers take turns on one scanout."""
    guest = _with_image(rig)
    guest.make_image(2, _SIDE, _SIDE)
    for number in (1, 2, 1, 2):
        guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, number))
        guest.show(number, _WHOLE)
        guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, number))


@check("5.7.6.4")
def scanouts_may_mirror_and_overlap(rig: Rig) -> None:
    """Scanouts may show the same part of a resource, and overlapping ones."""
    guest = _with_image(rig)
    need(guest.scanouts > 1, "the device has one scanout")
    guest.show(1, _WHOLE, 0)
    guest.show(1, _WHOLE, 1)
    _frame(guest, 1)
    guest.show(1, Rect(32, 32, 96, 96), 1)
    _frame(guest, 1)


@check("5.7.6.4")
def a_part_may_be_shown(rig: Rig) -> None:
    """A scanout may show any part of a resource; flushes name pixels of the resource."""
    guest = _with_image(rig)
    guest.show(1, Rect(64, 32, 64, 96))
    _frame(guest, 1)
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(Rect(0, 0, 8, 8), 1))
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(Rect(100, 100, 8, 8), 1))


@check("5.7.6.8")
def scanouts_lie_within_their_resource(rig: Rig) -> None:
    """A scanout's rectangle that its resource does not cover is answered with an error."""
    guest = _with_image(rig)
    far = 0xFFFF_FFF0
    for rect in (
        Rect(1, 0, _SIDE, _SIDE),
        Rect(0, 0, _SIDE, _SIDE + 1),
        Rect(far, far, 32, 32),
        Rect(0, 0, far, far),
    ):
        answer = guest.ask(Command.SET_SCANOUT, SetScanout(rect, 0, 1))
        require(answer.is_error, f"SET_SCANOUT of {rect}, resource {_SIDE}x{_SIDE}, is answered {answer}")


@check("5.7.6.8")
def resource_0_disables(rig: Rig) -> None:
    """SET_SCANOUT of resource 0 disables the scanout, also a disabled one, whatever its rectangle says."""
    guest = _with_image(rig)
    guest.show(1, _WHOLE)
    for rect in (_NOTHING, Rect(0, 0, 4096, 4096), Rect(7, 7, 0xFFFF_FFFF, 1)):
        guest.do(Command.SET_SCANOUT, SetScanout(rect, 0, 0))
    guest.show(1, _WHOLE)


@check("5.7.6.8")
def a_shown_resource_may_go(rig: Rig) -> None:
    """RESOURCE_UNREF of a resource that is shown succeeds, and the scanout can show another."""
    guest = _with_image(rig)
    guest.show(1, _WHOLE)
    _frame(guest, 1)
    guest.do(Command.RESOURCE_UNREF, ResourceUnref(1))
    guest.make_image(1, _SIDE, _SIDE)
    guest.show(1, _WHOLE)
    _frame(guest, 1)


@check("5.7.6.8", "should")
def a_resource_that_is_not_shown_may_be_flushed(rig: Rig) -> None:
    """RESOURCE_FLUSH flushes the scanouts that use a resource; none is no error."""
    guest = _with_image(rig)
    guest.do(Command.RESOURCE_FLUSH, ResourceFlush(_WHOLE, 1))


@check("5.7.6.8")
def every_scanout_shows(rig: Rig) -> None:
    """SET_SCANOUT takes every scanout that the device says it has."""
    guest = _with_image(rig)
    for scanout in range(guest.scanouts):
        answer = guest.ask(Command.SET_SCANOUT, SetScanout(_WHOLE, scanout, 1))
        require(answer.type == Response.OK_NODATA, f"SET_SCANOUT of scanout {scanout} is answered {answer}")
