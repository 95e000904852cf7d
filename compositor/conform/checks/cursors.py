"""The cursor queue (5.7.6.6, 5.7.6.10)."""

from __future__ import annotations

from typing import Any

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import require
from virtio.gpu.wire import CURSOR_QUEUE, Command, CursorPos, Rect, Response, TransferToHost2d, UpdateCursor

_GROUP = Group("cursors")
check = _GROUP.check

_SIDE = 64
_WHOLE = Rect(0, 0, _SIDE, _SIDE)


def _with_cursor(rig: Rig) -> Guest:
    guest = rig.guest()
    guest.make_image(1, _SIDE, _SIDE)
    guest.do(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(_WHOLE, 0, 1), fence=1)
    return guest


def _send(guest: Guest, command: Command, body: UpdateCursor) -> None:
    """As Linux does: without room for an answer."""
    guest.post(guest.request(command, body), queue=CURSOR_QUEUE, room=0)
    (used,) = guest.cursor.finish(1, f"the used buffer of {command.name}")
    require(used.length == 0, f"{command.name} without room for an answer is used with length {used.length}")


def _at(x: int, y: int, **rest: Any) -> UpdateCursor:
    return UpdateCursor(CursorPos(0, x, y), **rest)


@check("5.7.6.10")
def cursors_are_set_moved_and_hidden(rig: Rig) -> None:
    """Cursor requests without room for an answer are used, one after the other."""
    guest = _with_cursor(rig)
    _send(guest, Command.UPDATE_CURSOR, _at(10, 20, resource_id=1, hot_x=3, hot_y=4))
    for step in range(5):
        _send(guest, Command.MOVE_CURSOR, _at(step, 20))
    _send(guest, Command.MOVE_CURSOR, _at(-8, -8))
    _send(guest, Command.UPDATE_CURSOR, _at(0, 0))
    guest.do_display_info()


@check("5.7.6.10", "should")
def cursor_requests_are_answered(rig: Rig) -> None:
    """Where there is room for it, UPDATE_CURSOR and MOVE_CURSOR are answered OK_NODATA."""
    guest = _with_cursor(rig)
    for command in (Command.UPDATE_CURSOR, Command.MOVE_CURSOR):
        answer = guest.ask(command, _at(1, 1, resource_id=1), queue=CURSOR_QUEUE)
        require(answer.type == Response.OK_NODATA, f"{command.name} is answered {answer}")


@check("5.7.6.10")
def moves_look_at_the_position_alone(rig: Rig) -> None:
    """MOVE_CURSOR ignores all fields but the position: it succeeds whatever they say."""
    guest = _with_cursor(rig)
    _send(guest, Command.UPDATE_CURSOR, _at(1, 1, resource_id=1))
    move = _at(2, 2, resource_id=0xDEAD, hot_x=1 << 31, hot_y=1 << 31)
    _, place = guest.post(guest.request(Command.MOVE_CURSOR, move), queue=CURSOR_QUEUE)
    (used,) = guest.cursor.finish(1, "the used buffer of MOVE_CURSOR")
    if used.length:  # many devices answer no cursor request
        answer = guest.parse(used, place, "MOVE_CURSOR")
        require(answer.type == Response.OK_NODATA, f"MOVE_CURSOR is answered {answer}")
    guest.do_display_info()


@check("5.7.6.10", "should")
def wrong_cursors_end_nothing(rig: Rig) -> None:
    """A cursor of no resource, of a wrong size, or on no scanout, leaves the device working."""
    guest = _with_cursor(rig)
    guest.make_image(2, 128, 32)
    for body in (
        _at(0, 0, resource_id=404),
        _at(0, 0, resource_id=2),
        UpdateCursor(CursorPos(15, 0, 0), 1),
        UpdateCursor(CursorPos(0xFFFF_FFFF, 0, 0), 1),
    ):
        _send(guest, Command.UPDATE_CURSOR, body)
        _send(guest, Command.MOVE_CURSOR, body)
    _send(guest, Command.UPDATE_CURSOR, _at(5, 5, resource_id=1))
    guest.do_display_info()


@check("5.7.2")
def cursors_pass_the_control_queue(rig: Rig) -> None:
    """Cursor requests go through while the control queue is stopped."""
    guest = _with_cursor(rig)
    _send(guest, Command.UPDATE_CURSOR, _at(1, 1, resource_id=1))
    guest.stop_ring(0)
    _send(guest, Command.MOVE_CURSOR, _at(9, 9))
