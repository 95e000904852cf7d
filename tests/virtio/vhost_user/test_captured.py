"""The message sequences of real front ends, as captured, replayed with their sizes and descriptors."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtio.features import RingFeature
from virtio.vhost_user.messages import Message, Request
from virtio.vhost_user.payloads import (
    ConfigAccess,
    VringState,
    pack_memory_table,
    pack_region,
    pack_u64,
    unpack_u64,
)

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest, RecordingHost

# QEMU negotiates what the driver knows, offered or not: here RING_RESET and a bit of its own GPU.
QEMU_ACKED = 0x101_7000_0002


def call(host: RecordingHost, index: int) -> int:
    """SET_VRING_CALL with a descriptor, which is returned."""
    fd = host.eventfd()
    host.say(Request.SET_VRING_CALL, pack_u64(index), fds=[fd])
    return fd


def qemu_connect(host: RecordingHost) -> None:
    features = host.say(Request.GET_FEATURES)
    assert features is not None
    assert unpack_u64(features) & (1 << 30 | 1 << 32 | 1 << 28 | 1 << 29) == 0x1_7000_0000
    protocol = host.say(Request.GET_PROTOCOL_FEATURES)
    assert protocol is not None
    assert unpack_u64(protocol) & 0x209 == 0x209
    assert host.say(Request.SET_PROTOCOL_FEATURES, pack_u64(0x209)) is None
    queues = host.say(Request.GET_QUEUE_NUM)
    assert queues is not None
    assert unpack_u64(queues) == 2
    assert host.say(Request.SET_OWNER) is None
    assert host.say(Request.GET_FEATURES) is not None
    for index in range(2):
        call(host, index)
        assert host.say(Request.SET_VRING_ERR, pack_u64(index), fds=[host.eventfd()]) is None


def qemu_probe(host: RecordingHost) -> None:
    for _ in range(2):
        reply = host.say(Request.GET_CONFIG, ConfigAccess(0, 16, 0, bytes(16)).pack())
        assert reply is not None
        assert len(reply.payload) == 28, "exactly, or QEMU says: Received bad msg size"


def qemu_driver_ok(host: RecordingHost, guest: Guest, bases: tuple[int, int] = (0, 0)) -> list[int]:
    """What QEMU does when the driver is ready; gives the call descriptors that count."""
    host.say(Request.GPU_SET_SOCKET, fds=[host.eventfd()])
    for index in range(2):
        call(host, index)
    assert host.say(Request.SET_FEATURES, pack_u64(QEMU_ACKED)) is None
    host.share(guest)
    for index in range(2):
        host.say(Request.SET_VRING_NUM, VringState(index, 256).pack())
        host.say(Request.SET_VRING_BASE, VringState(index, bases[index]).pack())
        host.say(Request.SET_VRING_ADDR, guest.address(index).pack())
        host.say(Request.SET_VRING_KICK, pack_u64(index), fds=[host.eventfd()])
    assert [host.enable(index) for index in range(2)] == [0, 0]
    return [call(host, index) for index in range(2)]


def qemu_stop(host: RecordingHost) -> tuple[int, int]:
    for index in range(2):
        assert host.enable(index, on=False) == 0
    bases = host.stop(0), host.stop(1)
    for index in range(2):
        call(host, index)
    return bases


def test_qemu_10_from_connection_to_stop(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    qemu_connect(host)
    qemu_probe(host)
    calls = qemu_driver_ok(host, guest)
    host.run()
    assert device.events == ["activate"]
    assert device.activated == QEMU_ACKED & (1 << 28 | 1 << 29 | 1 << 32), (
        "what was never offered is not told"
    )
    assert len(host.gpu_sockets) == 1
    for number in range(40):
        assert host.echo(guest, 0, b"%d" % number) == [b"%d" % number]
    assert host.echo(guest, 1, b"cursor") == [b"cursor"]
    assert set(host.rung) == set(calls), "the newest call descriptor counts, the older are closed"
    assert qemu_stop(host) == (40, 1)
    assert not host.watched
    assert not host.reports


def test_qemu_10_where_all_is_offered(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    """Memory then comes region by region, once for all lives of the driver, and resets have a message."""
    for request in (Request.GET_FEATURES, Request.GET_PROTOCOL_FEATURES):
        assert host.say(request) is not None
    host.say(Request.SET_PROTOCOL_FEATURES, pack_u64(0x1A229))
    for request in (Request.GET_QUEUE_NUM, Request.GET_MAX_MEM_SLOTS):
        assert host.say(request) is not None
    assert host.ack(Request.SET_BACKEND_REQ_FD, fds=[host.eventfd()]) == 0
    for life in range(2):
        assert host.say(Request.RESET_DEVICE) is None
        assert host.say(Request.RESET_DEVICE) is None
        qemu_probe(host)
        host.say(Request.SET_FEATURES, pack_u64(QEMU_ACKED))
        if life == 0:
            region = pack_region(guest.region)
            assert host.ack(Request.ADD_MEM_REG, region, fds=[os.dup(guest.handle.fd)]) == 0
        for index in range(2):
            host.set_queue(guest, index)
        assert [host.enable(index) for index in range(2)] == [0, 0]
        host.run()
        assert host.echo(guest, 0, b"life") == [b"life"]
        bases = qemu_stop(host)
        assert bases == (1, 0)
        for index in range(2):
            host.set_queue(guest, index, base=bases[index])
            assert host.enable(index) == 0
        assert host.echo(guest, 0, b"resumed") == [b"resumed"]
        assert qemu_stop(host) == (2, 0)
        guest.renew(0)
        guest.renew(1)
    assert device.events == ["reset", "reset", "activate", "reset", "reset", "activate"]
    assert not host.reports


def test_event_index_is_honoured_though_qemu_takes_it_unasked(host: RecordingHost, guest: Guest) -> None:
    """Otherwise the guest stops kicking after its first commands, and the display freezes."""
    qemu_connect(host)
    qemu_driver_ok(host, guest)
    host.run()
    for _ in range(3):
        guest.submit(0, b"x")
        assert guest.queues[0].should_kick()
        host.backend.rings.process(0)


def test_qemu_pauses_and_goes_on_with_everything(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    qemu_connect(host)
    qemu_driver_ok(host, guest)
    assert host.echo(guest, 0, b"before") == [b"before"]
    device.parking = True
    assert host.echo(guest, 0, b"during") == []
    bases = qemu_stop(host)
    assert bases == (2, 0)
    host.rung.clear()
    device.release()
    assert guest.answers(0) == [], "a suspended device does not write to the guest's memory"
    assert not host.rung
    calls = qemu_driver_ok(host, guest, bases)
    assert guest.answers(0) == [b"during"]
    device.parking = False
    host.run()
    assert host.echo(guest, 0, b"after") == [b"after"]
    assert "reset" not in device.events
    assert calls[0] in host.rung


def test_a_rebooted_guest_finds_a_device_that_has_forgotten_it(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    qemu_connect(host)
    qemu_driver_ok(host, guest)
    device.parking = True
    host.echo(guest, 0, b"lost")
    qemu_stop(host)
    guest.renew(0)
    guest.renew(1)
    qemu_driver_ok(host, guest, (0, 0))
    assert device.events == ["activate", "activate", "reset", "activate"]
    device.parking = False
    device.release()
    assert host.echo(guest, 0, b"new life") == [b"new life"]


def test_qemu_with_status_pauses_too(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    """It writes a status of 0 whenever it stops the device, be it for a reboot or for a pause."""
    qemu_connect(host)
    host.ack(Request.SET_PROTOCOL_FEATURES, pack_u64(0x209 | 1 << 16))
    status = host.say(Request.GET_STATUS)
    assert status is not None
    assert unpack_u64(status) == 0
    qemu_driver_ok(host, guest)
    host.ack(Request.SET_STATUS, pack_u64(0x0F))
    status = host.say(Request.GET_STATUS)
    assert status is not None
    assert unpack_u64(status) == 0x0F
    assert host.echo(guest, 0, b"before") == [b"before"]
    bases = qemu_stop(host)
    host.ack(Request.SET_STATUS, pack_u64(0))
    qemu_driver_ok(host, guest, bases)
    assert host.echo(guest, 0, b"after") == [b"after"]
    assert "reset" not in device.events


def test_a_status_of_0_alone_stops_everything(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    host.start(guest)
    host.ack(Request.SET_STATUS, pack_u64(0))
    assert not host.watched
    guest.submit(0, b"x")
    host.backend.rings.process(0)
    assert not device.served


def test_the_generic_device_of_qemu_keeps_to_the_offer(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    qemu_connect(host)
    host.say(Request.SET_FEATURES, pack_u64(0x1_5000_0008))
    host.share(guest)
    host.set_queue(guest, 0)
    assert host.enable(0) == 0
    assert device.activated == 0x1_1000_0008
    # Without EVENT_IDX, `used_event` is not there, and a driver would never be called if it were obeyed.
    guest.submit(0, b"a")
    host.backend.rings.process(0)
    guest.submit(0, b"b")
    host.rung.clear()
    host.backend.rings.process(0)
    assert host.rung


def uml_connect(host: RecordingHost) -> None:
    """UML assumes its own choice at once: SET_PROTOCOL_FEATURES itself already asks for an answer."""
    assert host.say(Request.SET_OWNER) is None
    assert host.say(Request.GET_FEATURES) is not None
    offered = host.say(Request.GET_PROTOCOL_FEATURES)
    assert offered is not None
    chosen = unpack_u64(offered) & (1 << 0 | 1 << 3 | 1 << 5 | 1 << 9 | 1 << 14)
    assert host.ack(Request.SET_PROTOCOL_FEATURES, pack_u64(chosen)) == 0
    assert host.ack(Request.SET_BACKEND_REQ_FD, fds=[host.eventfd()]) == 0
    assert host.say(Request.GET_QUEUE_NUM) is not None


def uml_bind(host: RecordingHost, guest: Guest) -> None:
    acked = RingFeature.VERSION_1 | RingFeature.EVENT_IDX | RingFeature.INDIRECT_DESC | 1 << 30 | 1 << 3
    assert host.ack(Request.SET_FEATURES, pack_u64(acked)) == 0
    table = pack_memory_table([guest.region])
    assert host.ack(Request.SET_MEM_TABLE, table, fds=[os.dup(guest.handle.fd)]) == 0
    for index in range(2):
        assert host.ack(Request.SET_VRING_CALL, pack_u64(index), fds=[host.eventfd()]) == 0
        assert host.ack(Request.SET_VRING_NUM, VringState(index, 256).pack()) == 0
        assert host.ack(Request.SET_VRING_BASE, VringState(index, 0).pack()) == 0
        assert host.ack(Request.SET_VRING_ADDR, guest.address(index).pack()) == 0
    for index in range(2):
        assert host.ack(Request.SET_VRING_KICK, pack_u64(index), fds=[host.eventfd()]) == 0
        assert host.enable(index) == 0
    host.run()


def uml_unbind(host: RecordingHost) -> None:
    for index in (1, 0):
        assert host.enable(index, on=False) == 0
    assert host.say(Request.GET_FEATURES) is not None


def test_uml_binds_unbinds_and_binds_again_on_one_connection(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    uml_connect(host)
    uml_bind(host, guest)
    assert host.echo(guest, 0, b"first life") == [b"first life"]
    device.parking = True
    assert host.echo(guest, 0, b"never answered") == []
    uml_unbind(host)
    assert device.events == ["activate", "reset"], "disabling all queues and starting over is a reset"
    device.release()
    guest.renew(0)
    guest.renew(1)
    device.parking = False
    uml_bind(host, guest)
    assert host.echo(guest, 0, b"second life") == [b"second life"]
    assert device.events == ["activate", "reset", "activate"]
    assert not host.reports


def test_older_uml_kernels_send_a_table_with_an_empty_slot(host: RecordingHost, guest: Guest) -> None:
    uml_connect(host)
    table = pack_memory_table([guest.region]) + bytes(32)
    assert host.ack(Request.SET_MEM_TABLE, table, fds=[os.dup(guest.handle.fd)]) == 0


def test_uml_reads_the_config_from_its_start(host: RecordingHost, device: EchoDevice) -> None:
    device.config[8] = 2
    uml_connect(host)
    reply = host.say(Request.GET_CONFIG, ConfigAccess(0, 12, 0, bytes(12)).pack())
    assert reply is not None
    access = ConfigAccess.unpack(Message(reply.request, reply.payload))
    assert (access.offset, access.size, access.data[8]) == (0, 12, 2)
    assert host.ack(Request.SET_CONFIG, ConfigAccess(4, 4, 0, b"\1\0\0\0").pack()) == 0
    assert device.config[4] == 1


def test_without_protocol_features_queues_are_enabled_from_the_start(
    host: RecordingHost, guest: Guest
) -> None:
    """ "Upon receiving a SET_FEATURES message without F_PROTOCOL_FEATURES set": no SET_VRING_ENABLE comes."""
    host.say(Request.SET_FEATURES, pack_u64(1 << 32 | 1 << 29))
    host.share(guest)
    host.set_queue(guest, 0)
    assert host.echo(guest, 0, b"x") == [b"x"]


@pytest.mark.parametrize("slots", [False, True])
def test_cloud_hypervisor_pauses_by_disabling_alone(
    host: RecordingHost, guest: Guest, device: EchoDevice, *, slots: bool
) -> None:
    host.start(guest)
    assert host.echo(guest, 0, b"a") == [b"a"]
    for on in (False, True):
        for index in range(2):
            assert host.enable(index, on=on) == 0
        if slots and not on:
            guest.submit(0, b"while paused")
    host.run()
    assert guest.answers(0) == ([b"while paused"] if slots else [])
    assert host.echo(guest, 0, b"b") == [b"b"]
    assert device.events == ["activate"]
