"""What is shown: SET_SCANOUT, SET_SCANOUT_BLOB, RESOURCE_FLUSH."""

from __future__ import annotations

from virtio.fence import Fence
from virtio.gpu.backing import ScatteredBacking
from virtio.gpu.blob_image import BlobLayout
from virtio.gpu.commands.answer import DONE, Answer
from virtio.gpu.commands.resources import pixel_format
from virtio.gpu.errors import invalid_parameter, unspecified
from virtio.gpu.formats import BYTES_PER_PIXEL
from virtio.gpu.rect import inside
from virtio.gpu.resource import Blob, Resource, Resource2d
from virtio.gpu.scanout import Flushed
from virtio.gpu.session import Session
from virtio.gpu.wire import Feature, Rect, ResourceFlush, SetScanout, SetScanoutBlob
from virtio.turn import Steps

SMALLEST_SIDE = 16
"""Pixels of a scanout's side, at least (QEMU's limit; Linux framebuffers have 32 or more)."""


def _require_shown(session: Session, rect: Rect, width: int, height: int, what: str) -> None:
    """Check the part of an image that a scanout is to show.

    Raises:
        CommandFault: It is too small or too large, or outside of the image (ERR_INVALID_PARAMETER).
    """
    if min(rect.width, rect.height) < SMALLEST_SIDE:
        raise invalid_parameter(f"{rect.width}x{rect.height} pixels of {what} are too few for a scanout")
    largest = session.ledger.limits.dimension
    if max(rect.width, rect.height) > largest:
        beyond = (
            f"{rect.width}x{rect.height} pixels of {what}: a scanout shows {largest} along each side at most"
        )
        raise invalid_parameter(session.ledger.reached("dimension", beyond))
    if not inside(rect, width, height):
        raise invalid_parameter(f"{rect} is outside of {what}, {width}x{height}")


def set_scanout(session: Session, command: SetScanout, _request: bytes) -> Answer:
    """SET_SCANOUT. Resource 0 disables; the rectangle means nothing then, whatever it says."""
    session.scanouts.require(command.scanout_id)
    if command.resource_id == 0:
        session.scanouts.disable(command.scanout_id)
        return DONE
    resource = session.resources.find(command.resource_id)
    if not isinstance(resource, Resource2d):
        raise invalid_parameter(f"resource {command.resource_id} is a blob, which has no format")
    if resource.backing is None:
        raise unspecified(f"resource {command.resource_id} has no backing")
    _require_shown(
        session, command.rect, resource.width, resource.height, f"2D resource {command.resource_id}"
    )
    return _after(session.scanouts.show(command.scanout_id, resource, command.rect))


def set_scanout_blob(session: Session, command: SetScanoutBlob, _request: bytes) -> Answer:
    """SET_SCANOUT_BLOB. Programs in the guest choose format, sizes, stride and offset, so all are checked."""
    if not session.accepted(Feature.RESOURCE_BLOB):
        raise invalid_parameter("the driver did not accept the feature RESOURCE_BLOB")
    session.scanouts.require(command.scanout_id)
    if command.resource_id == 0:
        session.scanouts.disable(command.scanout_id)
        return DONE
    blob = session.resources.find(command.resource_id)
    if not isinstance(blob, Blob):
        raise invalid_parameter(f"resource {command.resource_id} is no blob")
    if blob.backing is None:
        raise unspecified(f"blob {command.resource_id} has no backing")
    layout = BlobLayout(command.rect, pixel_format(command.format), command.strides[0], command.offsets[0])
    _require_shown(session, command.rect, command.width, command.height, f"blob {command.resource_id}")
    if layout.stride < command.width * BYTES_PER_PIXEL:
        raise invalid_parameter(f"stride {layout.stride} is less than {command.width} pixels")
    return _after(session.scanouts.show_blob(command.scanout_id, blob, layout))


def _after(release: Fence | None) -> Answer:
    return DONE if release is None else Answer(fences=(release,))


def flush(session: Session, command: ResourceFlush, _request: bytes) -> Answer | Steps[Answer]:
    """RESOURCE_FLUSH. A flush of what no scanout shows is no error; Linux does it while it sets a mode."""
    resource = session.resources.find(command.resource_id)
    if isinstance(resource, Resource2d) and not inside(command.rect, resource.width, resource.height):
        raise invalid_parameter(
            f"{command.rect} is outside of 2D resource {command.resource_id}, "
            f"{resource.width}x{resource.height}"
        )
    if isinstance(resource.backing, ScatteredBacking) and isinstance(resource, Blob):
        return _copy_and_flush(session, resource, command.rect)
    return _answer(resource, command.rect, session.scanouts.flush(resource, command.rect))


def _copy_and_flush(session: Session, blob: Blob, rect: Rect) -> Steps[Answer]:
    yield from session.scanouts.refresh(blob, rect)
    return _answer(blob, rect, session.scanouts.flush(blob, rect))


def _answer(resource: Resource, rect: Rect, flushed: Flushed) -> Answer:
    """What a flush is answered.

    Raises:
        CommandFault: It touches nothing that is shown of a blob that is (ERR_INVALID_PARAMETER).
    """
    shown, touched, fences = flushed
    if shown and not touched and isinstance(resource, Blob):
        raise invalid_parameter(f"{rect} touches no scanout that shows blob {resource.resource_id}")
    return Answer(fences=fences) if fences else DONE
