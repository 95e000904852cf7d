"""Blobs: create them, and place host blobs in the host-visible region."""

from __future__ import annotations

from collections.abc import Sequence

from virtio.gpu.backing import ContiguousBacking, attach_steps
from virtio.gpu.commands.answer import DONE, Answer
from virtio.gpu.commands.entries import read_entries
from virtio.gpu.errors import invalid_parameter
from virtio.gpu.resource import Blob
from virtio.gpu.session import Session
from virtio.gpu.wire import (
    BlobFlag,
    BlobMem,
    Feature,
    MapCache,
    ResourceCreateBlob,
    ResourceMapBlob,
    ResourceUnmapBlob,
    RespMapInfo,
    Response,
    pack,
)
from virtio.memory import Run
from virtio.turn import Steps


def create_blob(session: Session, command: ResourceCreateBlob, request: bytes) -> Steps[Answer]:
    """RESOURCE_CREATE_BLOB: of the guest's own pages, or, for a guest in this process, of host memory."""
    if not session.accepted(Feature.RESOURCE_BLOB):
        raise invalid_parameter("the driver did not accept the feature RESOURCE_BLOB")
    session.resources.require_free(command.resource_id)
    if command.blob_mem == BlobMem.HOST3D and session.host_visible is not None:
        blob = _host_blob(session, command)
    elif command.blob_mem == BlobMem.GUEST:
        runs = read_entries(session, request, ResourceCreateBlob, command.nr_entries)
        blob = yield from _guest_blob(session, command, runs)
    else:
        raise invalid_parameter(f"blob {command.resource_id}: memory type {command.blob_mem}")
    session.resources.add(blob)
    return DONE


def _guest_blob(session: Session, command: ResourceCreateBlob, runs: Sequence[Run]) -> Steps[Blob]:
    if command.size and not command.nr_entries:  # the driver attaches its pages later (virtio 1.3, 5.7.6.8)
        return Blob(command.resource_id, command.size, None)
    held = sum(length for _, length in runs)
    if command.size == 0 or held != command.size:
        raise invalid_parameter(
            f"blob {command.resource_id} of {command.size} bytes, its {len(runs)} memory entries have {held}"
        )
    backing = yield from attach_steps(session.memory, runs, session.ledger)
    return Blob(command.resource_id, command.size, backing)


def _host_blob(session: Session, command: ResourceCreateBlob) -> Blob:
    if command.size == 0 or command.nr_entries:
        raise invalid_parameter(
            f"host blob {command.resource_id} of {command.size} bytes, {command.nr_entries} memory entries"
        )
    mappable = bool(command.blob_flags & BlobFlag.USE_MAPPABLE)
    return Blob.on_host(command.resource_id, command.size, session.ledger, mappable=mappable)


def map_blob(session: Session, command: ResourceMapBlob, _request: bytes) -> Answer:
    """RESOURCE_MAP_BLOB: only blobs of host memory that were created mappable."""
    blob = session.resources.find(command.resource_id)
    region = session.host_visible
    if region is None or not isinstance(blob, Blob) or not blob.is_mappable:
        raise invalid_parameter(f"resource {command.resource_id} is not a mappable blob of host memory")
    assert isinstance(blob.backing, ContiguousBacking)
    region.map(command.resource_id, command.offset, blob.backing.data)
    return Answer(Response.OK_MAP_INFO, pack(RespMapInfo(MapCache.CACHED)))


def unmap_blob(session: Session, command: ResourceUnmapBlob, _request: bytes) -> Answer:
    """RESOURCE_UNMAP_BLOB."""
    session.resources.find(command.resource_id)
    region = session.host_visible
    if region is None or not region.unmap(command.resource_id):
        raise invalid_parameter(f"resource {command.resource_id} is not mapped")
    return DONE
