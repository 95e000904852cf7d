"""Notifications of split queues, both ways, with event indices and without (2.7.7, 2.7.10)."""

from __future__ import annotations

from compositor.conform.check import Group
from compositor.conform.guest import DEVICE_FEATURES, Guest
from compositor.conform.rig import Rig
from compositor.conform.verdict import need, require
from virtio.features import RingFeature
from virtio.gpu.wire import Command

_GROUP = Group("notifications")
check = _GROUP.check

_NO_INTERRUPT = 1
_PLAIN = RingFeature.VERSION_1 | DEVICE_FEATURES & ~0x11
_EVENTS = _PLAIN | RingFeature.EVENT_IDX


def _with_events(rig: Rig) -> Guest:
    guest = rig.guest(features=_EVENTS)
    need(bool(guest.features & RingFeature.EVENT_IDX), "EVENT_IDX is not offered")
    return guest


def _quiet(guest: Guest) -> None:
    """Forget earlier notifications, late ones too."""
    guest.settle()
    guest.control.called()


def _stays_silent(guest: Guest, why: str) -> None:
    guest.settle()
    calls = guest.control.called()
    require(not calls, f"{why}, and the device notified {calls} times")


@check("2.7.7.2")
def flags_0_ask_for_notifications(rig: Rig) -> None:
    """Without EVENT_IDX, and with the available ring's flags 0, the device notifies of used buffers."""
    guest = rig.guest(features=_PLAIN)
    for _ in range(3):
        _quiet(guest)
        guest.do_display_info()
        guest.control.wait_for_call()


@check("2.7.7.2", "should")
def flags_1_ask_for_silence(rig: Rig) -> None:
    """Without EVENT_IDX, and with the available ring's flags 1, the device does not notify."""
    guest = rig.guest(features=_PLAIN)
    guest.do_display_info()
    _quiet(guest)
    guest.control.suppress(_NO_INTERRUPT)
    guest.do_display_info()
    _stays_silent(guest, "the flags are 1")


@check("2.7.7.2")
def used_event_means_nothing_without_its_feature(rig: Rig) -> None:
    """Without EVENT_IDX the device does not look at used_event."""
    guest = rig.guest(features=_PLAIN)
    for _ in range(3):
        _quiet(guest)
        guest.control.set_used_event(guest.control.seen + 1000)
        guest.do_display_info()
        guest.control.wait_for_call()


@check("2.7.7.2")
def used_event_asks_for_a_notification(rig: Rig) -> None:
    """With EVENT_IDX the device notifies when it uses the buffer at position used_event."""
    guest = _with_events(rig)
    for _ in range(3):
        _quiet(guest)
        guest.control.set_used_event(guest.control.seen)
        guest.do_display_info()
        guest.control.wait_for_call()


@check("2.7.7.2", "should")
def used_event_asks_for_silence_before(rig: Rig) -> None:
    """With EVENT_IDX the device does not notify of buffers before position used_event."""
    guest = _with_events(rig)
    guest.control.set_used_event(guest.control.seen)
    guest.do_display_info()
    _quiet(guest)
    guest.control.set_used_event(guest.control.seen + 100)
    for _ in range(3):
        guest.do_display_info()
    _stays_silent(guest, "used_event lies ahead")


@check("2.7.7.2")
def flags_mean_nothing_with_event_indices(rig: Rig) -> None:
    """With EVENT_IDX the device ignores the lower bit of the available ring's flags."""
    guest = _with_events(rig)
    guest.control.suppress(_NO_INTERRUPT)
    for _ in range(3):
        _quiet(guest)
        guest.control.set_used_event(guest.control.seen)
        guest.do_display_info()
        guest.control.wait_for_call()


@check("2.7.10.1")
def used_flags_are_0_or_1(rig: Rig) -> None:
    """Without EVENT_IDX the used ring's flags are 0 or 1."""
    guest = rig.guest(features=_PLAIN)
    for _ in range(3):
        guest.do_display_info()
        flags = guest.control.used_flags
        require(flags in {0, 1}, f"the used ring's flags are {flags:#x}")


@check("2.7.10.1")
def used_flags_are_0_with_event_indices(rig: Rig) -> None:
    """With EVENT_IDX the used ring's flags are 0."""
    guest = _with_events(rig)
    for _ in range(3):
        guest.control.set_used_event(guest.control.seen)
        guest.do_display_info()
        require(guest.control.used_flags == 0, f"the used ring's flags are {guest.control.used_flags:#x}")


@check("2.7.10.1")
def kicks_without_buffers_are_harmless(rig: Rig) -> None:
    """The device bears notifications for which there is nothing to do."""
    guest = rig.guest()
    for _ in range(20):
        guest.control.kick()
        guest.cursor.kick()
        guest.wire.round_trip()  # else an eventfd makes one of several
    guest.do_display_info()
    require(guest.control.used_index == guest.control.seen, "the device used a buffer that there is not")


@check("2.7.10")
def the_device_asks_for_kicks_when_it_waits(rig: Rig) -> None:
    """A device that has served everything takes the next buffer from a driver that kicks when asked to."""
    guest = _with_events(rig)
    for _ in range(3):
        guest.control.set_used_event(guest.control.seen)
        guest.do_display_info()
    guest.wire.round_trip()
    rig.waiting.until(
        lambda: guest.control.kick_wanted, "avail_event that asks for a kick of the next buffer"
    )
    guest.post(guest.request(Command.GET_DISPLAY_INFO))
    guest.control.finish()
