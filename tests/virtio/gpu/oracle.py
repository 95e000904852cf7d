"""What holds of a device whatever its driver sends: counts, refusals, replies; and a machine under attack.

The oracle is written from the specification, not from the device.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

from virtio.gpu.backing import PIECE_BYTES, ContiguousBacking, ScatteredBacking
from virtio.gpu.formats import Format
from virtio.gpu.layout import unpack
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
    sizeof,
)
from virtio.limits import Limits
from virtio.memory import PAGE

if TYPE_CHECKING:
    from tests.virtio.gpu.conftest import Machine

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


class Driven:
    """A machine under attack, and what has been sent and not answered."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.sent: dict[tuple[int, int], tuple[bytes, bool]] = {}
        machine.display.fences.clear()

    def step(self, request: bytes, queue: int, *, signal: bool) -> None:
        """One request, perhaps a signal from the display, and a look at everything."""
        refused = queue == CONTROL_QUEUE and Oracle(self.machine).refuses(request)
        self.sent[queue, self.machine.post(request, queue=queue)] = request, refused
        if signal or len(self.sent) > 20:
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

    def end(self) -> None:
        """The driver dies: all is given back, and what signals later writes into no ring."""
        device = self.machine.device
        assert len(self.sent) == device.parked
        device.reset()
        assert (device.host_memory_bytes, device.mappings, device.parked) == (0, 0, 0)
        assert all(image is None for image in self.machine.display.images.values())
        self.signal_all()
        assert self.machine.reap() == self.machine.reap(CURSOR_QUEUE) == {}
        self.machine.start()
