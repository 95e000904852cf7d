"""A guest that says what a recorded one said: the same commands, through rings of its own.

It has memory, rings and a bus like a simulated guest, and no mind: requests come from outside, and so do
the bytes of its buffers. Addresses are the one thing that is not as it was. A buffer that was scattered
over the recorded guest's memory lies here in one piece, at an address of our choice, and the memory
entries of a request are rewritten to say so. Offsets within the buffer, which is what pictures depend on,
stay the same. A blob of host memory is where it was: in the device. Requests that had been refused are sent
as they were, and their entries name memory that this guest does not have: its own begins where no
machine's does.

Sans-IO, like its device.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from random import Random
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from guest.driver.ring import DriverQueue
from guest.driver.transport import negotiate, start
from guest.memory import PAGE, PageAllocator
from virtio.clock import Clock
from virtio.device import Device
from virtio.errors import Misuse
from virtio.features import RingFeature
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    HEADER_SIZE,
    BlobMem,
    Command,
    MemEntry,
    ResourceAttachBacking,
    ResourceCreateBlob,
    ResourceDetachBacking,
    ResourceUnref,
    Response,
    pack,
    pack_entries,
    sizeof,
    unpack,
    unpack_entries,
)
from virtio.inproc import InProcessTransport
from virtio.memory import GuestMemory, Region, Run, SharedHandle
from virtio.ring import QueueConfig, layout

_RAM_BYTES = 64 << 30  # address space; what is not used costs nothing
_RAM_BASE = 1 << 56  # processors have 52 address bits at most
_RING_SIZE = 4096  # descriptors; a recorded guest that waits for frames has a few commands in flight
_LARGEST_ENTRY = 1 << 31
_MOST_ENTRIES = 1 << 20  # of a request; devices take far fewer
_OK = Response.OK_NODATA.to_bytes(4, "little")

_Layout = TypeVar("_Layout", bound=tuple[object, ...])
OnAnswer = Callable[[bytes], None]
HostBlob = Callable[[int], "NDArray[np.uint8] | None"]


class _InFlight(NamedTuple):
    """A request that the device has: where it lies, where its answer will, and the call that takes that."""

    place: Run
    answer: Run
    on_answer: OnAnswer


class ReplayedGuest:
    """One life of a driver after the other, on one device.

    Args:
        device: No driver drives it yet.
        name: Of its memory, in `/proc/PID/maps`.
        host_blob: Finds the memory of the device's blob of that number, if it is the host's.
        clock: The run's, which delivers answers that come late; None: they come with the next command.
    """

    def __init__(
        self,
        device: Device,
        name: str = "replay",
        host_blob: HostBlob = lambda _resource_id: None,
        clock: Clock | None = None,
    ) -> None:
        self._handle = SharedHandle.create(_RAM_BYTES, name=name)
        self._memory = GuestMemory([Region(_RAM_BASE, _RAM_BYTES, self._handle)])
        self._pages = PageAllocator([(_RAM_BASE // PAGE, _RAM_BYTES // PAGE)], Random(0))
        self._transport = InProcessTransport(device, self._memory, clock)
        self._transport.on_interrupt = self._reap
        self._queues: dict[int, DriverQueue[_InFlight]] = {}
        self._rings: list[Run] = []
        self._buffers: dict[int, tuple[Run, int]] = {}
        self._host_blob = host_blob

    def activate(self, features: int) -> None:
        """The driver accepts these features, of those that the device has, and starts.

        Raises:
            DeviceFault: The device refuses them.
        """
        wanted = features & ~(RingFeature.EVENT_IDX | RingFeature.INDIRECT_DESC) | RingFeature.VERSION_1
        accepted = negotiate(self._transport, wanted)
        configs = {index: self._ring() for index in (CONTROL_QUEUE, CURSOR_QUEUE)}
        for index, config in configs.items():
            self._queues[index] = DriverQueue(self._memory, config, features=accepted)
        start(self._transport, configs)

    def _ring(self) -> QueueConfig:
        """Memory for one queue, zeroed."""
        addresses = []
        for part in (layout.descriptor_table_size, layout.available_ring_size, layout.used_ring_size):
            run = self._zeroed(part(_RING_SIZE))
            self._rings.append(run)
            addresses.append(run[0])
        return QueueConfig(_RING_SIZE, *addresses)

    def reset(self) -> None:
        """The driver resets the device: all that it made is gone."""
        self._transport.set_status(0)
        for queue in self._queues.values():
            self._free(*(request.place for request in queue.abandon()))
        self._free(*self._rings, *(run for run, _ in self._buffers.values()))
        self._queues.clear()
        self._rings.clear()
        self._buffers.clear()

    def write(self, resource_id: int, extents: Sequence[Run], data: bytes | memoryview) -> bool:
        """Paint: bytes of a resource's buffer, as (first byte, length) and one extent after the other.

        Returns:
            False when there is no such buffer, or it is smaller.
        """
        memory = self._memory_of(resource_id)
        new = np.frombuffer(data, np.uint8)
        position = 0
        for first, length in extents:
            if first + length > memory.size:
                return False
            memory[first : first + length] = new[position : position + length]
            position += length
        return True

    def _memory_of(self, resource_id: int) -> NDArray[np.uint8]:
        """(size,) uint8, writable: what a resource's pictures are made of; nothing if there is none."""
        if resource_id in self._buffers:
            (address, _), size = self._buffers[resource_id]
            return np.frombuffer(self._memory.view(address, size), np.uint8)
        memory = self._host_blob(resource_id)
        return np.empty(0, np.uint8) if memory is None else memory

    def send(
        self, index: int, request: bytes, size: int, room: int, recorded: bytes, on_answer: OnAnswer
    ) -> None:
        """Send a command as it was sent, and kick; the device has carried it out when this returns.

        Args:
            index: The queue.
            request: The command.
            size: Bytes that the driver had sent; those beyond `request` were not even read.
            room: Bytes for the answer.
            recorded: The answer that it got.
            on_answer: Called with as much of the new answer as there is room for.

        Raises:
            Misuse: The guest is not active, or out of memory, which no recorded guest was; or the command
                is none that the device can have carried out.
        """
        queue = self._queues.get(index)
        if queue is None:
            raise Misuse(f"a command on queue {index} before its driver had started")
        carried_out = index == CONTROL_QUEUE and recorded.startswith(_OK)
        if carried_out:
            request = self._relocated(request)
        elif size > len(request):
            request += bytes(1)  # one byte too many is refused like a thousand
        place = self._allocate(max(1, len(request) + room))
        self._memory.write(place[0], request)
        answer = (place[0] + len(request), room)
        readable = [(place[0], len(request))] if request else []
        queue.add(readable, [answer] if room else [], _InFlight(place, answer, on_answer))
        if queue.should_kick():
            self._transport.kick(index)
        self._transport.poll()  # the next record may change what this command reads
        if carried_out:
            self._released(request)

    def close(self) -> None:
        """Switch it off; once more does nothing."""
        self.reset()
        self._transport.close()
        self._transport.on_interrupt = lambda _index: None  # it would keep this guest and its memory alive
        self._memory.close()
        self._handle.close()

    def _reap(self, index: int) -> None:
        queue = self._queues.get(index)
        if queue is None:
            return
        for request, written in queue.reap():
            answer = self._memory.read(request.answer[0], min(written, request.answer[1]))
            self._free(request.place)
            request.on_answer(answer)

    def _relocated(self, request: bytes) -> bytes:
        """A request that gives memory to a resource, with a buffer here in place of its entries."""
        kind = int.from_bytes(request[:4], "little")
        if kind == Command.RESOURCE_CREATE_BLOB:
            blob = _body(ResourceCreateBlob, request)
            if blob.blob_mem != BlobMem.GUEST:
                return request
            entries = self._buffer(blob.resource_id, request, sizeof(ResourceCreateBlob), blob.nr_entries)
            body = pack(blob._replace(nr_entries=len(entries)))
        elif kind == Command.RESOURCE_ATTACH_BACKING:
            attach = _body(ResourceAttachBacking, request)
            entries = self._buffer(
                attach.resource_id, request, sizeof(ResourceAttachBacking), attach.nr_entries
            )
            body = pack(attach._replace(nr_entries=len(entries)))
        else:
            return request
        return request[:HEADER_SIZE] + body + pack_entries(entries)

    def _buffer(self, resource_id: int, request: bytes, body: int, count: int) -> list[Run]:
        """Memory for a resource, as long as the request's entries together, and all zeros."""
        if count > _MOST_ENTRIES or len(request) < HEADER_SIZE + body + count * sizeof(MemEntry):
            raise Misuse(f"a buffer of {count} pieces, which no device has taken")
        size = sum(length for _, length in unpack_entries(request, HEADER_SIZE + body, count))
        if not size:
            return []
        run = self._zeroed(size)
        self._buffers[resource_id] = run, size
        starts = range(0, size, _LARGEST_ENTRY)
        return [(run[0] + at, min(_LARGEST_ENTRY, size - at)) for at in starts]

    def _zeroed(self, size: int) -> Run:
        """Memory that is given back to the host first: it takes none before it is written to."""
        address, length = self._allocate(size)
        with mmap.mmap(self._handle.fd, length, offset=address - _RAM_BASE) as pages:
            pages.madvise(mmap.MADV_REMOVE)
        return address, length

    def _allocate(self, size: int) -> Run:
        first, pages = self._pages.contiguous(-(-size // PAGE))
        return first * PAGE, pages * PAGE

    def _free(self, *runs: Run) -> None:
        for address, length in runs:
            self._pages.free(address // PAGE, length // PAGE)

    def _released(self, request: bytes) -> None:
        """A request that was carried out: the buffer that it gave back is free."""
        kind = int.from_bytes(request[:4], "little")
        if kind == Command.RESOURCE_UNREF:
            resource_id = _body(ResourceUnref, request).resource_id
        elif kind == Command.RESOURCE_DETACH_BACKING:
            resource_id = _body(ResourceDetachBacking, request).resource_id
        else:
            return
        freed = self._buffers.pop(resource_id, None)
        if freed is not None:
            self._free(freed[0])


def _body(layout: type[_Layout], request: bytes) -> _Layout:
    """A request's structure.

    Raises:
        Misuse: It is too short for one.
    """
    if len(request) < HEADER_SIZE + sizeof(layout):
        raise Misuse(f"a {layout.__name__} of {len(request)} bytes, which no device has carried out")
    return unpack(layout, request, HEADER_SIZE)
