from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from virtio.errors import QueueFault
from virtio.memory import GuestMemory, Region
from virtio.vhost_user.messages import Request
from virtio.vhost_user.vring import LiveQueue, Vring

if TYPE_CHECKING:
    from tests.virtio.vhost_user.conftest import Guest


def live(guest: Guest) -> LiveQueue:
    return LiveQueue(guest.memory, guest.config(0), features=1 << 29, next_available=0)


def test_what_a_paused_queue_is_given_reaches_the_driver_when_it_resumes(guest: Guest) -> None:
    queue = live(guest)
    guest.submit(0, b"a")
    chain = queue.pop()
    assert chain is not None
    queue.paused = True
    queue.add_used(chain, chain.write(b"A"))
    assert not queue.should_notify()
    assert guest.answers(0) == []
    assert queue.resume()
    assert guest.answers(0) == [b"A"]
    assert not queue.resume()


def test_what_a_retired_queue_is_given_goes_nowhere(guest: Guest) -> None:
    queue = live(guest)
    guest.submit(0, b"a")
    guest.submit(0, b"b")
    first, second = queue.pop(), queue.pop()
    assert first is not None
    assert second is not None
    queue.paused = True
    queue.add_used(first, 1)
    queue.retire()
    queue.add_used(second, 1)
    assert not queue.resume()
    assert guest.answers(0) == []


def test_a_moved_queue_keeps_its_place_and_what_is_in_flight(guest: Guest) -> None:
    queue = live(guest)
    for request in (b"a", b"b"):
        guest.submit(0, request)
    first, second = queue.pop(), queue.pop()
    assert first is not None
    assert second is not None
    queue.add_used(first, first.write(b"A"))
    with GuestMemory([Region(r.guest_address, r.size, r.handle) for r in guest.memory.regions]) as other:
        queue.move(other, guest.config(0), features=1 << 29)
        assert (queue.next_available, queue.next_used, queue.in_flight) == (2, 1, 1)
        queue.add_used(second, second.write(b"B"))
        assert queue.should_notify(), "the first was not told of yet"
        assert guest.answers(0) == [b"A", b"B"]


def test_a_vring_closes_the_descriptor_that_it_replaces() -> None:
    vring, old, new = Vring(0), os.eventfd(0), os.eventfd(0)
    vring.set_fd(Request.SET_VRING_CALL, old)
    vring.set_fd(Request.SET_VRING_CALL, new)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(old)
    assert vring.fd(Request.SET_VRING_CALL) == new
    assert vring.fd(Request.SET_VRING_KICK) is None
    vring.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(new)


def test_an_unconfigured_vring_has_no_place(guest: Guest) -> None:
    vring = Vring(0)
    assert not vring.wanted
    with pytest.raises(QueueFault, match="its size or its addresses are not set"):
        vring.config(guest.memory)
