"""The commands of either queue: which structure each one carries, and who carries it out.

A handler takes the session, the decoded structure and the whole request (for what follows the structure).
It checks, then acts, then returns an `Answer`; or it raises a `CommandFault` and has changed nothing. What
can take long returns the steps to its answer instead, which fault in the same way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, NoReturn

from virtio.gpu.commands import blobs, cursors, displays, resources, scanouts
from virtio.gpu.commands.answer import DONE, Answer
from virtio.gpu.errors import unspecified
from virtio.gpu.layout import Layout
from virtio.gpu.session import Session
from virtio.gpu.wire import REQUESTS, Command, NoBody, layout_of
from virtio.turn import Steps

__all__ = ["CONTROL", "CURSOR", "UNKNOWN", "DONE", "Answer", "Entry", "Handler"]

# The body's type is the one that `REQUESTS` names for the command, which no annotation can say.
Handler = Callable[[Session, Any, bytes], Answer | Steps[Answer]]


class Entry(NamedTuple):
    """How one command is carried out."""

    name: str
    layout: Layout
    handler: Handler


def _unsupported(_session: Session, _command: Any, _request: bytes) -> NoReturn:
    """Every 3D command: the feature VIRGL is not offered."""
    raise unspecified("a 3D command, and the device has no 3D")


_CONTROL: dict[Command, Handler] = {
    Command.GET_DISPLAY_INFO: displays.get_display_info,
    Command.RESOURCE_CREATE_2D: resources.create_2d,
    Command.RESOURCE_UNREF: resources.unref,
    Command.SET_SCANOUT: scanouts.set_scanout,
    Command.RESOURCE_FLUSH: scanouts.flush,
    Command.TRANSFER_TO_HOST_2D: resources.transfer_to_host_2d,
    Command.RESOURCE_ATTACH_BACKING: resources.attach_backing,
    Command.RESOURCE_DETACH_BACKING: resources.detach_backing,
    Command.GET_CAPSET_INFO: displays.get_capset_info,
    Command.GET_CAPSET: displays.get_capset,
    Command.GET_EDID: displays.get_edid,
    Command.RESOURCE_ASSIGN_UUID: resources.assign_uuid,
    Command.RESOURCE_CREATE_BLOB: blobs.create_blob,
    Command.SET_SCANOUT_BLOB: scanouts.set_scanout_blob,
    Command.CTX_CREATE: _unsupported,
    Command.CTX_DESTROY: _unsupported,
    Command.CTX_ATTACH_RESOURCE: _unsupported,
    Command.CTX_DETACH_RESOURCE: _unsupported,
    Command.RESOURCE_CREATE_3D: _unsupported,
    Command.TRANSFER_TO_HOST_3D: _unsupported,
    Command.TRANSFER_FROM_HOST_3D: _unsupported,
    Command.SUBMIT_3D: _unsupported,
    Command.RESOURCE_MAP_BLOB: blobs.map_blob,
    Command.RESOURCE_UNMAP_BLOB: blobs.unmap_blob,
}

_CURSOR: dict[Command, Handler] = {
    Command.UPDATE_CURSOR: cursors.update_cursor,
    Command.MOVE_CURSOR: cursors.move_cursor,
}


def _table(handlers: Mapping[Command, Handler]) -> dict[int, Entry]:
    return {
        int(command): Entry(command.name, layout_of(REQUESTS[command]), handler)
        for command, handler in handlers.items()
    }


UNKNOWN = Entry("UNKNOWN", layout_of(NoBody), _unsupported)
"""What every other number means."""

CONTROL = _table(_CONTROL)
"""Commands of the control queue by number."""

CURSOR = _table(_CURSOR)
"""Commands of the cursor queue by number."""
