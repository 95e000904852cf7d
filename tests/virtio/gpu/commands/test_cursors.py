"""UPDATE_CURSOR and MOVE_CURSOR, on a queue without room for answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    Command,
    CursorPos,
    Rect,
    ResourceDetachBacking,
    ResourceUnref,
    Response,
    TransferToHost2d,
    UpdateCursor,
)
from virtio.limits import Limits

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

BYTES = 64 * 64 * 4


def update(
    resource_id: int, x: int = 0, y: int = 0, scanout: int = 0, hot: tuple[int, int] = (0, 0)
) -> UpdateCursor:
    return UpdateCursor(CursorPos(scanout, x, y), resource_id, *hot)


def picture(machine: Machine) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    image = machine.display.cursors[0]
    assert image is not None
    return image.pixels


def test_a_2d_resource_is_shown_as_a_private_copy(machine: Machine) -> None:
    machine.create_2d(2, 64, 64, Format.B8G8R8A8)
    machine.array(0, 4)[:] = np.arange(BYTES, dtype=np.uint32).astype(np.uint8)
    machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(Rect(0, 0, 64, 64), 0, 2))
    reply = machine.cursor(Command.UPDATE_CURSOR, update(2, 10, 20, hot=(3, 4)))
    assert reply.length == 0
    assert machine.display.calls == [("set_cursor", 0, True, 10, 20)]
    image = machine.display.cursors[0]
    assert image is not None
    assert (image.hot_x, image.hot_y, image.pixels.shape) == (3, 4, (64, 64, 4))
    assert image.pixels.tobytes() == machine.array(0, 4).tobytes()

    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(2))
    assert picture(machine).tobytes() == machine.array(0, 4).tobytes()
    assert machine.device.cursor_bytes == BYTES


def test_the_picture_arrives_as_b8g8r8a8(machine: Machine) -> None:
    machine.create_2d(2, 64, 64, Format.X8R8G8B8)
    machine.array(0, 4).reshape(-1, 4)[:] = [99, 30, 20, 10]
    machine.ok(Command.TRANSFER_TO_HOST_2D, TransferToHost2d(Rect(0, 0, 64, 64), 0, 2))
    machine.cursor(Command.UPDATE_CURSOR, update(2))
    assert picture(machine)[63, 63].tolist() == [10, 20, 30, 255]


@pytest.mark.parametrize("limits", [Limits(), Limits(mappings=0)], ids=["mapped", "copied from pieces"])
def test_a_blob_is_a_cursor_without_a_transfer(make_machine: MakeMachine, limits: Limits) -> None:
    machine = make_machine(limits=limits)
    machine.create_blob(5, machine.pages(9, 7, 5, 3))
    machine.array(7, 1)[:] = 1
    machine.cursor(Command.UPDATE_CURSOR, update(5))
    assert np.unique(picture(machine)[16:32]).tolist() == [1]
    machine.array(7, 1)[:] = 2
    assert np.unique(picture(machine)[16:32]).tolist() == [1], "the copy is private"
    machine.cursor(Command.UPDATE_CURSOR, update(5))
    assert np.unique(picture(machine)[16:32]).tolist() == [2]
    assert (machine.device.transfer_bytes, machine.device.cursor_bytes) == (0, 2 * BYTES)


def test_resource_0_hides(machine: Machine) -> None:
    machine.cursor(Command.UPDATE_CURSOR, update(0, 5, 6))
    assert machine.display.calls == [("set_cursor", 0, False, 5, 6)]


def test_positions_can_be_negative(machine: Machine) -> None:
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.cursor(Command.UPDATE_CURSOR, update(5, -20, -63))
    machine.cursor(Command.MOVE_CURSOR, update(5, -64, 7))
    assert machine.display.calls == [("set_cursor", 0, True, -20, -63), ("move_cursor", 0, -64, 7)]


def test_a_move_moves_and_nothing_else(machine: Machine) -> None:
    machine.cursor(Command.MOVE_CURSOR, update(99, 1, 2, hot=(9, 9)))
    assert machine.display.calls == [("move_cursor", 0, 1, 2)]
    assert not machine.device.errors


def test_what_cannot_be_shown_is_ignored_and_counted(machine: Machine) -> None:
    machine.create_2d(2, 64, 48)
    machine.create_2d(3, 65, 64)
    machine.create_blob(4, machine.pages(0, 1, 2))
    machine.create_blob(5, machine.pages(0, 1, 2, 3))
    machine.ok(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(5))
    cases = [
        (Command.UPDATE_CURSOR, update(2, scanout=1), Response.ERR_INVALID_SCANOUT_ID),
        (Command.UPDATE_CURSOR, update(0, scanout=16), Response.ERR_INVALID_SCANOUT_ID),
        (Command.MOVE_CURSOR, update(0, scanout=0xFFFF_FFFF), Response.ERR_INVALID_SCANOUT_ID),
        (Command.UPDATE_CURSOR, update(9), Response.ERR_INVALID_RESOURCE_ID),
        (Command.UPDATE_CURSOR, update(2), Response.ERR_INVALID_PARAMETER),
        (Command.UPDATE_CURSOR, update(3), Response.ERR_INVALID_PARAMETER),
        (Command.UPDATE_CURSOR, update(4), Response.ERR_INVALID_PARAMETER),
        (Command.UPDATE_CURSOR, update(5), Response.ERR_UNSPEC),
    ]
    for command, body, expected in cases:
        before = machine.device.errors[expected.name]
        assert machine.cursor(command, body).length == 0
        assert machine.device.errors[expected.name] == before + 1
    assert machine.display.calls == []
    assert len(machine.faults) == len(cases)


def test_a_driver_with_room_for_an_answer_gets_it(machine: Machine) -> None:
    assert machine.cursor(Command.UPDATE_CURSOR, update(0), room=24).response == Response.OK_NODATA
    assert (
        machine.cursor(Command.UPDATE_CURSOR, update(9), room=24).response == Response.ERR_INVALID_RESOURCE_ID
    )
    assert machine.cursor(Command.RESOURCE_UNREF, ResourceUnref(9), room=24).response == Response.ERR_UNSPEC
