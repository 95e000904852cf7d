from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from guest.driver import DeviceFault, DriverState, GuestRam, Swapchain
from guest.driver.raw_ring import RawRing
from guest.driver.transport import negotiate
from guest.process.transport import HostGone
from virtio.errors import Misuse
from virtio.features import RingFeature
from virtio.gpu import wire
from virtio.gpu.formats import Format
from virtio.status import DeviceStatus

if TYPE_CHECKING:
    from tests.guest.process.conftest import Driven, Host


def test_a_driver_shows_a_picture_over_the_socket(host: Host, driven: Driven) -> None:
    driven.driver.probe()
    driven.until(lambda: driven.driver.scanouts)
    chain = Swapchain(driven.driver, 0, (160, 120), Format.B8G8R8X8)
    buffer = chain.acquire()
    assert buffer is not None
    buffer.pixels[:] = 77
    fence = chain.flip(buffer)
    driven.until(lambda: fence.signaled)
    image = host.display.images[0]
    assert image is not None
    assert image.zero_copy
    buffer.pixels[5, 5] = 9
    assert image.pixels[5, 5].tolist() == [9, 9, 9, 9], "the host sees the guest's own pages"
    assert (host.device.transfer_bytes, host.errors) == (0, [])
    del image
    host.display.images[0] = None
    driven.driver.close()


def test_a_reset_is_over_when_the_call_returns(host: Host, driven: Driven) -> None:
    driven.driver.probe()
    driven.until(lambda: driven.driver.scanouts)
    driven.driver.create_blob(5, driven.ram.allocate(4096), 4096)
    driven.driver.notify()
    driven.until(lambda: host.device.mappings == 1)
    driven.driver.close()
    assert host.device.mappings == 0
    assert driven.transport.status == 0
    driven.driver.probe()  # and it can be taken over again
    driven.driver.scanouts.clear()
    driven.until(lambda: driven.driver.scanouts)
    assert host.errors == []


def test_features_that_were_not_offered_are_refused(driven: Driven) -> None:
    transport = driven.transport
    transport.accept_features(1 << 60)
    transport.set_status(DeviceStatus.ACKNOWLEDGE | DeviceStatus.DRIVER | DeviceStatus.FEATURES_OK)
    assert transport.status == 0
    transport.device_features &= ~RingFeature.VERSION_1
    with pytest.raises(DeviceFault, match="refuses the features"):
        negotiate(transport, ~0)


def test_the_config_space_is_the_devices(host: Host, driven: Driven) -> None:
    assert driven.transport.read_config(8, 4) == len(host.display.mode_list).to_bytes(4, "little")


def test_a_display_that_changes_is_heard_of(host: Host, driven: Driven) -> None:
    driven.driver.probe()
    driven.until(lambda: driven.driver.scanouts)
    mode = host.display.mode_list[0]
    host.display.mode_list[0] = type(mode)(200, 100)
    host.device.display_changed()
    driven.until(lambda: driven.driver.scanouts[0].width == 200)


def test_a_broken_queue_is_a_lost_device(host: Host, driven: Driven) -> None:
    driven.driver.probe()
    driven.until(lambda: driven.driver.scanouts)
    ring = RawRing(driven.driver)
    ring.publish(0, ahead=ring.size + 1)
    driven.transport.kick(wire.CONTROL_QUEUE)
    driven.until(lambda: driven.driver.state is DriverState.LOST)
    assert driven.transport.status & DeviceStatus.NEEDS_RESET


def test_a_running_queue_stays_where_it_is(driven: Driven) -> None:
    driven.driver.probe()
    with pytest.raises(Misuse, match="cannot be moved"):
        driven.transport.set_queue(0, driven.driver.queue(0).config)


def test_the_hosts_end_is_one_clear_error_and_closing_after_it_is_none(host: Host, driven: Driven) -> None:
    driven.driver.probe()
    host.server.close()
    with pytest.raises(HostGone, match="the host has gone"):
        driven.until(lambda: False)
    driven.transport.kick(0)
    driven.transport.close()


def test_a_host_that_has_a_guest_turns_the_second_away(host: Host, driven: Driven) -> None:
    with GuestRam(1 << 20) as ram, pytest.raises(HostGone, match="has a guest already"):
        host.connect(ram)
    assert "a second front end was turned away" in host.errors[0]
