"""Blobs of host memory, and the host-visible region: for a guest in this process."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from virtio.gpu.wire import (
    BlobFlag,
    BlobMem,
    Command,
    MapCache,
    Rect,
    ResourceAttachBacking,
    ResourceCreateBlob,
    ResourceDetachBacking,
    ResourceMapBlob,
    ResourceUnmapBlob,
    ResourceUnref,
    RespMapInfo,
    Response,
    unpack,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

SIZE = 4 * PAGE


def create(resource_id: int, **changed: int) -> ResourceCreateBlob:
    """A right request for a mappable blob of host memory, but for what is changed."""
    right = ResourceCreateBlob(resource_id, BlobMem.HOST3D, BlobFlag.USE_MAPPABLE, 0, 0, SIZE)
    return right._replace(**changed)


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    return make_machine(host_memory=True, limits=Limits(host_memory=64 * PAGE))


def test_the_guest_draws_into_the_very_memory_that_is_shown(machine: Machine) -> None:
    machine.ok(Command.RESOURCE_CREATE_BLOB, create(5))
    reply = machine.ok(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(5, offset=2 * PAGE))
    assert unpack(RespMapInfo, reply.body).map_info == MapCache.CACHED
    machine.show_blob(5, 64, 64)
    region = machine.device.host_visible
    assert region is not None
    region.view(2 * PAGE, SIZE)[:] = 9
    image = machine.display.images[0]
    assert image is not None
    assert np.unique(image.pixels).tolist() == [9]
    assert image.zero_copy
    machine.flush(5, Rect(0, 0, 64, 64))
    assert (machine.device.transfer_bytes, machine.device.host_memory_bytes) == (0, SIZE)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (create(5, size=0), Response.ERR_INVALID_PARAMETER),
        (create(5, nr_entries=1), Response.ERR_INVALID_PARAMETER),
        (create(5, size=65 * PAGE), Response.ERR_OUT_OF_MEMORY),
        (create(5, size=1 << 63), Response.ERR_OUT_OF_MEMORY),
        (create(5, blob_mem=BlobMem.HOST3D_GUEST), Response.ERR_INVALID_PARAMETER),
    ],
    ids=["size 0", "entries", "beyond the limit", "beyond any memory", "both memories"],
)
def test_what_is_no_host_blob_is_refused(
    machine: Machine, body: ResourceCreateBlob, expected: Response
) -> None:
    assert machine.send(Command.RESOURCE_CREATE_BLOB, body, machine.pages(0)).response == expected
    assert machine.device.host_memory_bytes == 0


def test_guest_blobs_work_beside_host_blobs(machine: Machine) -> None:
    machine.create_blob(6, machine.pages(0, 2))
    machine.ok(Command.RESOURCE_CREATE_BLOB, create(5))
    machine.ok(Command.RESOURCE_UNREF, ResourceUnref(6))
    assert (
        machine.send(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(6)).response
        == Response.ERR_INVALID_RESOURCE_ID
    )


@pytest.mark.parametrize("offset", [100, 61 * PAGE, 1 << 63])
def test_a_place_that_the_region_does_not_have_is_refused(machine: Machine, offset: int) -> None:
    machine.ok(Command.RESOURCE_CREATE_BLOB, create(5))
    reply = machine.send(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(5, offset=offset))
    assert reply.response == Response.ERR_INVALID_PARAMETER


def test_only_blobs_created_mappable_are_mapped(machine: Machine) -> None:
    machine.ok(Command.RESOURCE_CREATE_BLOB, create(5, blob_flags=BlobFlag.USE_SHAREABLE))
    machine.create_2d(6, 64, 64)
    machine.create_blob(7, machine.pages(60))
    for resource_id in (5, 6, 7):
        reply = machine.send(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(resource_id))
        assert reply.response == Response.ERR_INVALID_PARAMETER


def test_a_blob_is_unmapped_once(machine: Machine) -> None:
    machine.ok(Command.RESOURCE_CREATE_BLOB, create(5))
    machine.ok(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(5))
    assert (
        machine.send(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(5)).response == Response.ERR_INVALID_PARAMETER
    )
    machine.ok(Command.RESOURCE_UNMAP_BLOB, ResourceUnmapBlob(5))
    reply = machine.send(Command.RESOURCE_UNMAP_BLOB, ResourceUnmapBlob(5))
    assert reply.response == Response.ERR_INVALID_PARAMETER


def test_unref_takes_a_blob_out_of_the_region(machine: Machine) -> None:
    for resource_id in (5, 6):
        machine.ok(Command.RESOURCE_CREATE_BLOB, create(resource_id))
        machine.ok(Command.RESOURCE_MAP_BLOB, ResourceMapBlob(resource_id))
        machine.ok(Command.RESOURCE_UNREF, ResourceUnref(resource_id))
    assert machine.device.host_memory_bytes == 0


def test_nothing_is_attached_to_or_detached_from_host_memory(machine: Machine) -> None:
    machine.ok(Command.RESOURCE_CREATE_BLOB, create(5))
    attach = machine.send(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(5, 1), machine.pages(0))
    detach = machine.send(Command.RESOURCE_DETACH_BACKING, ResourceDetachBacking(5))
    assert attach.response == detach.response == Response.ERR_UNSPEC
