"""Resources of either kind: create 2D, unref, attach, detach, transfer, assign a UUID."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from virtio.gpu.backing import Backing, ContiguousBacking, attach_steps
from virtio.gpu.commands.answer import DONE, Answer
from virtio.gpu.commands.entries import read_entries
from virtio.gpu.deferred_transfer import DeferredTransfer
from virtio.gpu.errors import invalid_parameter, unspecified
from virtio.gpu.formats import BYTES_PER_PIXEL, Format
from virtio.gpu.rect import inside
from virtio.gpu.resource import Blob, Resource2d
from virtio.gpu.session import Session
from virtio.gpu.wire import (
    Feature,
    ResourceAssignUuid,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceDetachBacking,
    ResourceUnref,
    Response,
    TransferToHost2d,
)
from virtio.turn import Steps

LONGEST_COPY = 32 << 20
"""Bytes of the longest transfer that is carried out at once, or by a reader: an image of 3840x2160 pixels."""


def pixel_format(number: int) -> Format:
    """The format that a driver names.

    Raises:
        CommandFault: virtio-gpu has none of that number (ERR_INVALID_PARAMETER).
    """
    try:
        return Format(number)
    except ValueError:
        raise invalid_parameter(f"pixel format {number} is not one of virtio-gpu's") from None


def create_2d(session: Session, command: ResourceCreate2d, _request: bytes) -> Answer:
    """RESOURCE_CREATE_2D: an image in host memory."""
    session.resources.require_free(command.resource_id)
    format_ = pixel_format(command.format)
    width, height = command.width, command.height
    what = f"2D resource {command.resource_id} of {width}x{height} pixels"
    if max(width, height) > session.ledger.limits.dimension:
        raise invalid_parameter(session.ledger.reached("dimension", what))
    if not (width and height):
        raise invalid_parameter(what)
    session.resources.add(Resource2d(command.resource_id, format_, width, height, session.ledger))
    return DONE


def unref(session: Session, command: ResourceUnref, _request: bytes) -> Answer:
    """RESOURCE_UNREF: scanouts that show the resource are disabled, a host blob leaves its window."""
    resource = session.resources.find(command.resource_id)
    session.scanouts.forget(resource)
    if session.host_visible is not None:
        session.host_visible.unmap(command.resource_id)
    session.resources.remove(resource)
    return DONE


def attach_backing(session: Session, command: ResourceAttachBacking, request: bytes) -> Steps[Answer]:
    """RESOURCE_ATTACH_BACKING, of which the size is the driver's affair: uses of it are checked.

    Linux detaches and attaches live blobs, when the exporter of a PRIME import moves its buffer.
    """
    resource = session.resources.find(command.resource_id)
    if resource.backing is not None:
        raise unspecified(f"resource {command.resource_id} has a backing already")
    runs = read_entries(session, request, ResourceAttachBacking, command.nr_entries)
    resource.backing = yield from attach_steps(session.memory, runs, session.ledger)
    if isinstance(resource, Blob):
        session.scanouts.backing_attached(resource)
    return DONE


def detach_backing(session: Session, command: ResourceDetachBacking, _request: bytes) -> Answer:
    """RESOURCE_DETACH_BACKING: after the answer the host does not read those pages any more."""
    resource = session.resources.find(command.resource_id)
    resource.detach()
    if isinstance(resource, Blob):
        session.scanouts.backing_detached(resource)
    return DONE


def transfer_to_host_2d(
    session: Session, command: TransferToHost2d, _request: bytes
) -> Answer | Steps[Answer]:
    """TRANSFER_TO_HOST_2D: copy a rectangle, once; a whole image perhaps a moment later.

    `offset` is the backing's byte at which the rectangle's first pixel lies; its rows are as far apart
    as the resource's. Linux sends `y * pitch + x * 4` (virtgpu_plane.c, `virtio_gpu_update_dumb_bo`). It
    sends transfers for blobs too, which have nothing to transfer.
    """
    resource = session.resources.find(command.resource_id)
    if isinstance(resource, Blob):
        return DONE
    rect, backing = command.rect, resource.backing
    if backing is None:
        raise unspecified(f"resource {command.resource_id} has no backing")
    if not inside(rect, resource.width, resource.height):
        raise invalid_parameter(
            f"{rect} is outside of 2D resource {command.resource_id}, {resource.width}x{resource.height}"
        )
    if not (rect.width and rect.height):
        return DONE
    return _copy(session, resource, command)


def _copy(session: Session, resource: Resource2d, command: TransferToHost2d) -> Answer | Steps[Answer]:
    rect, backing, stride = command.rect, resource.backing, resource.stride
    assert backing is not None
    left, right = rect.x * BYTES_PER_PIXEL, (rect.x + rect.width) * BYTES_PER_PIXEL
    end = command.offset + (rect.height - 1) * stride + right - left
    if end > backing.size:
        raise invalid_parameter(
            f"byte {end} is beyond resource {command.resource_id}'s backing of {backing.size} bytes"
        )
    rows = resource.rows[rect.y : rect.y + rect.height, left:right]
    session.statistics.transfer_bytes += rows.size
    if not isinstance(backing, ContiguousBacking) or rows.size > LONGEST_COPY:
        return _copy_in_steps(backing, command.offset, stride, rows)
    if session.defers and rows.size == resource.rows.size:
        resource.incoming = DeferredTransfer(rows, backing.rows(command.offset, stride, rows.shape))
        session.late = resource
    else:
        backing.read_rows(command.offset, stride, rows)
    return DONE


def _copy_in_steps(backing: Backing, offset: int, stride: int, rows: NDArray[np.uint8]) -> Steps[Answer]:
    yield from backing.read_steps(offset, stride, rows)
    return DONE


def assign_uuid(session: Session, command: ResourceAssignUuid, _request: bytes) -> Answer:
    """RESOURCE_ASSIGN_UUID: the same answer whenever it is asked for."""
    if not session.accepted(Feature.RESOURCE_UUID):
        raise invalid_parameter("the driver did not accept the feature RESOURCE_UUID")
    return Answer(Response.OK_RESOURCE_UUID, session.resources.find(command.resource_id).uuid)
