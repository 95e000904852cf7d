"""Resources and their table."""

from __future__ import annotations

import pytest

from virtio.gpu.backing import host_backing
from virtio.gpu.errors import CommandFault
from virtio.gpu.formats import Format
from virtio.gpu.limits import Ledger
from virtio.gpu.resource import Blob, Resource2d, Resources
from virtio.gpu.wire import Response
from virtio.limits import Limits


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def resources(ledger: Ledger) -> Resources:
    return Resources(Ledger(Limits(resources=2)))


def image(ledger: Ledger, resource_id: int = 2) -> Resource2d:
    return Resource2d(resource_id, Format.B8G8R8A8, 5, 3, ledger)


def test_an_image_is_counted_and_shown_read_only(ledger: Ledger) -> None:
    made = image(ledger)
    assert (made.stride, made.rows.shape, made.pixels.shape) == (20, (3, 20), (3, 5, 4))
    assert not made.pixels.flags.writeable
    made.rows[1, 8] = 7
    assert made.pixels[1, 2, 0] == 7
    assert ledger.host_memory.used == 60


def test_closing_gives_image_and_backing_back(ledger: Ledger) -> None:
    made = image(ledger)
    made.backing = host_backing(100, ledger, "a test")
    assert ledger.host_memory.used == 160
    made.detach()
    assert ledger.host_memory.used == 60
    made.backing = host_backing(100, ledger, "a test")
    made.close()
    assert ledger.host_memory.used == 0


def test_detaching_nothing_is_refused(ledger: Ledger) -> None:
    with pytest.raises(CommandFault, match="resource 2 has no backing to detach"):
        image(ledger).detach()


def test_a_host_blob_keeps_its_memory_until_it_is_closed(ledger: Ledger) -> None:
    blob = Blob.on_host(4, 100, ledger, mappable=True)
    assert (blob.is_host, blob.is_mappable, blob.size, ledger.host_memory.used) == (True, True, 100, 100)
    with pytest.raises(CommandFault, match="blob 4 is host memory: nothing is attached to it"):
        blob.detach()
    blob.close()
    assert ledger.host_memory.used == 0


def test_resources_are_found_by_id(resources: Resources, ledger: Ledger) -> None:
    made = image(ledger)
    resources.add(made)
    assert resources.find(2) is made
    assert len(resources) == 1
    resources.remove(made)
    with pytest.raises(CommandFault, match="resource 2 does not exist") as caught:
        resources.find(2)
    assert caught.value.response == Response.ERR_INVALID_RESOURCE_ID
    assert ledger.host_memory.used == 0


def test_ids_are_free_until_taken_and_while_there_is_room(resources: Resources, ledger: Ledger) -> None:
    resources.require_free(2)
    resources.add(image(ledger))
    for resource_id, reason in [(0, "id 0 cannot"), (2, "resource 2 exists already")]:
        with pytest.raises(CommandFault, match=reason):
            resources.require_free(resource_id)
    resources.add(image(ledger, 3))
    with pytest.raises(CommandFault, match="and the guest has 2 of 2 already") as caught:
        resources.require_free(4)
    assert caught.value.response == Response.ERR_OUT_OF_MEMORY


def test_uuids_differ_by_creation_and_are_the_same_in_every_run(ledger: Ledger) -> None:
    def uuids() -> list[bytes]:
        table = Resources(ledger)
        found = []
        for resource_id in (2, 3, 2):
            made = image(ledger, resource_id)
            table.add(made)
            found.append(made.uuid)
            table.remove(made)
        return found

    assert uuids() == uuids()
    assert len(set(uuids())) == 3
    assert all(len(uuid) == 16 for uuid in uuids())


def test_clearing_gives_everything_back(resources: Resources, ledger: Ledger) -> None:
    resources.add(image(ledger))
    resources.add(Blob.on_host(3, 50, ledger, mappable=False))
    resources.clear()
    assert (len(resources), ledger.host_memory.used) == (0, 0)
