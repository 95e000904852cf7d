"""Devices that break the vhost-user protocol, offer what they must not, forget to reset, or die."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.compositor.conform.mutants import Patch, handles, mutant
from virtio.errors import ProtocolFault, QueueFault
from virtio.gpu.device import GpuDevice
from virtio.memory import GuestMemory, Region
from virtio.ring.chain import Walker
from virtio.vhost_user import backend as backend_module
from virtio.vhost_user import connection, memory_table, negotiation
from virtio.vhost_user.backend import Backend
from virtio.vhost_user.messages import Decoder, Message, ProtocolFeature, Request
from virtio.vhost_user.payloads import ConfigAccess, pack_u64
from virtio.vhost_user.rings import Rings
from virtio.vhost_user.server import VhostUserServer
from virtio.vhost_user.vring import Vring

# vhost-user.


@mutant("protocol/answers-have-the-frame-of-their-request", "protocol/features-are-answered")
def replies_without_the_reply_flag(patch: Patch) -> None:
    patch.setattr(Message, "reply", lambda message, payload: Message(message.request, payload))


@mutant("protocol/answers-have-the-frame-of-their-request")
def replies_that_ask_for_replies(patch: Patch) -> None:
    patch.setattr(Message, "reply", lambda message, payload: Message(message.request, payload, flags=13))


@mutant("protocol/requests-without-answer-get-none")
def acknowledges_without_being_asked(patch: Patch) -> None:
    patch.setattr(Message, "needs_reply", property(lambda _message: True))


@mutant("acknowledgements/success-is-acknowledged-with-zero")
def acknowledges_success_with_one(patch: Patch) -> None:
    def tell(backend: Backend, message: Message) -> bytes | None:
        return pack_u64(1) if message.needs_reply else None

    handles(patch, Request.SET_OWNER, tell)


@mutant("acknowledgements/answers-are-no-acknowledgement-beside")
def acknowledges_beside_the_answer(patch: Patch) -> None:
    original = Backend._get_features

    def answer(backend: Backend, message: Message) -> bytes:
        if message.needs_reply:
            backend._host.send(message.reply(pack_u64(0)))
        return original(backend, message)

    handles(patch, Request.GET_FEATURES, answer)


@mutant(
    "acknowledgements/unknown-requests-are-refused",
    "acknowledgements/addresses-outside-of-memory-are-refused",
    "acknowledgements/queues-that-are-not-there-are-refused",
    "acknowledgements/sizes-that-are-no-power-of-two-are-refused",
    "acknowledgements/tables-without-their-files-are-refused",
    "acknowledgements/regions-beyond-their-file-are-refused",
)
def acknowledges_refusals_with_success(patch: Patch) -> None:
    def refuse(backend: Backend, message: Message, fault: Exception) -> None:
        if message.needs_reply:
            backend._host.send(message.reply(pack_u64(0)))

    patch.setattr(Backend, "_refuse", refuse)


@mutant("acknowledgements/a-refusal-ends-nothing")
def hangs_up_when_it_refuses(patch: Patch) -> None:
    def refuse(backend: Backend, message: Message, fault: Exception) -> None:
        raise fault

    patch.setattr(Backend, "_refuse", refuse)


@mutant("protocol/queue-number-covers-both-queues")
def has_one_queue(patch: Patch) -> None:
    handles(patch, Request.GET_QUEUE_NUM, lambda backend, message: pack_u64(1))


@mutant("protocol/config-is-read-in-full")
def cuts_the_config_space(patch: Patch) -> None:
    def answer(backend: Backend, message: Message) -> bytes:
        access = ConfigAccess.unpack(message)
        return access._replace(data=bytes(4)).pack()

    handles(patch, Request.GET_CONFIG, answer)


@mutant("memory/the-number-of-slots-is-answered")
def has_no_memory_slots(patch: Patch) -> None:
    handles(patch, Request.GET_MAX_MEM_SLOTS, lambda backend, message: pack_u64(0))


@mutant("memory/regions-have-their-file-offsets", "memory/regions-may-come-one-by-one")
def ignores_file_offsets(patch: Patch) -> None:
    original = Region

    def region(guest: int, size: int, handle: Any, offset: int, user: int) -> Any:
        return original(guest, size, handle, 0, user)

    patch.setattr(memory_table, "Region", region)


@mutant("memory/regions-are-removed-by-address-and-size")
def compares_file_offsets_of_regions(patch: Patch) -> None:
    original = memory_table.remove_region

    def remove(memory: Any, description: Any, terms: Any) -> Any:
        if all(description.offset != region.offset for region in memory.regions):
            raise QueueFault("no such offset")
        return original(memory, description, terms)

    patch.setattr("virtio.vhost_user.backend.remove_region", remove)


@mutant("ring-states/the-base-is-where-the-queue-stopped", "ring-states/positions-wrap-at-65536")
def counts_the_base_wrong(patch: Patch) -> None:
    original = Rings.stop
    patch.setattr(Rings, "stop", lambda rings, index: original(rings, index) + 1)


@mutant("ring-states/a-stopped-queue-is-not-served")
def serves_stopped_queues(patch: Patch) -> None:
    patch.setattr(Rings, "stop", lambda rings, index: rings.vring(index).next_available)


@mutant("ring-states/a-queue-is-stopped-before-its-doorbell")
def serves_queues_without_doorbell(patch: Patch) -> None:
    patch.setattr(
        Vring, "wanted", property(lambda vring: bool(vring.size and vring.address and vring.enabled))
    )


@mutant("ring-states/the-call-doorbell-may-change")
def keeps_the_first_call_doorbell(patch: Patch) -> None:
    original = Rings.set_call

    def set_call(rings: Rings, index: int, fd: int | None) -> None:
        if rings.vring(index).fd(Request.SET_VRING_CALL) is None:
            original(rings, index, fd)

    patch.setattr(Rings, "set_call", set_call)


@mutant("ring-states/the-kick-doorbell-may-change")
def keeps_the_first_kick_doorbell(patch: Patch) -> None:
    original = Rings.set_kick

    def set_kick(rings: Rings, index: int, fd: int | None) -> None:
        if rings.vring(index).fd(Request.SET_VRING_KICK) is None:
            original(rings, index, fd)

    patch.setattr(Rings, "set_kick", set_kick)


@mutant("ring-states/a-paused-device-keeps-its-state")
def forgets_when_paused(patch: Patch) -> None:
    original = Rings.stop

    def stop(rings: Rings, index: int) -> int:
        base = original(rings, index)
        if rings.suspended:
            rings._device.reset()
            rings._active = False
        return base

    patch.setattr(Rings, "stop", stop)


def listens_with(patch: Patch, decoder: type[Decoder]) -> None:
    patch.setattr(connection, "Decoder", decoder)


@mutant("protocol/protocol-features-are-answered-at-once")
def answers_protocol_features_late(patch: Patch) -> None:
    original = Backend._get_protocol_features

    def answer(backend: Backend, message: Message) -> bytes:
        if not backend.rings.features:
            raise ProtocolFault("no features yet")
        return original(backend, message)

    handles(patch, Request.GET_PROTOCOL_FEATURES, answer)


@mutant("protocol/messages-may-arrive-in-pieces")
def wants_messages_whole(patch: Patch) -> None:
    class Impatient(Decoder):
        def feed(self, data: bytes, fds: Sequence[int] = ()) -> list[Message]:
            if len(data) < self.wanted:
                raise ProtocolFault("half a message")
            return super().feed(data, fds)

    listens_with(patch, Impatient)


@mutant("protocol/messages-may-arrive-together")
def loses_the_third_message(patch: Patch) -> None:
    class Forgetful(Decoder):
        heard = 0

        def feed(self, data: bytes, fds: Sequence[int] = ()) -> list[Message]:
            messages = super().feed(data, fds)
            self.heard += len(messages)
            return [] if messages and self.heard == 3 else messages

    listens_with(patch, Forgetful)


@mutant("protocol/queue-number-is-offered")
def offers_no_mq(patch: Patch) -> None:
    patch.setattr(negotiation, "_OFFERED", negotiation._OFFERED & ~ProtocolFeature.MQ.mask)


@mutant("protocol/a-session-can-be-set-up")
def serves_nothing(patch: Patch) -> None:
    patch.setattr(GpuDevice, "process", lambda *_: False)


@mutant("protocol/acknowledged-features-are-those-asked-for")
def agrees_on_nothing(patch: Patch) -> None:
    def refuse(features: int, offered: int) -> None:
        raise ProtocolFault("no")

    patch.setattr(backend_module, "check_protocol", refuse)


@mutant("protocol/the-channel-of-the-device-is-taken")
def refuses_its_channel(patch: Patch) -> None:
    def refuse(backend: Backend, message: Message) -> None:
        raise ProtocolFault("no")

    handles(patch, Request.SET_BACKEND_REQ_FD, refuse)


@mutant("protocol/features-stay-the-same")
def offers_other_features_each_time(patch: Patch) -> None:
    times = iter(range(100))
    handles(patch, Request.GET_FEATURES, lambda backend, message: pack_u64(1 << 30 | next(times)))


@mutant("protocol/a-session-begins-on-every-connection")
def admits_one_front_end(patch: Patch) -> None:
    original, seen = VhostUserServer.admit, []

    def admit(server: VhostUserServer, one: connection.Connection) -> Any:
        seen.append(one)
        return original(server, one) if len(seen) == 1 else None

    patch.setattr(VhostUserServer, "admit", admit)


@mutant("protocol/protocol-features-bit-is-no-virtio-feature")
def starts_every_queue_disabled(patch: Patch) -> None:
    patch.setattr(Rings, "enable_all", lambda rings, on: None)


@mutant("memory/the-same-table-may-come-again")
def takes_one_memory_table(patch: Patch) -> None:
    original = Rings.set_memory

    def set_memory(rings: Rings, memory: GuestMemory, *, whole: bool) -> None:
        if rings.memory is not None:
            memory.close()
            raise ProtocolFault("there is memory already")
        original(rings, memory, whole=whole)

    patch.setattr(Rings, "set_memory", set_memory)


@mutant("memory/buffers-may-span-adjoining-regions")
def wants_buffers_in_one_region(patch: Patch) -> None:
    def refuse(walker: Walker, head: int, address: int, length: int) -> Any:
        raise QueueFault("not in one region")

    patch.setattr(Walker, "_across_regions", refuse)


@mutant("ring-states/a-stopped-queue-goes-on-where-it-stopped")
def goes_on_behind_what_is_available(patch: Patch) -> None:
    original = Rings.set_base
    patch.setattr(Rings, "set_base", lambda rings, index, base: original(rings, index, base and base + 1))


@mutant("ring-states/a-suspended-device-answers-messages")
def notifies_while_suspended(patch: Patch) -> None:
    original = Backend._get_protocol_features

    def answer(backend: Backend, message: Message) -> bytes:
        if backend.rings.suspended:
            backend.rings._call(backend.rings.vring(0))
        return original(backend, message)

    handles(patch, Request.GET_PROTOCOL_FEATURES, answer)


@mutant("ring-states/what-comes-while-disabled-is-not-lost")
def forgets_what_came_while_disabled(patch: Patch) -> None:
    original = Rings.enable

    def enable(rings: Rings, index: int, on: bool) -> None:
        original(rings, index, on)
        queue = rings.vring(index).queue
        if on and queue is not None:
            queue.next_available = queue._seen_available = queue._avail[1]

    patch.setattr(Rings, "enable", enable)


@mutant("ring-states/a-queue-may-be-polled")
def wants_a_call_doorbell(patch: Patch) -> None:
    original = Rings.set_call

    def set_call(rings: Rings, index: int, fd: int | None) -> None:
        if fd is None:
            raise ProtocolFault("no doorbell")
        original(rings, index, fd)

    patch.setattr(Rings, "set_call", set_call)


@mutant("ring-states/one-queue-stops-alone")
def stops_both_queues(patch: Patch) -> None:
    original = Rings.stop

    def stop(rings: Rings, index: int) -> int:
        original(rings, 1 - index)
        return original(rings, index)

    patch.setattr(Rings, "stop", stop)


# Resets.


@mutant("reset/a-reset-forgets-resources")
def resets_nothing(patch: Patch) -> None:
    patch.setattr(GpuDevice, "reset", lambda gpu: None)


@mutant("reset/a-reset-device-leaves-queues-alone")
def serves_queues_after_a_reset(patch: Patch) -> None:
    handles(patch, Request.RESET_DEVICE, lambda backend, message: None)


@mutant("reset/the-status-is-what-was-written")
def has_no_status(patch: Patch) -> None:
    handles(patch, Request.GET_STATUS, lambda backend, message: pack_u64(0))


@mutant("reset/status-0-stops-the-queues")
def serves_queues_at_status_0(patch: Patch) -> None:
    handles(patch, Request.SET_STATUS, lambda backend, message: None)


@mutant("reset/the-same-features-may-be-set-again")
def negotiates_once(patch: Patch) -> None:
    seen: list[int] = []

    def refuse(features: int) -> None:
        if seen:
            raise ProtocolFault("once is enough")
        seen.append(features)

    patch.setattr(backend_module, "check_features", refuse)


# Death.


def dies(one: connection.Connection) -> None:
    """The whole device, with its listening socket."""
    owner = one._owner
    assert isinstance(owner, VhostUserServer)
    owner.close()


@mutant("reset/connections-may-end-amid-work")
def dies_with_a_half_message(patch: Patch) -> None:
    original = Decoder.end

    class Fatal(Decoder):
        def end(self) -> None:
            try:
                original(self)
            except ProtocolFault:
                raise SystemError from None

    def end(one: connection.Connection, error: OSError | None) -> None:
        try:
            one._decoder.end()
        except SystemError:
            dies(one)
        one.close()

    listens_with(patch, Fatal)
    patch.setattr(connection.Connection, "_end", end)


@mutant(
    "robustness/looped-chains",
    "robustness/descriptors-beyond-the-table",
    "robustness/heads-beyond-the-table",
    "robustness/jumps-of-the-index",
    "robustness/buffers-outside-of-memory",
    "robustness/indirect-tables-outside-of-memory",
    "robustness/indirect-tables-of-odd-length",
    "robustness/lengths-without-end",
)
def dies_of_broken_queues(patch: Patch) -> None:
    patch.setattr(Rings, "_break", lambda rings, vring, fault: dies(rings._host))


@mutant("robustness/messages-of-any-length")
def dies_of_long_messages(patch: Patch) -> None:
    original = connection.Connection._guard

    def guard(one: connection.Connection, step: Any) -> None:
        one.report = lambda _line: dies(one)  # type: ignore[assignment]
        original(one, step)

    patch.setattr(connection.Connection, "_guard", guard)


@mutant("robustness/many-kicks-at-once")
def tires_of_kicks(patch: Patch) -> None:
    original, served = GpuDevice.process, []

    def process(gpu: GpuDevice, *arguments: Any) -> bool:
        served.append(gpu)
        return len(served) < 300 and original(gpu, *arguments)

    patch.setattr(GpuDevice, "process", process)
