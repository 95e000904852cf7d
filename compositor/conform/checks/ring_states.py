"""vhost-user: queues stopped, started, enabled, disabled; doorbells that change while they run."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import require
from compositor.conform.wire import eventfd
from virtio.gpu.formats import Format
from virtio.gpu.wire import (
    CONTROL_QUEUE,
    CURSOR_QUEUE,
    Command,
    ResourceCreate2d,
    ResourceUnref,
)
from virtio.vhost_user.messages import Request
from virtio.vhost_user.payloads import pack_u64

_GROUP = Group("ring-states", "vhost-user")
check = _GROUP.check


def _post_display_info(guest: Guest) -> None:
    guest.post(guest.request(Command.GET_DISPLAY_INFO))


@check("Ring states")
def a_queue_is_stopped_before_its_doorbell(rig: Rig) -> None:
    """A queue that was described, but never given a doorbell, is not served."""
    guest = rig.stranger()
    guest.negotiate()
    guest.share_memory()
    guest.share_display()
    ring = guest.make_ring()
    guest.rings = [ring]
    guest.describe_ring(CONTROL_QUEUE, ring)
    _post_display_info(guest)
    guest.enable_ring(CONTROL_QUEUE, on=True)
    guest.settle()
    require(ring.used_index == ring.seen, "the device served a queue that has no doorbell yet")
    guest.wire.tell(Request.SET_VRING_KICK, pack_u64(CONTROL_QUEUE), [ring.kick_fd])
    ring.kick()
    ring.finish()


@check("Ring states")
def a_stopped_queue_is_not_served(rig: Rig) -> None:
    """After GET_VRING_BASE a queue is not served, whatever is made available in it."""
    guest = rig.guest()
    guest.do_display_info()
    guest.stop_ring(CONTROL_QUEUE)
    _post_display_info(guest)
    guest.settle()
    require(guest.control.used_index == guest.control.seen, "the device served a stopped queue")


@check("GET_VRING_BASE")
def the_base_is_where_the_queue_stopped(rig: Rig) -> None:
    """GET_VRING_BASE says how many chains were taken, counted on from the base that was set."""
    guest = rig.guest(base=100)
    for _ in range(3):
        guest.do_display_info()
    base = guest.stop_ring(CONTROL_QUEUE)
    require(base == 103, f"the queue began at 100, 3 chains were used, and the base is {base}")


@check("Ring states")
def a_stopped_queue_goes_on_where_it_stopped(rig: Rig) -> None:
    """A queue that was stopped and started again serves what was made available meanwhile, once."""
    guest = rig.guest()
    guest.do_display_info()
    guest.stop_ring(CONTROL_QUEUE)
    _post_display_info(guest)
    _resume(guest, CONTROL_QUEUE)
    guest.control.finish()
    guest.do_display_info()


def _resume(guest: Guest, index: int) -> None:
    """Start a stopped queue again, as a VMM does; its next chain may be there already."""
    ring = guest.rings[index]
    available, ring.next_available = ring.next_available, ring.seen
    guest.start_ring(index, ring)
    ring.next_available = available
    ring.kick()


@check("Suspended device state", "should")
def a_paused_device_keeps_its_state(rig: Rig) -> None:
    """When all queues stop, and start where they stopped, the device still has the driver's resources."""
    guest = rig.guest()
    guest.do(Command.RESOURCE_CREATE_2D, ResourceCreate2d(5, Format.B8G8R8X8, 64, 64))
    for index in (CONTROL_QUEUE, CURSOR_QUEUE):
        guest.stop_ring(index)
    for index in (CONTROL_QUEUE, CURSOR_QUEUE):
        _resume(guest, index)
    guest.do(Command.RESOURCE_UNREF, ResourceUnref(5))


@check("Suspended device state")
def a_suspended_device_answers_messages(rig: Rig) -> None:
    """While all queues are stopped the device answers messages, and touches no memory nor doorbell."""
    guest = rig.guest()
    guest.do_display_info()
    for index in (CONTROL_QUEUE, CURSOR_QUEUE):
        guest.stop_ring(index)
    guest.control.called()
    before = guest.memory.read(0, guest.memory.low.size)
    guest.settle()
    require(guest.memory.read(0, guest.memory.low.size) == before, "the device wrote to the rings")
    require(not guest.control.called(), "the device notified the driver")


@check("SET_VRING_ENABLE")
def what_comes_while_disabled_is_not_lost(rig: Rig) -> None:
    """A request of a disabled queue is answered at the latest when the queue is enabled."""
    guest = rig.guest()
    guest.do_display_info()
    guest.enable_ring(CONTROL_QUEUE, on=False)
    _post_display_info(guest)
    guest.wire.round_trip()
    guest.enable_ring(CONTROL_QUEUE, on=True)
    guest.control.kick()
    guest.control.finish()


@check("SET_VRING_CALL")
def the_call_doorbell_may_change(rig: Rig) -> None:
    """A running queue's new call descriptor is the one that the device rings."""
    guest = rig.guest()
    guest.do_display_info()
    ring, old, new = guest.control, guest.control.call_fd, eventfd()
    ring.call_fd = new
    rig.callback_close(old)
    guest.wire.tell(Request.SET_VRING_CALL, pack_u64(CONTROL_QUEUE), [new])
    guest.wire.round_trip()
    ring.called()
    guest.do_display_info()
    ring.wait_for_call()


@check("SET_VRING_KICK")
def the_kick_doorbell_may_change(rig: Rig) -> None:
    """A running queue's new kick descriptor is the one that the device hears."""
    guest = rig.guest()
    guest.do_display_info()
    ring, old, new = guest.control, guest.control.kick_fd, eventfd()
    ring.kick_fd = new
    rig.callback_close(old)
    guest.wire.tell(Request.SET_VRING_KICK, pack_u64(CONTROL_QUEUE), [new])
    guest.do_display_info()


@check("SET_VRING_CALL", "should")
def a_queue_may_be_polled(rig: Rig) -> None:
    """A driver that gives no call descriptor looks at the used ring by itself, and finds its answers."""
    guest = rig.guest()
    guest.wire.tell(Request.SET_VRING_CALL, pack_u64(CONTROL_QUEUE | 0x100))
    guest.do_display_info()


@check("SET_VRING_NUM")
def queues_may_have_any_power_of_two(rig: Rig) -> None:
    """Queues of 4, 16 and 256 entries work alike, from any base and around their end."""
    guest = rig.stranger()
    guest.negotiate()
    guest.share_memory()
    guest.share_display()
    for size in (4, 16, 256):
        ring = guest.make_ring(size=size)
        guest.rings = [ring]
        guest.start_ring(CONTROL_QUEUE, ring)
        for _ in range(size + 1):
            guest.do_display_info()
        guest.stop_ring(CONTROL_QUEUE)


@check("SET_VRING_BASE")
def positions_wrap_at_65536(rig: Rig) -> None:
    """The positions of a queue are numbers of 16 bits, and go on at 0 after 65535."""
    guest = rig.guest(base=65533)
    for _ in range(6):
        guest.do_display_info()
    base = guest.stop_ring(CONTROL_QUEUE)
    require(base == 3, f"the queue began at 65533, 6 chains were used, and the base is {base}")


@check("Ring states")
def one_queue_stops_alone(rig: Rig) -> None:
    """When one queue is stopped the other one is still served."""
    guest = rig.guest()
    guest.stop_ring(CURSOR_QUEUE)
    guest.do_display_info()
