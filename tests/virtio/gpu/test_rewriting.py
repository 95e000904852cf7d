"""Guest memory that is rewritten while the device reads it: it copies once, and looks at the copy."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import virtio.gpu.commands.entries
import virtio.gpu.device
from tests.virtio.gpu.oracle import HIGH, LIMITS, audit
from virtio.errors import QueueFault
from virtio.features import RingFeature
from virtio.gpu.display import DisplayMode
from virtio.gpu.resource import Blob
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    Command,
    Header,
    ResourceCreateBlob,
    ResourceUnref,
    Response,
    pack,
    pack_entries,
)
from virtio.memory import PAGE, Region, SharedHandle
from virtio.ring import Chain, SplitQueue

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

CHAINS = 8
REQUEST = 0x40000
FORM = 128  # bytes of each request, so that one can be half of another


def create(blob: int, count: int, pages: int) -> bytes:
    """RESOURCE_CREATE_BLOB of so many entries of so many pages each."""
    body = ResourceCreateBlob(blob, 1, 0, count, 0, count * pages * PAGE)
    runs = [(HIGH + 16 * n * PAGE, pages * PAGE) for n in range(count)]
    return pack(Header(Command.RESOURCE_CREATE_BLOB)) + pack(body) + pack_entries(runs)


def agrees(machine: Machine) -> None:
    """The device's counts are right, and each blob is as large as the pages that it took for it."""
    audit(machine)
    session = machine.device._session
    assert session is not None
    for resource in session.resources:
        if isinstance(resource, Blob) and resource.backing is not None:
            assert resource.size == resource.backing.size


# One process, and the worst moments.


def rewrites(machine: Machine, monkeypatch: pytest.MonkeyPatch, other: bytes) -> None:
    """Whenever the device has decoded a part of a request, the driver writes another one over it."""
    for module, name in ((virtio.gpu.device, "unpack"), (virtio.gpu.commands.entries, "unpack_entries")):
        decode = getattr(module, name)

        def decode_and_rewrite(*arguments: Any, decode: Any = decode) -> Any:
            machine.memory.write(REQUEST, other)
            return decode(*arguments)

        monkeypatch.setattr(module, name, decode_and_rewrite)


@pytest.fixture
def attacked(make_machine: MakeMachine) -> Machine:
    return make_machine([DisplayMode(64, 64)] * 2, limits=LIMITS)


def test_a_request_is_what_it_was_when_it_was_copied(
    attacked: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrites(attacked, monkeypatch, create(2, 3, 2))
    assert attacked.send_bytes(create(1, 2, 1)).response == Response.OK_NODATA
    assert attacked.device._session is not None
    (blob,) = attacked.device._session.resources
    assert (blob.resource_id, blob.backing is not None and blob.backing.size) == (1, 2 * PAGE)


def test_a_device_that_reads_twice_is_found(attacked: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Chain, "read", lambda chain, limit: chain.readable[0][:limit])  # no copy
    rewrites(attacked, monkeypatch, create(2, 3, 2))
    with pytest.raises(AssertionError):
        test_a_request_is_what_it_was_when_it_was_copied(attacked, monkeypatch)


# Two processes.

_DRIVER = """
import mmap, random, sys
fd, table, ring, request = (int(word) for word in sys.argv[1:5])
forms = [bytes.fromhex(word) for word in sys.argv[5:]]
memory, chance = mmap.mmap(fd, 1 << 20), random.Random(1)

def descriptor(at, length, flags, following):
    return at.to_bytes(8, "little") + length.to_bytes(4, "little") + bytes([flags, 0, following, 0])

for count in range(100_000):
    form = chance.choice(forms)
    memory[request : request + len(form)] = form
    place = chance.randrange(8)
    head, right = 2 * place, chance.randrange(50)
    length = len(form) if right else chance.choice([24, 0, 1 << 31])
    flags, following = (1, head + 1) if right else (chance.choice([0, 3, 4, 5]), chance.choice([head, 40]))
    memory[table + 16 * head : table + 16 * head + 32] = descriptor(
        request, length, flags, following
    ) + descriptor(0x10000, 1024, 2, 0)
    slot = ring + 4 + 2 * place
    memory[slot : slot + 2] = bytes([head if right else 14, 0])
    if count == 1000:
        print("ready", flush=True)
"""


def test_a_process_that_rewrites_rings_and_requests_while_they_are_read_does_no_harm(
    attacked: Machine,
) -> None:
    ring = attacked.rings[CONTROL_QUEUE].config
    with SharedHandle.create(1 << 20) as low, SharedHandle.create(256 * PAGE) as high:
        attacked.remap([Region(0, 1 << 20, low), Region(HIGH, 256 * PAGE, high)])
        attacked.memory.store(ring.available_ring + 2, 2, CHAINS)
        places = map(str, (low.fd, ring.descriptor_table, ring.available_ring, REQUEST))
        forms = [create(1 + n % 6, 1 + n % 4, 1 + n % 3) for n in range(12)]
        forms += [pack(Header(Command.RESOURCE_UNREF)) + pack(ResourceUnref(n)) for n in range(1, 7)]
        sent = [form.ljust(FORM, b"\0").hex() for form in forms]
        command = [sys.executable, "-c", _DRIVER, *places, *sent]
        with subprocess.Popen(command, stdout=subprocess.PIPE, pass_fds=[low.fd], text=True) as driver:
            assert driver.stdout is not None
            assert driver.stdout.readline() == "ready\n"
            while driver.poll() is None:  # it ends when it has rewritten often enough
                serve(attacked)
                os.sched_yield()
        assert driver.returncode == 0


def serve(machine: Machine) -> None:
    """A turn on the ring as it is now; whatever is wrong with it ends the turn at most."""
    config = machine.rings[CONTROL_QUEUE].config
    features = RingFeature.INDIRECT_DESC
    queue = SplitQueue(machine.memory, config, features=features, next_available=0, next_used=0)
    with suppress(QueueFault):
        machine.device.process(CONTROL_QUEUE, queue)
    agrees(machine)
