"""Devices that break the rules of split queues, of notifications, and of fences."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tests.compositor.conform.mutants import Patch, executes, mutant
from virtio.errors import QueueFault
from virtio.gpu import device
from virtio.gpu.commands import Answer, Entry
from virtio.gpu.device import GpuDevice
from virtio.gpu.errors import unspecified
from virtio.gpu.request import check
from virtio.gpu.session import Session
from virtio.gpu.wire import Command, Header, Response
from virtio.ring import chain, layout
from virtio.ring.chain import Chain, Walker
from virtio.ring.split import SplitQueue
from virtio.vhost_user.rings import Rings
from virtio.vhost_user.vring import LiveQueue

# Split queues.


@mutant("split-ring/requests-may-be-cut-anywhere", "split-ring/bodies-may-be-cut-anywhere")
def reads_the_first_buffer_alone(patch: Patch) -> None:
    patch.setattr(Chain, "read", lambda request, limit: bytes(request.readable[0][:limit]))


@mutant("split-ring/answers-may-be-cut-anywhere")
def writes_the_first_buffer_alone(patch: Patch) -> None:
    def write(answer: Chain, data: bytes) -> int:
        part = data[: len(answer.writable[0])]
        answer.writable[0][: len(part)] = part
        return len(part)

    patch.setattr(Chain, "write", write)


@mutant("split-ring/readable-buffers-are-not-written")
def writes_over_the_request(patch: Patch) -> None:
    original = Chain.write

    def write(answer: Chain, data: bytes) -> int:
        answer.readable[0][:4] = data[:4]
        return original(answer, data)

    patch.setattr(Chain, "write", write)


@mutant("split-ring/descriptors-are-not-written")
def clears_the_descriptors_it_has_read(patch: Patch) -> None:
    original = Walker.walk

    def walk(walker: Walker, head: int) -> Chain:
        found = original(walker, head)
        walker._table[16 * head + 8 : 16 * head + 12] = bytes(4)
        return found

    patch.setattr(Walker, "walk", walk)


@mutant("split-ring/indirect-tables-are-followed", "split-ring/indirect-tables-may-follow-descriptors")
def knows_no_indirect_tables(patch: Patch) -> None:
    patch.setattr(chain, "DESC_F_INDIRECT", 0)


@mutant("split-ring/the-write-flag-of-an-indirect-descriptor-means-nothing")
def looks_at_the_write_flag_of_indirect_descriptors(patch: Patch) -> None:
    original = Walker._indirect_table

    def table(walker: Walker, head: int, address: int, length: int, flags: int) -> memoryview:
        if flags & layout.DESC_F_WRITE:
            raise QueueFault("an indirect table that is writable")
        return original(walker, head, address, length, flags)

    patch.setattr(Walker, "_indirect_table", table)


@mutant("split-ring/indirect-tables-may-follow-descriptors")
def takes_indirect_tables_as_heads_alone(patch: Patch) -> None:
    original = Walker._indirect_table

    def table(walker: Walker, head: int, address: int, length: int, flags: int) -> memoryview:
        if struct.unpack_from("<H", walker._table, 16 * head + 12)[0] & layout.DESC_F_NEXT:
            raise QueueFault("an indirect table behind other descriptors")
        return original(walker, head, address, length, flags)

    patch.setattr(Walker, "_indirect_table", table)


def uses_with(patch: Patch, length: Callable[[int], int]) -> None:
    original = LiveQueue.add_used
    patch.setattr(LiveQueue, "add_used", lambda queue, done, size: original(queue, done, length(size)))


@mutant("split-ring/the-length-is-what-was-written", "split-ring/requests-may-be-cut-anywhere")
def says_that_it_wrote_less(patch: Patch) -> None:
    uses_with(patch, lambda size: size - 1)


@mutant("split-ring/answers-end-with-their-room", "split-ring/without-room-there-is-no-answer")
def says_that_it_wrote_more(patch: Patch) -> None:
    uses_with(patch, lambda size: size + 1)


@mutant("split-ring/many-requests-are-each-answered-once")
def uses_chains_twice(patch: Patch) -> None:
    original = SplitQueue.add_used

    def add_used(queue: SplitQueue, done: Chain, length: int) -> None:
        original(queue, done, length)
        queue._in_flight[done.head] = done
        original(queue, done, length)

    patch.setattr(SplitQueue, "add_used", add_used)


@mutant("split-ring/heads-may-come-in-any-order", "ring-states/queues-may-have-any-power-of-two")
def forgets_where_the_ring_ends(patch: Patch) -> None:
    original = SplitQueue.__init__

    def begin(queue: SplitQueue, *arguments: Any, **options: Any) -> None:
        original(queue, *arguments, **options)
        queue._mask = max(queue.size // 2 - 1, 0)

    patch.setattr(SplitQueue, "__init__", begin)


# Notifications.


@mutant(
    "notifications/flags-0-ask-for-notifications",
    "notifications/used-event-means-nothing-without-its-feature",
    "notifications/used-event-asks-for-a-notification",
    "notifications/flags-mean-nothing-with-event-indices",
)
def never_notifies(patch: Patch) -> None:
    patch.setattr(SplitQueue, "should_notify", lambda queue: False)


@mutant("notifications/flags-1-ask-for-silence", "notifications/used-event-asks-for-silence-before")
def always_notifies(patch: Patch) -> None:
    patch.setattr(SplitQueue, "should_notify", lambda queue: True)


@mutant("notifications/used-event-means-nothing-without-its-feature")
def looks_at_used_event_without_its_feature(patch: Patch) -> None:
    def should_notify(queue: SplitQueue) -> bool:
        return bool((queue.next_used - queue._avail[queue._used_event] - 1) & 0xFFFF < 1)

    patch.setattr(SplitQueue, "should_notify", should_notify)


@mutant("notifications/flags-mean-nothing-with-event-indices")
def looks_at_flags_with_event_indices(patch: Patch) -> None:
    patch.setattr(SplitQueue, "should_notify", lambda queue: not queue._avail[0] & 1)


@mutant("notifications/used-flags-are-0-or-1", "notifications/used-flags-are-0-with-event-indices")
def writes_flags_that_are_none(patch: Patch) -> None:
    original = SplitQueue.add_used

    def add_used(queue: SplitQueue, done: Chain, length: int) -> None:
        queue._used[0] = 2
        original(queue, done, length)

    patch.setattr(SplitQueue, "add_used", add_used)
    patch.setattr(SplitQueue, "enable_kicks", lambda queue: queue._avail[1] != queue.next_available)


@mutant("notifications/the-device-asks-for-kicks-when-it-waits")
def asks_for_no_kicks(patch: Patch) -> None:
    patch.setattr(SplitQueue, "enable_kicks", lambda queue: queue._avail[1] != queue.next_available)


@mutant("notifications/kicks-without-buffers-are-harmless")
def bears_few_kicks_without_buffers(patch: Patch) -> None:
    original, spurious = GpuDevice.process, []

    def process(gpu: GpuDevice, index: int, queue: SplitQueue, *turn: Any) -> bool:
        if queue._avail[1] == queue.next_available:
            spurious.append(index)
        if len(spurious) > 3:
            raise QueueFault("a kick, and nothing available")
        return original(gpu, index, queue, *turn)

    patch.setattr(GpuDevice, "process", process)


# Requests and fences.


def answers(patch: Patch, header: Callable[[Header, Response], Header]) -> None:
    patch.setattr(device, "echo", header)


@mutant("fences/answers-carry-their-fence", "fences/fenced-flushes-are-answered")
def answers_without_the_fence_flag(patch: Patch) -> None:
    answers(patch, lambda header, response: Header(response, 0, header.fence_id))


@mutant("fences/answers-carry-their-fence")
def cuts_fences_to_32_bits(patch: Patch) -> None:
    answers(patch, lambda header, response: Header(response, 1, header.fence_id & 0xFFFF_FFFF))


@mutant("fences/refusals-carry-their-fence")
def refuses_without_the_fence(patch: Patch) -> None:
    answers(patch, lambda header, kind: Header(kind, int(kind < Response.ERR_UNSPEC), header.fence_id))


@mutant("fences/answers-carry-their-context")
def answers_without_the_context(patch: Patch) -> None:
    answers(patch, lambda header, response: Header(response, 1, header.fence_id))


@mutant("fences/each-fence-is-answered-once", "fences/fenced-transfers-are-complete")
def answers_with_the_next_fence(patch: Patch) -> None:
    answers(patch, lambda header, response: Header(response, 1, header.fence_id + 1))


@mutant("requests/plain-answers-have-no-fence")
def fences_every_answer(patch: Patch) -> None:
    patch.setattr(device, "PLAIN", {kind: struct.pack("<II16x", kind, 1) for kind in Response})


@mutant(
    "requests/unknown-commands-get-an-error",
    "requests/requests-shorter-than-their-structure-get-an-error",
    "displays/without-3d-contexts-get-an-error",
    "displays/capsets-beyond-the-last-get-an-error",
    "scanouts/scanouts-lie-within-their-resource",
    "blobs/blob-mem-is-not-0",
    "blobs/host-memory-needs-3d",
    "blobs/the-format-is-one-of-eight",
    "blobs/images-lie-within-their-blob",
    "reset/a-reset-forgets-resources",
    "reset/a-new-connection-is-a-new-device",
)
def refuses_nothing(patch: Patch) -> None:
    patch.setattr(GpuDevice, "_refuse", lambda gpu, fault, command: Answer())


@mutant("requests/unknown-commands-are-unspecified", "errors/edid-too-far", "errors/blob-size-0")
def has_one_error(patch: Patch) -> None:
    patch.setattr(GpuDevice, "_refuse", lambda gpu, fault, command: Answer(Response.ERR_OUT_OF_MEMORY))


@mutant(
    "requests/requests-shorter-than-a-header-are-given-back", "requests/requests-without-bytes-are-given-back"
)
def keeps_requests_without_header(patch: Patch) -> None:
    original = GpuDevice._serve

    def serve(gpu: GpuDevice, session: Session, index: int, queue: SplitQueue, request: Chain) -> None:
        if request.readable_size >= 24:
            original(gpu, session, index, queue, request)

    patch.setattr(GpuDevice, "_serve", serve)


@mutant("requests/longer-requests-are-understood")
def wants_exact_lengths(patch: Patch) -> None:
    def exact(entry: Entry, header: Header, request: bytes, size: int) -> None:
        if header.type == Command.GET_DISPLAY_INFO and size > 24:
            raise unspecified("too long")
        check(entry, header, request, size)

    patch.setattr(device, "check", exact)


@mutant("requests/a-refused-request-changes-nothing-else")
def counts_refusals_in_its_displays(patch: Patch) -> None:
    def answer(session: Session, *_: Any) -> Answer:
        count = sum(session.statistics.errors.values())
        return Answer(Response.OK_DISPLAY_INFO, struct.pack("<I380x", count))

    executes(patch, Command.GET_DISPLAY_INFO, answer)


@mutant("requests/each-queue-is-served-alone", "cursors/cursors-pass-the-control-queue")
def serves_cursors_with_the_control_queue(patch: Patch) -> None:
    original = Rings.process

    def process(rings: Rings, index: int, *turn: Any) -> None:
        if rings.vring(0).running:
            original(rings, index, *turn)

    patch.setattr(Rings, "process", process)


@mutant("fences/fences-are-answered-in-order")
def answers_in_reverse(patch: Patch) -> None:
    add_used, should_notify = LiveQueue.add_used, SplitQueue.should_notify
    held: list[tuple[Chain, int]] = []

    def release(queue: LiveQueue) -> bool:
        while held:
            add_used(queue, *held.pop())
        return should_notify(queue)

    patch.setattr(LiveQueue, "add_used", lambda queue, done, length: held.append((done, length)))
    patch.setattr(SplitQueue, "should_notify", release)


@mutant("fences/fences-of-rings-carry-their-ring")
def answers_without_the_ring(patch: Patch) -> None:
    patch.setattr(GpuDevice, "features", GpuDevice.features | 0x11)
    answers(patch, lambda header, response: Header(response, 1, header.fence_id))


@mutant("fences/a-fence-covers-its-command")
def answers_before_it_creates(patch: Patch) -> None:
    executes(patch, Command.RESOURCE_CREATE_2D, lambda *_: Answer())
