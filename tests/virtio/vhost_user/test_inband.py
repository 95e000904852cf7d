from __future__ import annotations

from typing import TYPE_CHECKING

from virtio.vhost_user.messages import FLAG_NEED_REPLY, FLAG_REPLY, VERSION, Message, ProtocolFeature, Request
from virtio.vhost_user.payloads import VringState, pack_u64

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest, RecordingHost

PROTOCOL = 0x2229 | ProtocolFeature.INBAND_NOTIFICATIONS.mask
CALL, ERROR = 4, 5


def kick(host: RecordingHost, index: int) -> int:
    return host.ack(Request.VRING_KICK, VringState(index).pack())


def start(host: RecordingHost, guest: Guest) -> None:
    """What UML does: no descriptors, no kick before there is something."""
    host.negotiate(PROTOCOL)
    host.say(Request.SET_BACKEND_REQ_FD, fds=[host.eventfd()])
    host.share(guest)
    for index in range(2):
        host.set_queue(guest, index, kick=False)
        assert host.enable(index) == 0
    assert kick(host, 0) == 0
    host.run()


def test_the_first_kick_starts_a_queue(inband_host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    start(inband_host, guest)
    assert device.events == ["activate"]
    assert not inband_host.requests
    assert not inband_host.watched


def test_a_kick_is_answered_before_the_queue_is_served(
    inband_host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    start(inband_host, guest)
    guest.submit(0, b"hello")
    assert kick(inband_host, 0) == 0
    assert not device.served
    inband_host.run()
    assert guest.answers(0) == [b"hello"]
    assert [(m.request, m.payload) for m in inband_host.requests] == [(CALL, VringState(0).pack())]


def test_calls_wait_for_the_guests_answer(inband_host: RecordingHost, guest: Guest) -> None:
    start(inband_host, guest)
    for request in (b"one", b"two", b"three"):
        guest.submit(0, request)
        kick(inband_host, 0)
        inband_host.run()
        assert guest.answers(0) == [request]
    assert len(inband_host.requests) == 1
    inband_host.backend.channel.receive(Message(CALL, pack_u64(0), flags=VERSION | FLAG_REPLY))
    assert len(inband_host.requests) == 2, "the third call was one with the second"


def test_a_broken_queue_is_reported_on_the_channel(inband_host: RecordingHost, guest: Guest) -> None:
    start(inband_host, guest)
    guest.submit(0, b"break")
    kick(inband_host, 0)
    inband_host.run()
    assert [m.request for m in inband_host.requests] == [ERROR]
    assert inband_host.reports == ["queue 0: the driver asked for it; it is stopped until it is set up again"]


def test_a_kick_is_answered_after_its_queue_was_scheduled(inband_host: RecordingHost, guest: Guest) -> None:
    start(inband_host, guest)
    scheduled: list[list[int]] = []
    inband_host.send = lambda message: scheduled.append(list(inband_host.scheduled))  # type: ignore[method-assign]
    inband_host.backend.handle(
        Message(Request.VRING_KICK, VringState(0).pack(), flags=VERSION | FLAG_NEED_REPLY)
    )
    assert scheduled == [[0]], "what the kick brings about has a place in time before the guest goes on"


def test_a_kick_without_need_reply_is_not_answered(inband_host: RecordingHost, guest: Guest) -> None:
    start(inband_host, guest)
    assert inband_host.say(Request.VRING_KICK, VringState(0).pack()) is None
    assert inband_host.scheduled == [0]


def test_descriptors_are_preferred_where_they_are_given(inband_host: RecordingHost, guest: Guest) -> None:
    inband_host.negotiate(PROTOCOL)
    inband_host.say(Request.SET_BACKEND_REQ_FD, fds=[inband_host.eventfd()])
    inband_host.share(guest)
    inband_host.set_queue(guest, 0)
    assert inband_host.enable(0) == 0
    assert inband_host.echo(guest, 0, b"x") == [b"x"]
    assert inband_host.rung
    assert not inband_host.requests


def test_a_kick_that_starts_a_queue_outside_the_memory_is_refused(
    inband_host: RecordingHost, guest: Guest
) -> None:
    inband_host.negotiate(PROTOCOL)
    inband_host.set_queue(guest, 0, kick=False)
    address = guest.address(0)._replace(used_ring=16)
    inband_host.say(Request.SET_VRING_ADDR, address.pack())
    assert inband_host.enable(0) == 0
    inband_host.share(guest)
    assert kick(inband_host, 0) == 1
    (line,) = inband_host.reports
    assert line == "queue 0: used ring: no memory region holds 0x806 bytes at user address 0x10"


def test_kicks_need_negotiation(host: RecordingHost) -> None:
    host.negotiate()
    assert kick(host, 0) == 1
    assert host.reports == ["VRING_KICK: in-band notifications were not negotiated"]
