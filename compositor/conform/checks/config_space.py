"""The config space: 5.7.4, read and written through vhost-user."""

from __future__ import annotations

import struct

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import Gone, need, require
from virtio.gpu.wire import MAX_SCANOUTS, Feature
from virtio.vhost_user.messages import ProtocolFeature, Request
from virtio.vhost_user.payloads import ConfigAccess

_GROUP = Group("config")
check = _GROUP.check
_PROTOCOL = Group("config", "vhost-user")

_EVENTS_CLEAR, _NUM_SCANOUTS = 4, 8
_ONES = b"\xff\xff\xff\xff"


def _guest(rig: Rig) -> Guest:
    guest = rig.stranger()
    guest.negotiate()
    need(
        guest.has(ProtocolFeature.CONFIG), "the device offers no CONFIG: its config space is the front end's"
    )
    return guest


def _write(guest: Guest, offset: int, data: bytes) -> None:
    """A driver's write; a device may refuse it, but then it says so."""
    payload = ConfigAccess(offset, len(data), 0, data).pack()
    if guest.wire.replies:
        guest.wire.acknowledgement(Request.SET_CONFIG, payload)
    else:
        guest.wire.send(Request.SET_CONFIG, payload)
        guest.wire.round_trip()


@check("2.5.2")
def it_can_be_read_before_features_are_set(rig: Rig) -> None:
    """The config space is readable before the driver has accepted any features."""
    guest = rig.stranger()
    need(bool(guest.protocol_offered & ProtocolFeature.CONFIG.mask), "the device offers no CONFIG")
    guest.wire.agree(ProtocolFeature.CONFIG.mask)
    guest.read_config()


@check("5.7.4")
def the_number_of_scanouts_is_1_to_16(rig: Rig) -> None:
    """num_scanouts is at least 1 and at most 16."""
    count = _guest(rig).config().num_scanouts
    require(1 <= count <= MAX_SCANOUTS, f"num_scanouts is {count}")


@check("5.7.4", "should")
def without_3d_there_are_no_capsets(rig: Rig) -> None:
    """A device that does not offer VIRGL has no capability sets."""
    guest = _guest(rig)
    need(not guest.offered >> Feature.VIRGL & 1, "the device offers VIRGL")
    require(guest.config().num_capsets == 0, f"num_capsets is {guest.config().num_capsets}")


@check("5.7.4")
def no_event_is_pending_at_first(rig: Rig) -> None:
    """A device whose displays have not changed has no event pending, and only the one that there is."""
    events = _guest(rig).config().events_read
    require(events & ~1 == 0, f"events_read is {events:#x}: only bit 0 is defined")


@check("5.7.4.1")
def events_are_cleared_by_writing_ones(rig: Rig) -> None:
    """A one written to events_clear clears that bit of events_read."""
    guest = _guest(rig)
    _write(guest, _EVENTS_CLEAR, _ONES)
    events = guest.config().events_read
    require(events == 0, f"all ones were written to events_clear, and events_read is {events:#x}")


@check("5.7.4")
def parts_are_parts_of_the_whole(rig: Rig) -> None:
    """A field that is read alone has the value that it has in the whole."""
    guest = _guest(rig)
    whole = guest.read_config()
    (alone,) = struct.unpack("<I", guest.read_config(_NUM_SCANOUTS, 4))
    (inside,) = struct.unpack_from("<I", whole, _NUM_SCANOUTS)
    require(alone == inside, f"num_scanouts is {inside} in the whole, and {alone} read alone")


@_PROTOCOL.check("SET_CONFIG")
def fields_that_are_read_only_stay(rig: Rig) -> None:
    """A driver's write to num_scanouts changes nothing."""
    guest = _guest(rig)
    before = guest.config().num_scanouts
    _write(guest, _NUM_SCANOUTS, struct.pack("<I", before + 3))
    after = guest.config().num_scanouts
    require(after == before, f"num_scanouts was {before}, and is {after} after a write")


@_PROTOCOL.check("GET_CONFIG")
def bytes_beyond_it_are_no_memory_of_the_device(rig: Rig) -> None:
    """A read beyond the largest config space is refused with an empty answer, or answers zeros."""
    rig.provoked = True
    guest = _guest(rig)
    access = ConfigAccess(4000, 16, 0, bytes(16))
    try:
        reply = guest.wire.query(Request.GET_CONFIG, access.pack())
    except Gone:
        return
    data = reply.payload[12:]
    require(not any(data), f"the answer has {len(data)} bytes that are not all zero")
