"""What a broken driver may do to a device: no crash, and the next front end is served.

The specification says nothing of devices whose drivers break it. A device that ends its connection, or
reports the queue as broken, has done well; one that dies takes its guest with it, or its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.memory import Piece
from compositor.conform.rig import Rig
from compositor.conform.ring import Buffer
from compositor.conform.verdict import Gone, Skipped
from virtio.gpu.wire import Command
from virtio.ring.layout import DESC_F_INDIRECT, DESC_F_NEXT, DESC_F_WRITE
from virtio.vhost_user.messages import HEADER, VERSION, Request

_GROUP = Group("robustness")
check = _GROUP.check
_PROTOCOL = Group("robustness", "vhost-user")

_NOWHERE = Piece(1 << 56, 64)


def _survives(rig: Rig, attack: Callable[[Guest], None]) -> None:
    """Play an attack; then the device is alive, or has ended in good order."""
    rig.provoked = True
    guest = rig.guest()
    with suppress(Gone):
        attack(guest)
        guest.settle()
    guest.wire.close()
    # One that ends with its connection, in good order, has survived.
    with suppress(Skipped):
        rig.reconnect().do_display_info()


def _publish_raw(guest: Guest, *descriptors: tuple[Piece, int, int], head: int = 0) -> None:
    ring = guest.control
    for index, (piece, flags, following) in enumerate(descriptors):
        ring.describe(ring.table, index, piece, flags, following)
    ring.publish(head)
    ring.kick()


@check("2.7.5", "should")
def looped_chains(rig: Rig) -> None:
    """A chain that leads back to itself does not hang the device."""

    def attack(guest: Guest) -> None:
        piece = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
        _publish_raw(guest, (piece, DESC_F_NEXT, 1), (piece, DESC_F_NEXT, 0))

    _survives(rig, attack)


@check("2.7.5", "should")
def descriptors_beyond_the_table(rig: Rig) -> None:
    """A chain whose next descriptor is beyond the table does no harm."""

    def attack(guest: Guest) -> None:
        piece = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
        _publish_raw(guest, (piece, DESC_F_NEXT, 0xFFF0))

    _survives(rig, attack)


@check("2.7.6", "should")
def heads_beyond_the_table(rig: Rig) -> None:
    """A head in the available ring that is beyond the table does no harm."""
    _survives(rig, lambda guest: _publish_raw(guest, head=0xFFFF))


@check("2.7.6", "should")
def jumps_of_the_index(rig: Rig) -> None:
    """An available index that jumps by more than the queue has does no harm."""

    def attack(guest: Guest) -> None:
        guest.control.publish(0, ahead=20_000)
        guest.control.kick()

    _survives(rig, attack)


@check("2.7.5", "should")
def buffers_outside_of_memory(rig: Rig) -> None:
    """A buffer at an address where there is no memory is not touched."""
    _survives(rig, lambda guest: _publish_raw(guest, (_NOWHERE, DESC_F_NEXT, 1), (_NOWHERE, DESC_F_WRITE, 0)))


@check("2.7.5.3", "should")
def indirect_tables_outside_of_memory(rig: Rig) -> None:
    """An indirect table where there is no memory is not read."""
    _survives(rig, lambda guest: _publish_raw(guest, (_NOWHERE, DESC_F_INDIRECT, 0)))


@check("2.7.5.3", "should")
def indirect_tables_of_odd_length(rig: Rig) -> None:
    """An indirect table whose length is no multiple of a descriptor does no harm."""

    def attack(guest: Guest) -> None:
        _publish_raw(guest, (guest.memory.take(25), DESC_F_INDIRECT, 0))

    _survives(rig, attack)


@check("2.7.5", "should")
def lengths_without_end(rig: Rig) -> None:
    """A buffer of almost 4 GiB that begins in memory and ends outside is not followed."""

    def attack(guest: Guest) -> None:
        start = guest.memory.take(64).address
        _publish_raw(
            guest, (Piece(start, 0xFFFF_FFFF), DESC_F_NEXT, 1), (Piece(start, 0xFFFF_FFFF), DESC_F_WRITE, 0)
        )

    _survives(rig, attack)


@_PROTOCOL.check("Header", "should")
def messages_of_any_length(rig: Rig) -> None:
    """A message that announces 4 GiB of payload is not waited for, nor is room made for it."""
    _survives(
        rig, lambda guest: guest.wire.send_bytes(HEADER.pack(Request.SET_MEM_TABLE, VERSION, 0xFFFF_FFF0))
    )


@check("2.7.13", "should")
def many_kicks_at_once(rig: Rig) -> None:
    """Requests that come while others are served are served, too."""

    def attack(guest: Guest) -> None:
        for _ in range(500):
            answer = guest.memory.take(408)
            request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))
            guest.control.submit([Buffer(request), Buffer(answer, writable=True)])
            guest.control.finish()

    _survives(rig, attack)
