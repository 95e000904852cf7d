"""What a reset forgets: RESET_DEVICE, a status of 0, the connection's end (2.4, 2.1)."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.gpu.formats import Format
from virtio.gpu.wire import CONTROL_QUEUE, CURSOR_QUEUE, Command, ResourceCreate2d, ResourceUnref
from virtio.vhost_user.messages import ProtocolFeature, Request
from virtio.vhost_user.payloads import pack_u64

_GROUP = Group("reset")
check = _GROUP.check

_DRIVER_OK = 0x0F
_ONE = ResourceCreate2d(1, Format.B8G8R8X8, 64, 64)


def _with(rig: Rig, feature: ProtocolFeature) -> Guest:
    guest = rig.guest()
    need(guest.has(feature), f"{feature.name} is not offered")
    return guest


def _begin_again(guest: Guest) -> None:
    """What a front end does for a driver that starts after a reset."""
    guest.set_features(guest.features)
    guest.rings = [guest.make_ring(), guest.make_ring()]
    for index, ring in enumerate(guest.rings):
        guest.start_ring(index, ring)


@check("2.4.1")
def a_reset_forgets_resources(rig: Rig) -> None:
    """After RESET_DEVICE a new driver's resource ids are free, and the old ones name nothing."""
    guest = _with(rig, ProtocolFeature.RESET_DEVICE)
    guest.do(Command.RESOURCE_CREATE_2D, _ONE)
    guest.wire.tell(Request.RESET_DEVICE)
    _begin_again(guest)
    answer = guest.ask(Command.RESOURCE_UNREF, ResourceUnref(1))
    require(answer.is_error, f"RESOURCE_UNREF of what the reset has ended is answered {answer}")
    guest.do(Command.RESOURCE_CREATE_2D, _ONE)


@check("2.4.1")
def a_reset_device_leaves_queues_alone(rig: Rig) -> None:
    """After RESET_DEVICE the device serves no queue and rings no doorbell, until it is set up again."""
    guest = _with(rig, ProtocolFeature.RESET_DEVICE)
    guest.do_display_info()
    guest.wire.tell(Request.RESET_DEVICE)
    guest.wire.round_trip()
    guest.control.called()
    guest.post(guest.request(Command.GET_DISPLAY_INFO))
    guest.settle()
    require(guest.control.used_index == guest.control.seen, "the device serves a queue after its reset")
    require(not guest.control.called(), "the device notifies after its reset")


@check("2.4.1")
def the_same_features_may_be_set_again(rig: Rig) -> None:
    """After a reset the features that were agreed on before can be agreed on again."""
    guest = _with(rig, ProtocolFeature.RESET_DEVICE)
    for _ in range(3):
        guest.wire.tell(Request.RESET_DEVICE)
        _begin_again(guest)
        guest.do_display_info()


@check("2.1.2")
def the_status_is_what_was_written(rig: Rig) -> None:
    """GET_STATUS answers what SET_STATUS wrote, and 0 after a reset of the status."""
    guest = rig.stranger()
    need(bool(guest.protocol_offered & ProtocolFeature.STATUS.mask), "STATUS is not offered")
    guest.negotiate()
    for status in (1, 3, 11, _DRIVER_OK, 0):
        guest.wire.tell(Request.SET_STATUS, pack_u64(status))
        found = guest.wire.query_u64(Request.GET_STATUS)
        require(found == status, f"the status was set to {status}, and is {found}")


@check("2.4.1")
def status_0_stops_the_queues(rig: Rig) -> None:
    """When the driver writes status 0 the device interacts with no queue any more."""
    guest = _with(rig, ProtocolFeature.STATUS)
    guest.wire.tell(Request.SET_STATUS, pack_u64(_DRIVER_OK))
    guest.do_display_info()
    guest.wire.tell(Request.SET_STATUS, pack_u64(0))
    guest.wire.round_trip()
    guest.control.called()
    guest.post(guest.request(Command.GET_DISPLAY_INFO))
    guest.settle()
    require(guest.control.used_index == guest.control.seen, "the device serves a queue at status 0")


@check("2.4.1")
def a_new_connection_is_a_new_device(rig: Rig) -> None:
    """What a front end made is gone with its connection: the next one finds none of it."""
    guest = rig.guest()
    guest.do(Command.RESOURCE_CREATE_2D, _ONE)
    guest.wire.close()
    fresh = rig.reconnect()
    answer = fresh.ask(Command.RESOURCE_UNREF, ResourceUnref(1))
    require(answer.is_error, f"RESOURCE_UNREF of a resource of the last connection is answered {answer}")
    fresh.do(Command.RESOURCE_CREATE_2D, _ONE)


@check("2.4.1")
def connections_may_end_amid_work(rig: Rig) -> None:
    """A connection that ends with requests outstanding and a message half sent ends nothing else."""
    guest = rig.guest()
    guest.make_image(1, 256, 256)
    for _ in range(8):
        guest.post(guest.request(Command.GET_DISPLAY_INFO), queue=CONTROL_QUEUE)
        guest.post(guest.request(Command.MOVE_CURSOR, bytes(32)), queue=CURSOR_QUEUE)
    rig.provoked = True
    guest.wire.send_bytes(b"\x05\0\0\0\1\0\0\0")
    guest.wire.close()
    rig.reconnect().do_display_info()
