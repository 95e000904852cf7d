"""A device under test, wired to the smallest honest driver: real rings in real shared memory.

Types for annotations are imported from here under `TYPE_CHECKING` only; tests get objects from fixtures.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from virtio.account import Together
from virtio.fence import Fence
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import CursorImage, DeferredTransfer, DisplayMode, Rect, ScanoutImage
from virtio.gpu.formats import Format
from virtio.gpu.limits import Ledger
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    HEADER_SIZE,
    BlobMem,
    Command,
    Header,
    ResourceAttachBacking,
    ResourceCreate2d,
    ResourceCreateBlob,
    ResourceFlush,
    Response,
    SetScanout,
    SetScanoutBlob,
    pack,
    pack_entries,
    unpack,
)
from virtio.limits import Limits
from virtio.memory import PAGE, GuestMemory, Region, SharedHandle
from virtio.ring.layout import QueueConfig, available_ring_size, descriptor_table_size
from virtio.ring.split import SplitQueue

_QUEUE_SIZE = 64
_ROOM = 2048

# Guest physical addresses: rings and requests below, pages for resources above, in a region of their own.
_LOW_BYTES = 1 << 20
_REQUEST = 0x40000
_RESPONSES = 0x10000
HIGH = 0x1000_0000
HIGH_PAGES = 4096


class RecordingDisplay:
    """A display that remembers what it was told.

    Attributes:
        calls: (method name, arguments...) in order.
        images: What each scanout shows.
        hold: Answer flushes with fences, which are collected in `fences`.
    """

    def __init__(self, modes: Sequence[DisplayMode]) -> None:
        self.mode_list = list(modes)
        self.calls: list[tuple[Any, ...]] = []
        self.images: dict[int, ScanoutImage | None] = {}
        self.cursors: dict[int, CursorImage | None] = {}
        self.fences: list[Fence] = []
        self.hold = False

    def modes(self) -> Sequence[DisplayMode]:
        return self.mode_list

    def set_scanout(self, scanout_id: int, image: ScanoutImage | None) -> None:
        self.calls.append(("set_scanout", scanout_id, image is not None))
        self.images[scanout_id] = image

    def flush(self, scanout_id: int, damage: Rect, incoming: DeferredTransfer | None = None) -> Fence | None:
        if incoming is not None:
            incoming.finish()
        self.calls.append(("flush", scanout_id, damage))
        if not self.hold:
            return None
        self.fences.append(Fence(scanout_id, len(self.fences)))
        return self.fences[-1]

    def set_cursor(self, scanout_id: int, image: CursorImage | None, x: int, y: int) -> None:
        self.calls.append(("set_cursor", scanout_id, image is not None, x, y))
        self.cursors[scanout_id] = image

    def move_cursor(self, scanout_id: int, x: int, y: int) -> None:
        self.calls.append(("move_cursor", scanout_id, x, y))

    @property
    def flushes(self) -> list[tuple[int, Rect]]:
        """(scanout, damage) of every flush."""
        return [(call[1], call[2]) for call in self.calls if call[0] == "flush"]


class Reply(NamedTuple):
    """A used buffer: how many bytes the device wrote, and the response in them."""

    length: int
    header: Header
    body: bytes

    @property
    def response(self) -> Response:
        return Response(self.header.type)


class _Ring:
    """The driver's side of one split queue with direct descriptors."""

    def __init__(self, memory: GuestMemory, base: int, responses: int) -> None:
        self.memory = memory
        self.config = QueueConfig(
            _QUEUE_SIZE,
            base,
            base + descriptor_table_size(_QUEUE_SIZE),
            (base + descriptor_table_size(_QUEUE_SIZE) + available_ring_size(_QUEUE_SIZE) + 3) & ~3,
        )
        self.responses = responses
        self.free = list(range(0, _QUEUE_SIZE, 2))
        self.rooms: dict[int, int] = {}
        self.available = 0
        self.used = 0

    def submit(self, request: bytes, room: int, *, place: int = 0) -> int:
        """Make a request available; the head of its chain. Serve it before the next of the same place."""
        return self.submit_parts([request] if request else [], room, place=place)

    def submit_parts(self, parts: Sequence[bytes], room: int, *, place: int = 0) -> int:
        """As `submit`, with a readable descriptor for each part; more than one if nothing is in flight."""
        head = self.free.pop(0)
        self.rooms[head] = room
        descriptors, address = [], _REQUEST + place
        for part in parts:
            self.memory.write(address, part)
            descriptors.append((address, len(part), 0))
            address += len(part)
        if room:
            descriptors.append((self.responses + head // 2 * _ROOM, room, 2))
        for index, (start, length, flags) in enumerate(descriptors):
            following = index + 1 < len(descriptors)
            data = struct.pack("<QIHH", start, length, flags | following, head + index + 1)
            self.memory.write(self.config.descriptor_table + 16 * (head + index), data)
        slot = self.config.available_ring + 4 + 2 * (self.available % _QUEUE_SIZE)
        self.memory.store(slot, 2, head)
        self.available = (self.available + 1) & 0xFFFF
        self.memory.store(self.config.available_ring + 2, 2, self.available)
        return head

    def reap(self) -> list[tuple[int, Reply]]:
        """Used buffers since the last call, as (head, reply)."""
        replies = []
        while self.used != self.memory.load(self.config.used_ring + 2, 2):
            element = self.config.used_ring + 4 + 8 * (self.used % _QUEUE_SIZE)
            head, length = self.memory.load(element, 4), self.memory.load(element + 4, 4)
            data = self.memory.read(self.responses + head // 2 * _ROOM, self.rooms.pop(head))[:length]
            header = unpack(Header, data.ljust(HEADER_SIZE, b"\0"))
            replies.append((head, Reply(length, header, data[HEADER_SIZE:])))
            self.free.append(head)
            self.used = (self.used + 1) & 0xFFFF
        return replies


class Machine:
    """A guest's memory, a driver, the device, and a display.

    Attributes:
        notified: Queues for which the device called `notify`.
        config_changes: How often it called `config_changed`.
        faults: What it called `on_fault` with.
        told: Limits that were reached.
    """

    def __init__(
        self,
        modes: Sequence[DisplayMode] = (DisplayMode(1024, 768),),
        *,
        limits: Limits | None = None,
        together: Together | None = None,
        host_memory: bool = False,
        features: int = GpuDevice.features,
    ) -> None:
        self.display = RecordingDisplay(modes)
        self.told: list[str] = []
        ledger = Ledger(limits, together, self.told.append)
        self.device = GpuDevice(self.display, host_memory=host_memory, ledger=ledger)
        self.features = features
        self.notified: list[int] = []
        self.config_changes = 0
        self.faults: list[str] = []
        self.device.notify = self.notified.append
        self.device.config_changed = self._config_changed
        self.device.on_fault = self.faults.append
        with SharedHandle.create(_LOW_BYTES) as low, SharedHandle.create(HIGH_PAGES * PAGE) as high:
            regions = [Region(0, _LOW_BYTES, low), Region(HIGH, HIGH_PAGES * PAGE, high)]
            self.memory = GuestMemory(regions)
        self.start()

    def remap(self, regions: Sequence[Region]) -> None:
        """Another memory table for the driver that lives; the first region holds the rings."""
        old, self.memory = self.memory, GuestMemory(regions)
        old.close()
        for index, ring in enumerate(self.rings):
            ring.memory = self.memory
            position = self.queues[index].next_available
            self.queues[index] = SplitQueue(self.memory, ring.config, next_available=position)
        self.device.activate(self.features, self.memory)

    def _config_changed(self) -> None:
        self.config_changes += 1

    def start(self) -> None:
        """Begin a life of the driver: fresh rings, an active device."""
        self.memory.write(0, bytes(_REQUEST))
        self.rings = [
            _Ring(self.memory, 0x1000, _RESPONSES),
            _Ring(self.memory, 0x3000, _RESPONSES + 0x10000),
        ]
        self.queues = [SplitQueue(self.memory, ring.config) for ring in self.rings]
        self.device.activate(self.features, self.memory)

    @staticmethod
    def request(
        command: int, body: tuple[Any, ...] | None = None, runs: Sequence[tuple[int, int]] = (), **header: Any
    ) -> bytes:
        """A request's bytes."""
        return pack(Header(int(command), **header)) + (pack(body) if body else b"") + pack_entries(runs)

    @staticmethod
    def pages(*numbers: int) -> list[tuple[int, int]]:
        """Runs of one page each: pages of the guest's memory for resources, by number."""
        return [(HIGH + number * PAGE, PAGE) for number in numbers]

    @staticmethod
    def scanout_blob(
        resource_id: int,
        width: int,
        height: int,
        *,
        rect: Rect | None = None,
        scanout: int = 0,
        pixel_format: int = Format.B8G8R8X8,
        stride: int | None = None,
        offset: int = 0,
    ) -> SetScanoutBlob:
        """A SET_SCANOUT_BLOB; by default of a tight image and all of it."""
        strides = (4 * width if stride is None else stride, 0, 0, 0)
        shown = Rect(0, 0, width, height) if rect is None else rect
        return SetScanoutBlob(
            shown,
            scanout,
            resource_id,
            width,
            height,
            pixel_format,
            strides=strides,
            offsets=(offset, 0, 0, 0),
        )

    def post(self, request: bytes, *, queue: int = CONTROL_QUEUE, room: int = _ROOM) -> int:
        """Submit raw bytes and let the device work; the head."""
        head = self.rings[queue].submit(request, room)
        self.device.process(queue, self.queues[queue])
        return head

    def reap(self, queue: int = CONTROL_QUEUE) -> dict[int, Reply]:
        """Replies that have come since the last call, by head, in order."""
        return dict(self.rings[queue].reap())

    def send_bytes(self, request: bytes, *, queue: int = CONTROL_QUEUE, room: int = _ROOM) -> Reply:
        """Submit raw bytes; the reply, which must come at once."""
        head = self.post(request, queue=queue, room=room)
        return self.reap(queue)[head]

    def send_parts(self, parts: Sequence[bytes]) -> Reply:
        """Submit a request in several descriptors; the reply, which must come at once."""
        ring = self.rings[CONTROL_QUEUE]
        ring.free.sort()
        head = ring.submit_parts(parts, _ROOM)
        self.device.process(CONTROL_QUEUE, self.queues[CONTROL_QUEUE])
        return self.reap()[head]

    def send(
        self,
        command: Command,
        body: tuple[Any, ...] | None = None,
        runs: Sequence[tuple[int, int]] = (),
        **header: Any,
    ) -> Reply:
        """A command and its reply, which must come at once."""
        return self.send_bytes(self.request(command, body, runs, **header))

    def ok(
        self, command: Command, body: tuple[Any, ...] | None = None, runs: Sequence[tuple[int, int]] = ()
    ) -> Reply:
        """As `send`, for a command that must succeed."""
        reply = self.send(command, body, runs)
        assert reply.response < Response.ERR_UNSPEC, self.device.last_fault
        return reply

    def cursor(self, command: Command, body: tuple[Any, ...], *, room: int = 0) -> Reply:
        """A command on the cursor queue, without room for a response, as Linux sends it."""
        return self.send_bytes(self.request(command, body), queue=CURSOR_QUEUE, room=room)

    def create_2d(
        self,
        resource_id: int,
        width: int,
        height: int,
        pixel_format: int = Format.B8G8R8X8,
        page: int | None = 0,
    ) -> None:
        """A 2D resource, backed from `page` on unless that is None."""
        self.ok(Command.RESOURCE_CREATE_2D, ResourceCreate2d(resource_id, pixel_format, width, height))
        if page is not None:
            runs = [(HIGH + page * PAGE, width * height * 4)]
            self.ok(Command.RESOURCE_ATTACH_BACKING, ResourceAttachBacking(resource_id, len(runs)), runs)

    def create_blob(self, resource_id: int, runs: Sequence[tuple[int, int]]) -> None:
        """A guest blob of these runs."""
        size = sum(length for _, length in runs)
        body = ResourceCreateBlob(resource_id, BlobMem.GUEST, 0, len(runs), 0, size)
        self.ok(Command.RESOURCE_CREATE_BLOB, body, runs)

    def show_2d(self, resource_id: int, rect: Rect, scanout: int = 0) -> None:
        """SET_SCANOUT, which must succeed."""
        self.ok(Command.SET_SCANOUT, SetScanout(rect, scanout, resource_id))

    def show_blob(self, resource_id: int, width: int, height: int, **fields: Any) -> None:
        """SET_SCANOUT_BLOB of a whole image, which must succeed."""
        self.ok(Command.SET_SCANOUT_BLOB, self.scanout_blob(resource_id, width, height, **fields))

    def flush(self, resource_id: int, rect: Rect) -> None:
        """RESOURCE_FLUSH without a fence, which must succeed."""
        self.ok(Command.RESOURCE_FLUSH, ResourceFlush(rect, resource_id))

    def array(self, page: int, count: int) -> NDArray[np.uint8]:
        """(bytes,) uint8: the guest's own view of `count` resource pages."""
        return np.frombuffer(self.memory.view(HIGH + page * PAGE, count * PAGE), np.uint8)

    def close(self) -> None:
        """Reset the device, check that nothing is held, and unmap."""
        self.device.reset()
        assert (self.device.host_memory_bytes, self.device.mappings, self.device.parked) == (0, 0, 0)
        self.memory.close()


MakeMachine = Callable[..., Machine]


@pytest.fixture
def make_machine() -> Iterator[MakeMachine]:
    """A factory of machines, which are checked and closed afterwards."""
    machines: list[Machine] = []

    def make(*args: Any, **kwargs: Any) -> Machine:
        machines.append(Machine(*args, **kwargs))
        return machines[-1]

    yield make
    for made in machines:
        made.close()


@pytest.fixture(scope="module")
def make_machine_once() -> Iterator[MakeMachine]:
    """For property tests: one machine, made by the first call; each example lives with what is left."""
    machines: list[Machine] = []

    def make(*args: Any, **kwargs: Any) -> Machine:
        if not machines:
            machines.append(Machine(*args, **kwargs))
        return machines[0]

    yield make
    for made in machines:
        made.close()


@pytest.fixture
def machine(make_machine: MakeMachine) -> Machine:
    """One machine with one 1024x768 monitor."""
    return make_machine()
