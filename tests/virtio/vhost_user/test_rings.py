from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtio.errors import MemoryFault
from virtio.memory import SharedHandle
from virtio.vhost_user.messages import Request
from virtio.vhost_user.payloads import VringState, pack_memory_table, pack_u64

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import EchoDevice, Guest, RecordingHost


def test_a_queue_runs_when_everything_has_been_said_in_any_order(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.negotiate()
    guest.submit(0, b"early")
    host.enable(0)
    host.say(Request.SET_VRING_KICK, pack_u64(0), fds=[host.eventfd()])
    host.say(Request.SET_VRING_ADDR, guest.address(0).pack())
    host.say(Request.SET_VRING_NUM, VringState(0, 256).pack())
    assert device.events == []
    host.share(guest)
    assert device.events == ["activate"]
    host.run()
    assert guest.answers(0) == [b"early"], "what came before the queue ran is served without a kick"


def test_a_full_ring_is_served_in_portions(
    host: RecordingHost, guest: Guest, device: EchoDevice, budget: int
) -> None:
    host.start(guest)
    device.rounds = 0
    for number in range(100):
        guest.submit(0, b"%d" % number)
    host.backend.rings.process(0)
    assert len(device.served) == budget < 100
    assert host.scheduled == [0], "the rest comes when others had their turn"
    host.run()
    assert len(guest.answers(0)) == 100
    assert device.rounds == 2
    guest.submit(0, b"next")
    assert guest.queues[0].should_kick(), "kicks are on again when the ring is empty"


def test_the_driver_is_called_only_when_it_wants_to_be(host: RecordingHost, guest: Guest) -> None:
    host.start(guest)
    host.rung.clear()
    assert host.echo(guest, 0, b"a") == [b"a"]
    assert len(host.rung) == 1
    guest.queues[0].suppress_interrupts()
    guest.submit(0, b"b")
    host.backend.rings.process(0)
    assert len(host.rung) == 1


def test_a_parked_answer_comes_by_notification(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    host.start(guest)
    device.parking = True
    assert host.echo(guest, 0, b"parked") == []
    host.rung.clear()
    device.release()
    assert guest.answers(0) == [b"parked"]
    assert len(host.rung) == 1


def test_a_queue_that_the_driver_breaks_stops_alone(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.start(guest)
    error = host.eventfd()
    host.say(Request.SET_VRING_ERR, pack_u64(0), fds=[error])
    guest.submit(0, b"good")
    guest.submit(0, b"break")
    host.rung.clear()
    host.backend.rings.process(0)
    assert host.reports == ["queue 0: the driver asked for it; it is stopped until it is set up again"]
    assert host.rung[0] == error
    assert len(host.rung) == 2, "and a call for the good one"
    assert guest.answers(0) == [b"good"]
    guest.submit(0, b"unheard")
    host.backend.rings.process(0)
    assert device.served == [b"good"]
    assert host.echo(guest, 1, b"cursor") == [b"cursor"], "the other queue goes on"


def test_a_broken_queue_runs_again_when_it_is_set_up_anew(host: RecordingHost, guest: Guest) -> None:
    host.start(guest)
    guest.submit(0, b"break")
    host.backend.rings.process(0)
    host.enable(0, on=False)
    assert host.stop(0) == 1
    guest.renew(0)
    host.set_queue(guest, 0)
    assert host.enable(0) == 0
    assert host.echo(guest, 0, b"well") == [b"well"]


def test_rings_outside_the_memory_are_refused(host: RecordingHost, guest: Guest) -> None:
    host.negotiate()
    host.share(guest)
    host.say(Request.SET_VRING_NUM, VringState(0, 256).pack())
    bad = guest.address(0)._replace(available_ring=64)
    assert host.ack(Request.SET_VRING_ADDR, bad.pack()) == 1
    assert host.reports == ["available ring: no memory region holds 0x206 bytes at user address 0x40"]


def test_a_queue_whose_ring_lies_outside_the_memory_does_not_start(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.negotiate()
    error = host.eventfd()
    host.say(Request.SET_VRING_ERR, pack_u64(0), fds=[error])
    bad = guest.address(0)._replace(descriptor_table=64)
    host.say(Request.SET_VRING_ADDR, bad.pack())
    host.say(Request.SET_VRING_NUM, VringState(0, 256).pack())
    host.say(Request.SET_VRING_KICK, pack_u64(0), fds=[host.eventfd()])
    host.share(guest)
    assert host.enable(0) == 1
    assert host.reports == [
        "queue 0: descriptor table: no memory region holds 0x1000 bytes at user address 0x40"
    ]
    assert host.rung == [error]
    assert device.events == []


def test_misaligned_rings_are_refused(host: RecordingHost, guest: Guest) -> None:
    host.negotiate()
    host.share(guest)
    host.say(Request.SET_VRING_NUM, VringState(0, 256).pack())
    address = guest.address(0)
    host.say(Request.SET_VRING_ADDR, address._replace(used_ring=address.used_ring + 1).pack())
    host.say(Request.SET_VRING_KICK, pack_u64(0), fds=[host.eventfd()])
    assert host.enable(0) == 1
    assert "is not 4-byte aligned" in host.reports[0]


def test_a_kick_descriptor_that_cannot_be_waited_on_is_refused(host: RecordingHost, guest: Guest) -> None:
    host.negotiate()
    host.share(guest)
    host.unwatchable = True
    host.set_queue(guest, 0)
    assert host.enable(0) == 1
    assert host.reports == ["queue 0: its kick descriptor cannot be waited on: Operation not permitted"]


def test_a_new_memory_table_moves_running_queues(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    host.start(guest)
    assert host.echo(guest, 0, b"before") == [b"before"]
    device.parking = True
    assert host.echo(guest, 0, b"across") == []
    first = device.memory
    host.share(guest)
    assert device.memory is not first
    device.release()
    assert guest.answers(0) == [b"across"], "what was in flight is answered in the new mapping"
    device.parking = False
    assert host.echo(guest, 0, b"after") == [b"after"]
    assert device.events == ["activate", "activate"]


def test_a_new_memory_table_without_a_running_ring_breaks_it(host: RecordingHost, guest: Guest) -> None:
    host.start(guest)
    elsewhere = guest.region._replace(guest_address=1 << 32, user_address=1 << 32)
    table = pack_memory_table([elsewhere])
    assert host.ack(Request.SET_MEM_TABLE, table, fds=[os.dup(guest.handle.fd)]) == 1
    assert host.reports[0].startswith("queue 0: descriptor table: no memory region holds")
    assert not host.watched


def test_a_queue_that_moves_in_memory_goes_on(host: RecordingHost, guest: Guest) -> None:
    """QEMU repeats SET_VRING_ADDR on running queues when dirty logging is switched."""
    host.start(guest)
    assert host.echo(guest, 0, b"a") == [b"a"]
    host.say(Request.SET_VRING_ADDR, guest.address(0).pack())
    assert host.echo(guest, 0, b"b") == [b"b"]


def test_a_base_for_a_running_queue_takes_effect(host: RecordingHost, guest: Guest) -> None:
    host.start(guest)
    host.say(Request.SET_VRING_BASE, VringState(0, 5).pack())
    assert host.stop(0) == 5


def test_a_queue_starts_at_its_base(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    """A VMM that outlived an earlier back end sets the position that it knows of."""
    host.start(guest)
    for number in range(3):
        host.echo(guest, 0, b"%d" % number)
    host.backend.close()
    assert len(guest.queues) == 2
    device.served.clear()
    host.backend = type(host.backend)(device, host)
    host.negotiate()
    host.share(guest)
    host.set_queue(guest, 0, base=3)
    host.enable(0)
    assert host.echo(guest, 0, b"fourth") == [b"fourth"]
    assert device.served == [b"fourth"]


def test_a_dead_call_descriptor_is_dropped_and_reported_once(host: RecordingHost, guest: Guest) -> None:
    host.start(guest)
    host.echo(guest, 0, b"a")
    host.deaf = set(host.rung)
    host.echo(guest, 0, b"b")
    host.rung.clear()
    host.echo(guest, 0, b"c")
    assert host.reports == ["queue 0: its call descriptor is dead"]
    assert not host.rung


def test_without_a_call_descriptor_the_driver_polls(host: RecordingHost, guest: Guest) -> None:
    host.start(guest)
    host.say(Request.SET_VRING_CALL, pack_u64(0x100))
    host.rung.clear()
    assert host.echo(guest, 0, b"a") == [b"a"]
    assert not host.rung


def test_a_stopped_queue_is_not_served(host: RecordingHost, guest: Guest, device: EchoDevice) -> None:
    host.start(guest)
    assert host.stop(0) == 0
    guest.submit(0, b"x")
    host.backend.rings.process(0)
    assert not device.served
    device.notify(0)
    host.enable(0)
    assert 0 not in host.watched, "a stopped queue needs a new kick descriptor"


def test_memory_that_is_truncated_in_use_ends_the_connection(host: RecordingHost, guest: Guest) -> None:
    """A front end can cut its memory short where it is not sealed; see `virtio.memory.sigbus`."""
    host.negotiate()
    with SharedHandle.create(guest.region.size, seal=False) as handle:
        table = pack_memory_table([guest.region])
        assert host.ack(Request.SET_MEM_TABLE, table, fds=[os.dup(handle.fd)]) == 0
        host.set_queue(guest, 0)
        assert host.enable(0) == 0
        os.ftruncate(handle.fd, 0)
        with pytest.raises(MemoryFault, match="the guest's memory was truncated while in use"):
            host.run()


def test_a_driver_that_begins_anew_after_exactly_65536_commands_finds_a_device_that_has_forgotten(
    host: RecordingHost, guest: Guest, device: EchoDevice
) -> None:
    """The positions are the same then, 0; a paused guest's ring still holds the last answer."""
    last = guest.queues[0]
    last._next_available = last._last_used = last._avail[1] = last._used[1] = 65_535
    host.negotiate()
    host.share(guest)
    host.set_queue(guest, 0, base=65_535)
    host.set_queue(guest, 1)
    for index in range(2):
        assert host.enable(index) == 0
    assert host.echo(guest, 0, b"the 65,536th") == [b"the 65,536th"]
    for _ in range(2):
        assert [host.stop(index) for index in range(2)] == [0, 0]
        for index in range(2):
            host.set_queue(guest, index)
        assert device.events == ["activate"], "paused, and not begun anew"
    assert [host.stop(index) for index in range(2)] == [0, 0]
    guest.renew(0)
    guest.renew(1)
    for index in (1, 0):
        host.set_queue(guest, index)
    assert device.events == ["activate", "reset", "activate"]
    for index in range(2):
        assert host.echo(guest, index, b"new life") == [b"new life"]
