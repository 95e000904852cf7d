"""The cursor queue's two commands. Drivers leave no room for their answers, so faults are only counted."""

from __future__ import annotations

from virtio.gpu.commands.answer import DONE, Answer
from virtio.gpu.session import Session
from virtio.gpu.wire import UpdateCursor


def update_cursor(session: Session, command: UpdateCursor, _request: bytes) -> Answer:
    """UPDATE_CURSOR: another picture, and where it is; resource 0 hides the cursor."""
    scanout_id, x, y, _ = command.pos
    session.scanouts.require(scanout_id)
    if command.resource_id == 0:
        session.cursors.hide(scanout_id, (x, y))
    else:
        resource = session.resources.find(command.resource_id)
        session.cursors.show(scanout_id, resource, (x, y), (command.hot_x, command.hot_y))
    return DONE


def move_cursor(session: Session, command: UpdateCursor, _request: bytes) -> Answer:
    """MOVE_CURSOR: only the position counts."""
    scanout_id, x, y, _ = command.pos
    session.scanouts.require(scanout_id)
    session.cursors.move(scanout_id, (x, y))
    return DONE
