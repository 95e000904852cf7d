from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np
import pytest

from guest.driver.gpu import GpuDriver, Scanout
from guest.driver.session import DriverState
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode
from virtio.gpu.errors import unspecified
from virtio.gpu.formats import Format
from virtio.gpu.wire import Feature, Rect

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay, Rig


@pytest.fixture
def display(display: RecordingDisplay) -> RecordingDisplay:
    display.mode_list = [DisplayMode(1024, 768, 60_000), DisplayMode(640, 480, 30_000, enabled=False)]
    return display


def test_probing_asks_in_linuxs_order_and_learns_about_all_scanouts(rig: Rig) -> None:
    order: list[str] = []
    rig.driver.on_ready = lambda: order.extend(rig.driver.commands)
    rig.driver.probe()
    assert order == ["GET_EDID", "GET_DISPLAY_INFO"]
    assert rig.driver.commands == {"GET_EDID": 2, "GET_DISPLAY_INFO": 1}
    first, second = rig.driver.scanouts
    assert (first.enabled, first.width, first.height) == (True, 1024, 768)
    assert not second.enabled
    assert first.refresh_mhz == pytest.approx(60_000, rel=0.001)
    assert first.edid[:4] == b"\0\xff\xff\xff"


def test_without_edid_the_rate_is_60_hertz(rig: Rig) -> None:
    rig.transport.device_features &= ~(1 << Feature.EDID)
    rig.driver.probe()
    assert rig.driver.scanouts[0] == Scanout(True, 1024, 768, 60_000, b"")
    assert "GET_EDID" not in rig.driver.commands


def test_changed_monitors_are_asked_about_and_acknowledged(rig: Rig) -> None:
    changes: list[tuple[int, int]] = []
    rig.driver.on_display_change = lambda: changes.append(rig.driver.scanouts[0][1:3])
    rig.driver.probe()
    rig.display.mode_list[0] = DisplayMode(800, 600)
    rig.device.display_changed()
    rig.transport.poll()
    assert changes == [(800, 600)]
    assert rig.transport.read_config(0, 4) == bytes(4)


def test_a_change_while_probing_is_not_missed(rig: Rig) -> None:
    changes: list[int] = []
    rig.driver.on_display_change = lambda: changes.append(rig.driver.scanouts[0].width)

    def plug() -> None:
        rig.driver.state = DriverState.PROBING  # the interrupt comes too early to be served
        rig.display.mode_list[0] = DisplayMode(800, 600)
        rig.device.display_changed()
        rig.transport.poll()
        rig.driver.state = DriverState.RUNNING

    rig.driver.on_ready = plug
    rig.driver.probe()
    assert changes == [800]


def test_a_config_change_without_a_display_event_asks_nothing(rig: Rig) -> None:
    rig.driver.probe()
    before = rig.driver.commands.copy()
    rig.device.config_changed()
    assert rig.driver.commands == before


def test_a_device_that_cannot_say_has_nothing_plugged_in(rig: Rig) -> None:
    rig.driver.probe()

    def refuse() -> NoReturn:
        raise unspecified("no")

    rig.display.modes = refuse  # type: ignore[method-assign]
    rig.device.display_changed()
    rig.transport.poll()
    assert [scanout.enabled for scanout in rig.driver.scanouts] == [False, False]


def test_a_blob_is_shown_without_a_copy(rig: Rig) -> None:
    driver = rig.driver
    driver.probe()
    runs = rig.ram.allocate(64 * 48 * 4)
    mapping = rig.ram.memory.map_scattered(runs, writable=True)
    mapping.data[:] = np.arange(mapping.size) % 251
    resource = driver.new_resource_id()
    driver.create_blob(resource, runs, mapping.size)
    driver.set_scanout_blob(0, resource, (64, 48), Format.B8G8R8X8, 256)
    fence = driver.flush(resource, Rect(0, 0, 64, 48))
    assert not fence.signaled
    driver.notify()
    assert fence.signaled
    assert rig.display.frames[0].tobytes() == mapping.data.tobytes()
    assert rig.device.transfer_bytes == 0
    gone: list[bool] = []
    driver.unref(resource, lambda: gone.append(True))
    driver.notify()
    assert gone == [True]
    assert rig.display.images[0] is None
    assert not rig.driver.errors


def test_a_2d_resource_is_copied_once_by_each_transfer(rig: Rig) -> None:
    driver = rig.driver
    driver.probe()
    runs = rig.ram.allocate(32 * 16 * 4)
    resource = driver.new_resource_id()
    driver.create_2d(resource, (32, 16), Format.B8G8R8X8)
    driver.attach_backing(resource, runs)
    rig.ram.memory.write(runs[0][0], bytes(range(128)))
    driver.transfer(resource, Rect(0, 0, 32, 16))
    driver.set_scanout(0, resource, Rect(0, 0, 32, 16))
    driver.flush(resource, Rect(0, 0, 32, 16))
    driver.detach_backing(resource)
    driver.notify()
    assert rig.display.frames[0][0].tobytes() == bytes(range(128))
    assert rig.device.transfer_bytes == 32 * 16 * 4
    assert not driver.errors


def test_the_cursor_goes_its_own_queue(rig: Rig) -> None:
    driver = rig.driver
    driver.probe()
    resource, runs = driver.new_resource_id(), rig.ram.allocate(64 * 64 * 4)
    driver.create_2d(resource, (64, 64), Format.B8G8R8A8)
    driver.attach_backing(resource, runs)
    driver.transfer(resource, Rect(0, 0, 64, 64))
    driver.notify()
    driver.update_cursor(0, resource, (-3, 9), (1, 2))
    driver.move_cursor(0, (5, -6))
    driver.update_cursor(0, 0, (0, 0))
    driver.notify()
    assert rig.display.cursors == [(0, True, -3, 9), (0, None, 5, -6), (0, False, 0, 0)]


def test_more_cursor_commands_than_the_queue_holds_all_arrive(rig: Rig) -> None:
    rig.driver.probe()
    for x in range(100):
        rig.driver.move_cursor(0, (x, 0))
    rig.driver.notify()
    assert rig.display.cursors == [(0, None, x, 0) for x in range(100)]


def test_resource_ids_are_never_used_again(rig: Rig) -> None:
    ids = [rig.driver.new_resource_id() for _ in range(3)]
    rig.driver.probe()
    assert ids == [1, 2, 3]
    assert rig.driver.new_resource_id() == 4


def test_another_driver_can_follow_on_the_same_device(rig: Rig) -> None:
    rig.driver.probe()
    rig.driver.close()
    with type(rig.transport)(rig.device, rig.ram.memory) as transport:
        successor = GpuDriver(transport, rig.ram)
        successor.probe()
        assert successor.scanouts[0].width == 1024
        successor.close()


def test_the_device_counts_what_the_driver_sent(rig: Rig, device: GpuDevice) -> None:
    rig.driver.probe()
    assert device.commands == rig.driver.commands
