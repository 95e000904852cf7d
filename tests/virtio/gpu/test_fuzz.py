"""A hostile driver: whatever it sends, the device answers legally, counts right, and gives all back."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virtio.gpu.backing import PIECE_BYTES, ContiguousBacking, ScatteredBacking
from virtio.gpu.display import DisplayMode
from virtio.gpu.formats import Format
from virtio.gpu.layout import pack, unpack
from virtio.gpu.resource import Blob, Resource2d
from virtio.gpu.scanout import BoundBlob
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    HEADER_SIZE,
    REQUESTS,
    RESPONSES,
    BlobMem,
    Command,
    Flag,
    Header,
    Rect,
    Response,
    pack_entries,
    sizeof,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine, MakeMachine

HIGH = 0x1000_0000
HIGH_PAGES = 4096
LOW_BYTES = 1 << 20
LIMITS = Limits(host_memory=1 << 18, resources=6, mappings=16, mapped=1 << 17, entries=64)
OK_WITH_BODY = {
    Command.GET_DISPLAY_INFO: Response.OK_DISPLAY_INFO,
    Command.GET_EDID: Response.OK_EDID,
    Command.RESOURCE_ASSIGN_UUID: Response.OK_RESOURCE_UUID,
    Command.RESOURCE_MAP_BLOB: Response.OK_MAP_INFO,
}

# By a field's name: numbers that mean something, so that commands get far and meet each other's resources.
USUAL: dict[str, Sequence[Any]] = {
    "resource_id": range(1, 7),
    "scanout_id": (0, 0, 0, 1, 1, 2),
    "scanout": (0, 1, 2),
    "format": (1, 2, 3, 4, 67, 68, 121, 134, 5),
    "x": (0, 0, 0, 1, 16),
    "y": (0, 0, 0, 1, 16),
    "width": (16, 32, 32, 32, 64),
    "height": (16, 16, 16, 32, 64),
    "blob_mem": (1, 1, 1, 2),
    "blob_flags": range(8),
    "offset": (0, 0, PAGE, 100),
    "strides": ((128, 0, 0, 0), (256, 1, 1, 1), (300, 0, 0, 0)),
    "offsets": ((0, 0, 0, 0), (0, 9, 9, 9), (100, 0, 0, 0), (PAGE, 0, 0, 0)),
}
# Ids that a command mostly names, so that images and blobs are mostly what it wants.
IDS = {
    Command.RESOURCE_CREATE_2D: (1, 2, 3),
    Command.TRANSFER_TO_HOST_2D: (1, 2, 3),
    Command.SET_SCANOUT: (1, 2, 3),
    Command.RESOURCE_CREATE_BLOB: (4, 5, 6),
    Command.SET_SCANOUT_BLOB: (4, 5, 6),
    Command.RESOURCE_MAP_BLOB: (4, 5, 6),
}
EDGES = (0, 1, 15, 16, 63, 64, 65, PAGE, 4 * PAGE, 1 << 31, (1 << 32) - 64, (1 << 32) - 1)
OFTEN = (
    *[Command.RESOURCE_CREATE_2D, Command.RESOURCE_UNREF, Command.TRANSFER_TO_HOST_2D] * 3,
    *[Command.RESOURCE_ATTACH_BACKING, Command.RESOURCE_DETACH_BACKING, Command.RESOURCE_MAP_BLOB] * 2,
    *[Command.SET_SCANOUT, Command.UPDATE_CURSOR] * 4,
    *[Command.RESOURCE_CREATE_BLOB, Command.SET_SCANOUT_BLOB, Command.RESOURCE_FLUSH] * 8,
)


class HostileDriver(Random):
    """Requests that mean something, or were damaged on the way, or are noise."""

    def request(self) -> bytes:
        """One request."""
        kind = self.randrange(24)
        if kind == 0:
            return self.randbytes(self.randrange(120))
        command = self.choice((*Command, *OFTEN))
        runs = [self.run() for _ in range(self.randrange(6))]
        if self.random() < 0.02:
            runs = [(HIGH, PAGE)] * self.choice((LIMITS.entries, LIMITS.entries + 1))
        body = self.body(REQUESTS[command], strange=0.02 if kind < 20 else 0.3)
        if command in IDS and self.random() < 0.9:
            body = body._replace(resource_id=self.choice(IDS[command]))
        if "nr_entries" in body._fields and kind != 1:
            body = body._replace(nr_entries=len(runs))
        if command == Command.RESOURCE_CREATE_BLOB and kind != 2:
            body = self.blob(body, runs)
        flags = self.choice((0, 0, 1, 1, 1, 3, 2, (1 << 32) - 1))
        ring_idx = self.choice((0, 0, 0, 1, 63, 64, 255))
        header = Header(command, flags, self.getrandbits(64), self.randrange(2), ring_idx)
        request = bytearray(pack(header) + pack(body) + pack_entries(runs))
        if kind == 3:
            request[self.randrange(len(request))] = self.getrandbits(8)
        return bytes(request[: self.randrange(len(request))] if kind == 4 else request)

    def blob(self, body: Any, runs: Sequence[tuple[int, int]]) -> Any:
        """A blob whose size is that of its entries, or a host blob without any."""
        if body.blob_mem == BlobMem.HOST3D:
            return body._replace(nr_entries=0, size=self.choice((PAGE, 4 * PAGE, 1 << 20)))
        return body._replace(size=sum(length for _, length in runs))

    def run(self) -> tuple[int, int]:
        """A memory entry: mostly whole pages of the guest's."""
        if self.random() < 0.03:
            return self.choice(EDGES), self.choice(EDGES)
        inside = 8 if self.random() < 0.1 else 0
        length = self.choice((PAGE, PAGE, PAGE, 4 * PAGE, 4 * PAGE, 8 * PAGE, 24, 0))
        return HIGH + self.randrange(40) * PAGE + inside, length

    def body(self, kind: type[Any], strange: float) -> Any:
        """A structure of numbers that are strange with that probability."""
        hints = get_type_hints(kind, include_extras=True)
        return kind(*[self.value(name, hint, strange) for name, hint in hints.items()])

    def value(self, name: str, hint: Any, strange: float) -> Any:
        """A field's value."""
        if isinstance(hint, type):
            return self.body(hint, strange)
        description = get_args(hint)[1]
        if description == "i":
            return self.randrange(-(1 << 31), 1 << 31)
        if isinstance(description, str) and description.endswith("s"):
            return b""
        if not isinstance(description, str):
            return self.choice(USUAL[name])
        if self.random() < strange or name not in USUAL:
            return self.choice((*EDGES, self.getrandbits(32)))
        return self.choice(USUAL[name])


def audit(machine: Machine) -> None:
    """What the device counts is what its resources and scanouts hold, and within the limits."""
    session = machine.device._session
    assert session is not None
    host = mapped = 0
    for resource in session.resources:
        backing = resource.backing
        host += resource.rows.nbytes if isinstance(resource, Resource2d) else 0
        if isinstance(backing, ScatteredBacking):
            host += PIECE_BYTES * len(backing)
        elif isinstance(backing, ContiguousBacking):
            is_host = isinstance(resource, Blob) and resource.is_host
            host, mapped = host + backing.size * is_host, mapped + backing.size * (not is_host)
    for state in session.scanouts.states:
        assert state.resource is None or state.resource in list(session.resources)
        if isinstance(state, BoundBlob) and state.image is not None and not state.image.zero_copy:
            host += state.image.pixels.nbytes
    ledger = session.ledger
    assert (ledger.host_memory.used, ledger.mapped.used) == (host, mapped)
    assert host <= LIMITS.host_memory
    assert mapped <= LIMITS.mapped
    assert 0 <= ledger.mappings.used <= LIMITS.mappings


def outside(rect: Rect, width: int, height: int) -> bool:
    return rect.x + rect.width > width or rect.y + rect.height > height


class Oracle:
    """Says of a request whether it has to be refused: written from the specification, not from the device."""

    def __init__(self, machine: Machine) -> None:
        session = machine.device._session
        assert session is not None
        self._resources = {resource.resource_id: resource for resource in session.resources}
        self._ledger = session.ledger

    def refuses(self, request: bytes) -> bool:
        """Whether no device may carry it out; False where that is not known here."""
        if len(request) < HEADER_SIZE:
            return True
        command = unpack(Header, request).type
        if command not in set(Command):
            return True
        rule = getattr(self, f"_{Command(command).name.lower()}", None)
        if rule is None:
            return False
        kind = REQUESTS[Command(command)]
        if len(request) < HEADER_SIZE + sizeof(kind):
            return True
        body = unpack(kind, request, HEADER_SIZE)
        return bool(rule(body, request[HEADER_SIZE + sizeof(kind) :]))

    def _is_no_new_one(self, resource_id: int) -> bool:
        return resource_id == 0 or resource_id in self._resources or len(self._resources) >= LIMITS.resources

    def _lies(self, count: int, rest: bytes) -> bool:
        """Whether a list of memory entries cannot be what it says."""
        return count > LIMITS.entries or 16 * count > len(rest) or any(map(is_nowhere, entries(count, rest)))

    def _resource_create_2d(self, body: Any, _rest: bytes) -> bool:
        size = 4 * body.width * body.height
        return bool(
            self._is_no_new_one(body.resource_id)
            or body.format not in set(Format)
            or not 0 < body.width <= LIMITS.dimension
            or not 0 < body.height <= LIMITS.dimension
            or size + self._ledger.host_memory.used > LIMITS.host_memory
        )

    def _resource_create_blob(self, body: Any, rest: bytes) -> bool:
        if self._is_no_new_one(body.resource_id) or body.size == 0 or body.blob_mem not in (1, 2):
            return True
        if body.blob_mem == BlobMem.HOST3D:
            return bool(body.nr_entries or body.size + self._ledger.host_memory.used > LIMITS.host_memory)
        held = sum(length for _, length in entries(body.nr_entries, rest))
        return self._lies(body.nr_entries, rest) or bool(body.nr_entries and body.size != held)

    def _resource_unref(self, body: Any, _rest: bytes) -> bool:
        return body.resource_id not in self._resources

    def _resource_attach_backing(self, body: Any, rest: bytes) -> bool:
        resource = self._resources.get(body.resource_id)
        return resource is None or resource.backing is not None or self._lies(body.nr_entries, rest)

    def _resource_detach_backing(self, body: Any, _rest: bytes) -> bool:
        resource = self._resources.get(body.resource_id)
        is_host = isinstance(resource, Blob) and resource.is_host
        return resource is None or resource.backing is None or is_host

    def _transfer_to_host_2d(self, body: Any, _rest: bytes) -> bool:
        resource = self._resources.get(body.resource_id)
        if not isinstance(resource, Resource2d):
            return resource is None
        rect, backing = body.rect, resource.backing
        if backing is None or outside(rect, resource.width, resource.height):
            return True
        needs = 4 * ((rect.height - 1) * resource.width + rect.width)
        return bool(rect.width and rect.height and body.offset + needs > backing.size)

    def _resource_flush(self, body: Any, _rest: bytes) -> bool:
        resource = self._resources.get(body.resource_id)
        if isinstance(resource, Resource2d):
            return outside(body.rect, resource.width, resource.height)
        return resource is None

    def _set_scanout(self, body: Any, _rest: bytes) -> bool:
        if body.scanout_id > 1 or body.resource_id == 0:
            return bool(body.scanout_id > 1)
        resource, rect = self._resources.get(body.resource_id), body.rect
        return (
            not isinstance(resource, Resource2d)
            or resource.backing is None
            or min(rect.width, rect.height) < 16
            or outside(rect, resource.width, resource.height)
        )

    def _set_scanout_blob(self, body: Any, _rest: bytes) -> bool:
        if body.scanout_id > 1 or body.resource_id == 0:
            return bool(body.scanout_id > 1)
        resource, rect, stride = self._resources.get(body.resource_id), body.rect, body.strides[0]
        if not isinstance(resource, Blob) or resource.backing is None or body.format not in set(Format):
            return True
        end = body.offsets[0] + (rect.y + rect.height - 1) * stride + 4 * (rect.x + rect.width)
        size = min(resource.size, resource.backing.size)
        small = min(rect.width, rect.height) < 16
        return small or outside(rect, body.width, body.height) or stride < 4 * body.width or end > size


def entries(count: int, rest: bytes) -> list[tuple[int, int]]:
    """The memory entries behind a request, as far as they are there."""
    return [struct.unpack_from("<QI", rest, 16 * n) for n in range(min(count, len(rest) // 16))]


def is_nowhere(run: tuple[int, int]) -> bool:
    """Whether a memory entry reaches beyond the guest's memory: low, and high."""
    address, length = run
    spans = ((0, LOW_BYTES), (HIGH, HIGH + HIGH_PAGES * PAGE))
    return length > 0 and not any(start <= address <= address + length <= end for start, end in spans)


def check_reply(request: bytes, length: int, header: Header) -> None:
    """A response is one that the specification knows for this command, and it carries its fence."""
    assert length >= HEADER_SIZE
    response = Response(header.type)
    asked = unpack(Header, request.ljust(HEADER_SIZE, b"\0"))
    if response < Response.ERR_UNSPEC:
        command = Command(asked.type)
        assert response == OK_WITH_BODY.get(command, Response.OK_NODATA)
        assert length == HEADER_SIZE + (sizeof(RESPONSES[response]) if response in RESPONSES else 0)
    if len(request) >= HEADER_SIZE and asked.flags & Flag.FENCE:
        assert header.flags == asked.flags & 3
        assert (header.fence_id, header.ctx_id) == (asked.fence_id, asked.ctx_id)
    else:
        assert header == Header(response)


@pytest.fixture(scope="module")
def hostile(make_machine_once: MakeMachine) -> Machine:
    """Two scanouts, host memory, and little of everything."""
    machine = make_machine_once([DisplayMode(64, 64)] * 2, limits=LIMITS, host_memory=True)
    machine.display.hold = True
    return machine


class Driven:
    """A machine under attack, and what has been sent and not answered."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.sent: dict[tuple[int, int], tuple[bytes, bool]] = {}
        machine.display.fences.clear()

    def step(self, driver: HostileDriver) -> None:
        """One request, perhaps a signal from the display, and a look at everything."""
        request = driver.request()
        is_cursor = len(request) > 1 and request[1] == Command.UPDATE_CURSOR >> 8
        queue = CURSOR_QUEUE if is_cursor ^ (driver.random() < 0.05) else CONTROL_QUEUE
        refused = queue == CONTROL_QUEUE and Oracle(self.machine).refuses(request)
        self.sent[queue, self.machine.post(request, queue=queue)] = request, refused
        if driver.random() < 0.1 or len(self.sent) > 20:
            self.signal_all()
        self.reap()
        audit(self.machine)

    def signal_all(self) -> None:
        for fence in self.machine.display.fences:
            if not fence.signaled:
                fence.signal()

    def reap(self) -> None:
        for queue in (CONTROL_QUEUE, CURSOR_QUEUE):
            for head, reply in self.machine.reap(queue).items():
                request, refused = self.sent.pop((queue, head))
                check_reply(request, reply.length, reply.header)
                assert not refused or reply.response >= Response.ERR_UNSPEC, unpack(Header, request)


@settings(max_examples=100)
@given(seed=st.integers(0, 1 << 64))
def test_no_driver_can_do_harm(hostile: Machine, seed: int) -> None:
    driver, driven = HostileDriver(seed), Driven(hostile)
    for _ in range(150):
        driven.step(driver)
    device = hostile.device
    assert len(driven.sent) == device.parked

    device.reset()
    assert (device.host_memory_bytes, device.mappings, device.parked) == (0, 0, 0)
    assert all(image is None for image in hostile.display.images.values())
    driven.signal_all()
    assert hostile.reap() == hostile.reap(CURSOR_QUEUE) == {}
    hostile.start()
