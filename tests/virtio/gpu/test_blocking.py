"""A blocking device, QEMU's way: nothing is taken from the control queue while a flush is out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    Command,
    CursorPos,
    Flag,
    Rect,
    ResourceFlush,
    UpdateCursor,
)

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine

FULL = Rect(0, 0, 32, 32)


@pytest.fixture
def blocking(machine: Machine) -> Machine:
    """Blob 5 on scanout 0, a display that holds, and a device that serves again when it is told to resume."""
    machine.create_blob(5, machine.pages(0))
    machine.show_blob(5, 32, 32)
    machine.display.hold = True
    machine.device.blocking = True
    machine.device.resume = lambda index: (machine.device.process(index, machine.queues[index]), None)[1]
    return machine


def post_flush(machine: Machine, **header: Any) -> int:
    return machine.post(machine.request(Command.RESOURCE_FLUSH, ResourceFlush(FULL, 5), **header))


def post_other(machine: Machine) -> int:
    return machine.post(machine.request(Command.GET_DISPLAY_INFO))


def test_commands_behind_a_flush_wait_for_the_screen(blocking: Machine) -> None:
    first = post_flush(blocking, flags=Flag.FENCE, fence_id=1)
    second = post_other(blocking)
    assert blocking.reap() == {}
    blocking.display.fences[0].signal()
    assert list(blocking.reap()) == [first, second]


def test_a_flush_without_a_fence_is_answered_and_blocks_all_the_same(blocking: Machine) -> None:
    first = post_flush(blocking)
    second = post_other(blocking)
    assert list(blocking.reap()) == [first]
    blocking.display.fences[0].signal()
    assert list(blocking.reap()) == [second]


def test_the_cursor_moves_while_the_screen_is_busy(blocking: Machine) -> None:
    post_flush(blocking, flags=Flag.FENCE, fence_id=1)
    second = post_other(blocking)
    move = UpdateCursor(CursorPos(0, 3, 4))
    blocking.post(blocking.request(Command.MOVE_CURSOR, move), queue=CURSOR_QUEUE)
    assert blocking.display.calls[-1] == ("move_cursor", 0, 3, 4)
    post_other(blocking)
    assert blocking.reap() == {}, "a cursor command does not unblock the other queue"
    blocking.display.fences[0].signal()
    assert second in blocking.reap()


def test_otherwise_the_flush_alone_waits(blocking: Machine) -> None:
    blocking.device.blocking = False
    post_flush(blocking, flags=Flag.FENCE, fence_id=1)
    second = post_other(blocking)
    assert list(blocking.reap()) == [second]


def test_a_reset_unblocks(blocking: Machine) -> None:
    post_flush(blocking, flags=Flag.FENCE, fence_id=1)
    blocking.device.reset()
    blocking.start()
    second = post_other(blocking)
    assert list(blocking.reap()) == [second]
    blocking.display.fences[0].signal()
    assert blocking.queues[CONTROL_QUEUE].pop() is None
