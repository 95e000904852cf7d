from __future__ import annotations

import os
import struct
from typing import TYPE_CHECKING

import pytest

from virtio.errors import DriverFault, ProtocolFault
from virtio.memory import MAX_REGIONS, PAGE, SharedHandle
from virtio.vhost_user.messages import FLAG_REPLY, VERSION, Message, ProtocolFeature, Request
from virtio.vhost_user.payloads import (
    ConfigAccess,
    RegionDescription,
    VringState,
    pack_memory_table,
    pack_region,
    pack_u64,
    unpack_u64,
)

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest, RecordingHost


def ask(host: RecordingHost, request: Request) -> int:
    reply = host.say(request)
    assert reply is not None
    return unpack_u64(reply)


# Negotiation.


def test_features_are_those_of_the_device_and_the_ring(host: RecordingHost) -> None:
    assert ask(host, Request.GET_FEATURES) == 1 << 3 | 1 << 28 | 1 << 29 | 1 << 30 | 1 << 32


def test_in_band_notifications_are_offered_only_when_wanted(
    host: RecordingHost, inband_host: RecordingHost
) -> None:
    usual = sum(1 << bit for bit in (0, 3, 5, 9, 13, 15, 16))
    assert ask(host, Request.GET_PROTOCOL_FEATURES) == usual
    assert ask(inband_host, Request.GET_PROTOCOL_FEATURES) == usual | 1 << 14


def test_small_questions_get_their_answers(host: RecordingHost) -> None:
    assert ask(host, Request.GET_QUEUE_NUM) == 2
    assert ask(host, Request.GET_MAX_MEM_SLOTS) == MAX_REGIONS


@pytest.mark.parametrize(
    ("bit", "line"),
    [
        (34, "RING_PACKED was negotiated but never offered: give QEMU's device packed=off"),
        (33, "ACCESS_PLATFORM was negotiated but never offered: give QEMU's device iommu_platform=off"),
        (35, "IN_ORDER was negotiated but never offered: give QEMU's device in_order=off"),
    ],
)
def test_ring_formats_that_cannot_be_served_are_refused(host: RecordingHost, bit: int, line: str) -> None:
    payload = pack_u64(1 << 32 | 1 << bit)
    assert host.ack(Request.SET_FEATURES, payload) == 1
    assert host.reports == [line]
    with pytest.raises(ProtocolFault, match=f"^{line}$"):
        host.say(Request.SET_FEATURES, payload)


def test_protocol_features_that_were_not_offered_are_refused(host: RecordingHost) -> None:
    assert host.ack(Request.SET_PROTOCOL_FEATURES, pack_u64(1 << 12)) == 1
    assert host.reports == ["protocol features 0x1000 were negotiated, but are not offered"]


@pytest.mark.parametrize("others", [0, 1 << 3, 1 << 5])
def test_in_band_notifications_need_the_channel_and_acknowledgements(
    inband_host: RecordingHost, others: int
) -> None:
    with pytest.raises(ProtocolFault, match="without BACKEND_REQ and REPLY_ACK"):
        inband_host.say(Request.SET_PROTOCOL_FEATURES, pack_u64(1 << 14 | others))


# Faults, and what the front end hears of them.


@pytest.mark.parametrize("request_", [19, 26, 31, 77])
def test_unknown_requests_that_ask_for_an_answer_get_an_error(host: RecordingHost, request_: int) -> None:
    assert host.ack(request_) == 1
    assert host.reports == [f"request {request_} is not supported"]


def test_unknown_requests_are_ignored_and_reported(host: RecordingHost) -> None:
    assert host.say(19, bytes(8), fds=[host.eventfd()]) is None
    assert host.reports == ["request 19 is not supported"]
    assert ask(host, Request.GET_QUEUE_NUM) == 2


@pytest.mark.parametrize("request_", [6, 22, 31, 41])
def test_an_unknown_request_whose_sender_would_wait_for_ever_ends_the_connection(
    host: RecordingHost, request_: int
) -> None:
    with pytest.raises(ProtocolFault, match=f"request {request_} is not supported"):
        host.say(request_)


def test_a_reply_is_not_a_request(host: RecordingHost) -> None:
    host.backend.handle(Message(Request.SET_OWNER, flags=VERSION | FLAG_REPLY))
    assert host.reports == ["SET_OWNER: a reply, but nothing was asked"]


@pytest.mark.parametrize(
    ("request_", "payload", "fds", "line"),
    [
        (Request.SET_OWNER, b"", 1, "SET_OWNER: came with 1 file descriptors, expected 0"),
        (Request.SET_VRING_CALL, pack_u64(0), 0, "SET_VRING_CALL: came with 0 file descriptors, expected 1"),
        (Request.SET_VRING_CALL, pack_u64(0), 3, "SET_VRING_CALL: came with 3 file descriptors, expected 1"),
        (
            Request.SET_VRING_KICK,
            pack_u64(256),
            1,
            "SET_VRING_KICK: came with 1 file descriptors, expected 0",
        ),
        (Request.SET_VRING_CALL, pack_u64(7), 1, "queue 7 does not exist, the device has 2"),
        (Request.SET_VRING_ERR, pack_u64(7), 1, "queue 7 does not exist, the device has 2"),
        (Request.SET_VRING_KICK, pack_u64(7), 1, "queue 7 does not exist, the device has 2"),
        (Request.SET_VRING_ENABLE, VringState(2, 1).pack(), 0, "queue 2 does not exist, the device has 2"),
        (
            Request.SET_VRING_NUM,
            VringState(0, 12).pack(),
            0,
            "queue size 12 is not a power of two up to 32768",
        ),
        (Request.SET_VRING_NUM, bytes(4), 0, "SET_VRING_NUM: payload of 4 bytes, expected 8"),
        (
            Request.SET_VRING_KICK,
            pack_u64(0x100),
            0,
            "SET_VRING_KICK: queue 0 is to be polled, which is not supported",
        ),
    ],
)
def test_bad_requests_about_queues_are_refused_and_the_connection_lives(
    host: RecordingHost, request_: Request, payload: bytes, fds: int, line: str
) -> None:
    assert host.ack(request_, payload, fds=[host.eventfd() for _ in range(fds)]) == 1
    assert host.reports == [line]
    assert host.say(request_, payload, fds=[host.eventfd() for _ in range(fds)]) is None
    assert ask(host, Request.GET_QUEUE_NUM) == 2


@pytest.mark.parametrize("request_", [Request.GET_FEATURES, Request.GET_STATUS, Request.GET_MAX_MEM_SLOTS])
def test_a_bad_question_cannot_be_answered(host: RecordingHost, request_: Request) -> None:
    with pytest.raises(ProtocolFault, match=f"^{request_.name}: came with 1 file descriptors, expected 0$"):
        host.say(request_, fds=[host.eventfd()], need_reply=True)


def test_asking_where_no_queue_stopped_ends_the_connection(host: RecordingHost) -> None:
    with pytest.raises(ProtocolFault, match="queue 5 does not exist, the device has 2"):
        host.say(Request.GET_VRING_BASE, VringState(5).pack())


# Memory.


def table(*regions: RegionDescription) -> bytes:
    return pack_memory_table(regions)


def one(guest_address: int = 0, size: int = PAGE, user: int = PAGE, offset: int = 0) -> RegionDescription:
    return RegionDescription(guest_address, size, user, offset)


@pytest.mark.parametrize(
    ("regions", "line"),
    [
        ([one(size=2 * PAGE), one(PAGE, user=16 * PAGE)], "overlaps"),
        ([one(size=2 * PAGE), one(4 * PAGE, user=2 * PAGE)], "overlaps"),
        ([one(size=1 << 30)], "its file has only"),
        ([one(size=5 * PAGE)], "its file has only"),
        ([one(offset=4 * PAGE)], "its file has only"),
        ([one(size=0)], "its size is not positive"),
        ([one(offset=1)], "is not a multiple of"),
        ([one(guest_address=2**64 - 1, size=2 * PAGE)], "beyond the last address"),
    ],
)
def test_memory_tables_that_lie_are_refused(
    host: RecordingHost, guest: Guest, regions: list[RegionDescription], line: str
) -> None:
    host.start(guest)
    with SharedHandle.create(4 * PAGE) as handle:
        assert host.ack(Request.SET_MEM_TABLE, table(*regions), fds=[os.dup(handle.fd) for _ in regions]) == 1
        (report,) = host.reports
        assert line in report
        assert host.echo(guest, 0, b"x") == [b"x"], "the table before it still stands"
        with pytest.raises(DriverFault, match=line):
            host.say(Request.SET_MEM_TABLE, table(*regions), fds=[os.dup(handle.fd) for _ in regions])


def test_descriptors_that_are_no_memory_are_refused(host: RecordingHost, guest: Guest) -> None:
    fds = [os.dup(guest.handle.fd), host.eventfd()]
    assert host.ack(Request.SET_MEM_TABLE, table(one(), one(PAGE, user=8 * PAGE)), fds=fds) == 1
    (line,) = host.reports
    assert line.startswith("memory region at 0x1000: file descriptor ")
    assert line.endswith("cannot be memory: it is not a file of memory (memfd, /dev/shm, hugetlbfs)")


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_table_with_a_wrong_number_of_descriptors_is_refused(
    host: RecordingHost, guest: Guest, count: int
) -> None:
    payload = table(one(), one(PAGE, user=8 * PAGE))
    assert host.ack(Request.SET_MEM_TABLE, payload, fds=[os.dup(guest.handle.fd) for _ in range(count)]) == 1
    assert host.reports == [f"SET_MEM_TABLE: came with {count} file descriptors, expected 2"]


def test_memory_comes_and_goes_region_by_region(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.negotiate()
    low, high = guest.region._replace(size=8 * PAGE), guest.region
    high = RegionDescription(low.guest_address + 8 * PAGE, 56 * PAGE, low.user_address + 8 * PAGE, 8 * PAGE)
    for region in (low, high):
        assert host.ack(Request.ADD_MEM_REG, pack_region(region), fds=[os.dup(guest.handle.fd)]) == 0
    host.set_queue(guest, 0)
    host.enable(0)
    assert host.echo(guest, 0, b"both") == [b"both"]
    assert host.ack(Request.REM_MEM_REG, pack_region(low._replace(offset=77)), fds=[host.eventfd()]) == 0
    assert 0 not in host.watched, "its ring has gone"
    assert not host.reports, "but may come back"
    assert host.ack(Request.ADD_MEM_REG, pack_region(low), fds=[os.dup(guest.handle.fd)]) == 0
    assert host.echo(guest, 0, b"again") == [b"again"]
    assert device.events == ["activate"] * 3


def test_only_regions_that_are_there_can_be_removed(host: RecordingHost, guest: Guest) -> None:
    assert host.ack(Request.REM_MEM_REG, pack_region(guest.region)) == 1
    host.share(guest)
    assert host.ack(Request.REM_MEM_REG, pack_region(guest.region._replace(size=PAGE))) == 1
    assert host.reports == [
        "no memory region of 0x40000 bytes at 0x100000 (user address 0x7f0000000000)",
        "no memory region of 0x1000 bytes at 0x100000 (user address 0x7f0000000000)",
    ]
    assert host.ack(Request.REM_MEM_REG, pack_region(guest.region)) == 0


def test_a_region_that_overlaps_is_not_added(host: RecordingHost, guest: Guest) -> None:
    host.share(guest)
    fds = [os.dup(guest.handle.fd)]
    assert host.ack(Request.ADD_MEM_REG, pack_region(guest.region), fds=fds) == 1
    assert "overlaps" in host.reports[0]


# Config space.


def test_config_answers_are_exactly_as_long_as_asked(host: RecordingHost, device: EchoDevice) -> None:
    device.config[:] = range(16)
    for offset, size in ((0, 16), (4, 4), (12, 100), (200, 56)):
        access = ConfigAccess(offset, size, 0, bytes(size))
        reply = host.say(Request.GET_CONFIG, access.pack())
        assert reply is not None
        assert len(reply.payload) == 12 + size
        assert reply.payload[:12] == struct.pack("=III", offset, size, 0)
        expected = bytes(range(offset, min(16, offset + size)))
        assert reply.payload[12:] == expected.ljust(size, b"\0")


def test_a_bad_config_read_is_answered_with_nothing(host: RecordingHost) -> None:
    reply = host.say(Request.GET_CONFIG, struct.pack("=III", 0, 300, 0) + bytes(300))
    assert reply is not None
    assert reply.payload == b""
    assert host.reports == ["GET_CONFIG: bytes 0 to 300 of a config space of 256"]


# Config changes and sockets.


def open_channel(host: RecordingHost, protocol: int = 0x2229) -> None:
    host.negotiate(protocol)
    assert host.ack(Request.SET_BACKEND_REQ_FD, fds=[host.eventfd()]) == 0


def test_a_config_change_is_told_alone_and_once_at_a_time(host: RecordingHost, device: EchoDevice) -> None:
    open_channel(host)
    device.config_changed()
    device.config_changed()
    device.config_changed()
    assert [(m.request, m.flags, m.payload) for m in host.requests] == [(2, 0x9, b"")]


def test_a_config_change_needs_the_feature_and_the_channel(host: RecordingHost, device: EchoDevice) -> None:
    device.config_changed()
    open_channel(host, ProtocolFeature.BACKEND_REQ.mask)
    device.config_changed()
    assert not host.requests


def test_a_suspended_device_tells_later(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    host.start(guest)
    open_channel(host)
    for index in range(2):
        host.enable(index, on=False)
    device.config_changed()
    assert not host.requests
    host.enable(0)
    assert [m.request for m in host.requests] == [2]


def test_what_is_no_socket_cannot_be_a_channel(host: RecordingHost) -> None:
    host.no_socket = True
    assert host.ack(Request.SET_BACKEND_REQ_FD, fds=[host.eventfd()]) == 1
    assert host.reports == ["SET_BACKEND_REQ_FD: Socket operation on non-socket"]


@pytest.mark.parametrize("request_", [Request.SET_VRING_CALL, Request.SET_VRING_KICK, Request.SET_VRING_ERR])
def test_descriptors_that_can_do_nothing_are_refused(host: RecordingHost, request_: Request) -> None:
    path_only = os.open("/", os.O_PATH)
    assert host.ack(request_, pack_u64(0), fds=[path_only]) == 1
    assert host.reports == [f"{request_.name}: it is no eventfd, pipe or socket"]


# Resets and the end.


def test_resetting_the_device_forgets_the_driver(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.start(guest)
    assert host.echo(guest, 0, b"x") == [b"x"]
    assert host.ack(Request.RESET_DEVICE) == 0
    assert device.events == ["activate", "reset"]
    assert not host.watched
    assert host.stop(0) == 0


def test_resetting_the_owner_disables_all_queues(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.start(guest)
    host.say(Request.RESET_OWNER)
    assert not host.watched
    assert device.events == ["activate"]


def test_after_the_end_the_device_is_silent(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    host.start(guest)
    open_channel(host)
    host.backend.close()
    assert device.events == ["activate", "reset"]
    device.notify(0)
    device.config_changed()
    assert not host.requests
