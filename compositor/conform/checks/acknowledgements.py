"""vhost-user: REPLY_ACK."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import Gone, need, require
from virtio.vhost_user.messages import FLAG_NEED_REPLY, VERSION, ProtocolFeature, Request
from virtio.vhost_user.payloads import (
    RegionDescription,
    VringAddress,
    VringState,
    pack_memory_table,
)

_GROUP = Group("acknowledgements", "vhost-user")
check = _GROUP.check
_UNKNOWN_REQUEST = 200
_FAR_QUEUE = 77


def _guest(rig: Rig) -> Guest:
    guest = rig.stranger()
    need(bool(guest.protocol_offered & ProtocolFeature.REPLY_ACK.mask), "REPLY_ACK is not offered")
    guest.negotiate()
    return guest


def _refused(rig: Rig, request: int, payload: bytes) -> None:
    rig.provoked = True
    guest = _guest(rig)
    guest.share_memory()
    guest.wire.refuses(request, payload)


@check("REPLY_ACK")
def success_is_acknowledged_with_zero(rig: Rig) -> None:
    """A request that asks for an acknowledgement, and succeeds, gets a zero of 64 bits."""
    guest = _guest(rig)
    guest.share_memory()  # features and owner were acknowledged before
    ring = guest.make_ring()
    guest.start_ring(0, ring)


@check("REPLY_ACK")
def answers_are_no_acknowledgement_beside(rig: Rig) -> None:
    """A request with an answer of its own gets that alone, also when it asks for an acknowledgement."""
    guest = _guest(rig)
    reply = guest.wire.query(Request.GET_FEATURES, flags=VERSION | FLAG_NEED_REPLY)
    require(len(reply.payload) == 8, f"GET_FEATURES is answered with {len(reply.payload)} bytes")
    guest.wire.round_trip()  # fails when an acknowledgement comes before its answer


@check("REPLY_ACK")
def unknown_requests_are_refused(rig: Rig) -> None:
    """A request that there is not, and that asks for an acknowledgement, gets none of success."""
    _refused(rig, _UNKNOWN_REQUEST, b"")


@check("REPLY_ACK")
def addresses_outside_of_memory_are_refused(rig: Rig) -> None:
    """Addresses of a queue that lie outside of all memory are not acknowledged with success."""
    rig.provoked = True
    guest = _guest(rig)
    guest.share_memory()
    guest.wire.tell(Request.SET_VRING_NUM, VringState(0, 64).pack())
    guest.wire.refuses(Request.SET_VRING_ADDR, VringAddress(0, 0, 0x10, 0x20, 0x30, 0).pack())


@check("REPLY_ACK", "should")
def queues_that_are_not_there_are_refused(rig: Rig) -> None:
    """The size of a queue that the device does not have is not acknowledged with success."""
    _refused(rig, Request.SET_VRING_NUM, VringState(_FAR_QUEUE, 64).pack())


@check("REPLY_ACK", "should")
def sizes_that_are_no_power_of_two_are_refused(rig: Rig) -> None:
    """A split queue's size is a power of two; another one is not acknowledged with success."""
    _refused(rig, Request.SET_VRING_NUM, VringState(0, 63).pack())


@check("SET_MEM_TABLE")
def tables_without_their_files_are_refused(rig: Rig) -> None:
    """A memory table with fewer descriptors than regions is not acknowledged with success."""
    rig.provoked = True
    guest = _guest(rig)
    guest.wire.refuses(Request.SET_MEM_TABLE, pack_memory_table(guest.memory.regions), [guest.memory.fd])


@check("SET_MEM_TABLE", "should")
def regions_beyond_their_file_are_refused(rig: Rig) -> None:
    """A region that reaches beyond its file is refused: an access there would end the device."""
    rig.provoked = True
    guest = _guest(rig)
    beyond = RegionDescription(0, 1 << 40, 0x7F00_0000_0000, 0)
    guest.wire.refuses(Request.SET_MEM_TABLE, pack_memory_table([beyond]), [guest.memory.fd])


@check("REPLY_ACK", "should")
def a_refusal_ends_nothing(rig: Rig) -> None:
    """After a refused request the connection goes on: a front end may do without."""
    rig.provoked = True
    guest = _guest(rig)
    try:
        guest.wire.acknowledgement(_UNKNOWN_REQUEST)
        guest.wire.round_trip()
    except Gone:
        require(False, "the device closes the connection")
