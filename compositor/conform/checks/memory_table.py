"""vhost-user: the guest's memory."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.memory import PAGE
from compositor.conform.rig import Rig
from compositor.conform.ring import Buffer
from compositor.conform.verdict import need, require
from virtio.gpu.wire import CONTROL_QUEUE, Command, Response
from virtio.vhost_user.messages import ProtocolFeature, Request
from virtio.vhost_user.payloads import RegionDescription, pack_memory_table, pack_region

_GROUP = Group("memory", "vhost-user")
check = _GROUP.check


@check("Memory regions description")
def regions_have_their_file_offsets(rig: Rig) -> None:
    """Guest addresses are found in their region at its offset in the file: requests and answers in both."""
    guest = rig.guest()
    for low in (True, False):
        request = guest.memory.put(guest.request(Command.GET_DISPLAY_INFO), low=low)
        answer = guest.memory.take(408, low=not low)
        guest.control.submit([Buffer(request), Buffer(answer, writable=True)])
        (used,) = guest.control.finish()
        found = guest.parse(used, answer, "GET_DISPLAY_INFO")
        require(found.type == Response.OK_DISPLAY_INFO, f"GET_DISPLAY_INFO is answered {found}")


@check("SET_MEM_TABLE")
def the_same_table_may_come_again(rig: Rig) -> None:
    """A new memory table, while queues run, takes the place of the old one; the queues go on."""
    guest = rig.guest()
    guest.do_display_info()
    guest.share_memory()
    guest.do_display_info()


@check("SET_MEM_TABLE", "should")
def buffers_may_span_adjoining_regions(rig: Rig) -> None:
    """A buffer may begin in one region and end in the next, where they adjoin in guest addresses."""
    guest = rig.stranger()
    guest.negotiate()
    low, high = guest.memory.low, guest.memory.high
    half = high.size // 2
    parts = [
        low,
        RegionDescription(high.guest_address, half, high.user_address, high.offset),
        RegionDescription(high.guest_address + half, half, high.user_address + (1 << 36), high.offset + half),
    ]
    guest.wire.tell(Request.SET_MEM_TABLE, pack_memory_table(parts), [guest.memory.fd] * 3)
    guest.share_display()
    ring = guest.make_ring()
    guest.rings = [ring]
    guest.start_ring(CONTROL_QUEUE, ring)
    place = guest.memory.take(0)
    guest.memory.take(high.guest_address + half - place.address - 200)
    answer = guest.memory.take(408, align=8)
    require(answer.address < high.guest_address + half < answer.address + 408, "the buffer spans nothing")
    ring.submit([Buffer(guest.memory.put(guest.request(Command.GET_DISPLAY_INFO))), Buffer(answer, True)])
    (used,) = ring.finish()
    found = guest.parse(used, answer, "GET_DISPLAY_INFO")
    require(found.type == Response.OK_DISPLAY_INFO, f"GET_DISPLAY_INFO is answered {found}")


def _by_slots(rig: Rig) -> Guest:
    guest = rig.stranger()
    offered = guest.protocol_offered & ProtocolFeature.CONFIGURE_MEM_SLOTS.mask
    need(bool(offered), "CONFIGURE_MEM_SLOTS is not offered")
    guest.negotiate()
    return guest


@check("GET_MAX_MEM_SLOTS")
def the_number_of_slots_is_answered(rig: Rig) -> None:
    """A device that takes regions one by one says how many it takes, and that is not none."""
    guest = _by_slots(rig)
    slots = guest.wire.query_u64(Request.GET_MAX_MEM_SLOTS)
    require(slots > 0, "GET_MAX_MEM_SLOTS says 0")


@check("ADD_MEM_REG")
def regions_may_come_one_by_one(rig: Rig) -> None:
    """Memory that was added region by region is memory."""
    guest = _by_slots(rig)
    for region in guest.memory.regions:
        guest.wire.tell(Request.ADD_MEM_REG, pack_region(region), [guest.memory.fd])
    guest.share_display()
    ring = guest.make_ring()
    guest.rings = [ring]
    guest.start_ring(CONTROL_QUEUE, ring)
    guest.do_display_info()


@check("REM_MEM_REG")
def regions_are_removed_by_address_and_size(rig: Rig) -> None:
    """A region is removed whatever file offset the message has; it can be added again, and works."""
    guest = _by_slots(rig)
    for region in guest.memory.regions:
        guest.wire.tell(Request.ADD_MEM_REG, pack_region(region), [guest.memory.fd])
    high = guest.memory.high
    guest.wire.tell(Request.REM_MEM_REG, pack_region(high._replace(offset=high.offset + PAGE)))
    guest.wire.tell(Request.ADD_MEM_REG, pack_region(high), [guest.memory.fd])
    guest.share_display()
    ring = guest.make_ring()
    guest.rings = [ring]
    guest.start_ring(CONTROL_QUEUE, ring)
    guest.do_display_info()
