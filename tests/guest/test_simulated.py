from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from guest.driver import DriverState
from guest.simulated import SimulatedGuest
from guest.workloads import create_workload, read_stamp, write_stamp
from virtio.errors import Misuse
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode
from virtio.gpu.formats import Format

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay


class Ramp:
    """A workload that costs nothing: a different byte in every pixel and frame."""

    name = "ramp"
    opaque = True

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        pixels[:] = (np.arange(pixels.size) * 7 + frame).astype(np.uint8).reshape(pixels.shape)
        write_stamp(pixels, frame)


def started(device: GpuDevice, **options: object) -> SimulatedGuest:
    guest = SimulatedGuest(Ramp(), **options)  # type: ignore[arg-type]
    guest.attach(device)
    guest.start()
    return guest


@pytest.mark.parametrize("workload", ["gears", "plasma"])
def test_the_display_sees_exactly_what_the_workload_drew(
    workload: str, display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    with SimulatedGuest(workload, seed=4) as guest:
        guest.attach(device)
        guest.start()
        for _ in range(5):
            assert guest.frame_tick()
        expected = np.empty((120, 160, 4), np.uint8)
        for frame, seen in enumerate(display.frames):
            create_workload(workload, 4).draw(frame, expected)
            assert np.array_equal(seen, expected)
            assert read_stamp(seen) == (frame, False)
        image = display.images[0]
        assert image is not None
        assert image.zero_copy
        assert image.format is (Format.B8G8R8X8 if workload == "plasma" else Format.B8G8R8A8)
        del image
        assert len(display.frames) == guest.frames_submitted == 5
        assert device.transfer_bytes == 0
        assert "TRANSFER_TO_HOST_2D" not in device.commands
        assert not device.errors


def test_the_pixels_shown_are_the_guests_own_pages(display: RecordingDisplay, device: GpuDevice) -> None:
    with started(device) as guest:
        guest.frame_tick()
        assert guest.flips._chain is not None
        shown = guest.flips._chain._shown
        image = display.images[0]
        assert shown is not None
        assert image is not None
        assert len(shown.runs) > 1
        shown.pixels[50, 60] = (1, 2, 3, 4)
        assert image.pixels[50, 60].tolist() == [1, 2, 3, 4]


def test_two_buffers_alternate(display: RecordingDisplay, device: GpuDevice) -> None:
    with started(device) as guest:
        for _ in range(6):
            guest.frame_tick()
    assert len(set(display.resources)) == 2
    assert display.resources == display.resources[:2] * 3


def test_a_host_that_holds_the_fence_holds_the_guest(display: RecordingDisplay, device: GpuDevice) -> None:
    with started(device) as guest:
        guest.frame_tick()
        display.hold = True
        guest.frame_tick()
        before = [frame.copy() for frame in display.frames]
        assert not guest.frame_tick()
        assert not guest.frame_tick()
        assert (guest.frames_submitted, guest.frames_missed) == (2, 2)
        image = display.images[0]
        assert image is not None
        assert np.array_equal(image.pixels, before[-1])
        display.fences.pop().signal()
        assert guest.frame_tick()
        assert read_stamp(display.frames[-1]).frame_id == 2


def run(display: RecordingDisplay, **options: object) -> tuple[list[bytes], list[int]]:
    with SimulatedGuest("gears", **options) as guest:  # type: ignore[arg-type]
        guest.attach(GpuDevice(display), default_seed=9)
        guest.start()
        for _ in range(3):
            guest.frame_tick()
        assert guest.flips._chain is not None
        pages = [address for buffer in guest.flips._chain._buffers for address, _ in buffer.runs]
    frames = [frame.tobytes() for frame in display.frames]
    display.frames.clear()
    return frames, pages


def test_the_same_seed_gives_the_same_pixels_and_pages(display: RecordingDisplay) -> None:
    assert run(display, seed=1) == run(display, seed=1)
    assert run(display, seed=1) != run(display, seed=2)


def test_a_guest_without_a_seed_takes_the_one_it_is_given(display: RecordingDisplay) -> None:
    assert run(display) == run(display, seed=9)


def test_it_follows_the_display_through_modes_and_unplugging(
    display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    with started(device) as guest:
        assert guest.size == (160, 120)
        assert guest.refresh_mhz == pytest.approx(60_000, rel=0.02)
        for mode in (
            DisplayMode(200, 100, 30_000),
            DisplayMode(200, 100, enabled=False),
            DisplayMode(64, 64),
        ):
            display.mode_list[0] = mode
            device.display_changed()
            guest.transport.poll()
            assert guest.size == ((mode.width, mode.height) if mode.enabled else None)
            assert guest.frame_tick() is mode.enabled
            if mode.enabled:
                assert display.frames[-1].shape == (mode.height, mode.width, 4)
            else:
                assert display.images[0] is None
        assert guest.frames_missed == 0
        assert not device.errors


def test_the_same_mode_again_changes_nothing(display: RecordingDisplay, device: GpuDevice) -> None:
    with started(device) as guest:
        device.display_changed()
        guest.transport.poll()
        assert device.commands["RESOURCE_CREATE_BLOB"] == 2
        assert guest.frame_tick()


def test_a_fixed_size_stays(display: RecordingDisplay, device: GpuDevice) -> None:
    with started(device, size=(100, 80)) as guest:
        display.mode_list[0] = DisplayMode(300, 200)
        device.display_changed()
        guest.transport.poll()
        guest.frame_tick()
        assert guest.size == (100, 80)
        assert display.frames[0].shape == (80, 100, 4)


def test_large_frames_come_as_many_runs_and_are_mapped_all_the_same(display: RecordingDisplay) -> None:
    display.mode_list[0] = DisplayMode(1024, 768)
    device = GpuDevice(display)
    with started(device, seed=11) as guest:
        guest.frame_tick()
        assert device.mappings > 32
        assert read_stamp(display.frames[0]).frame_id == 0


def test_a_lost_device_is_no_end_and_a_reboot_goes_on(
    display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    with started(device) as guest:
        guest.frame_tick()
        config = guest.driver.queue(0).config
        guest.driver.ram.memory.store(config.available_ring + 2, 2, 40_000)
        guest.transport.kick(0)
        guest.transport.poll()
        assert guest.driver.state is DriverState.LOST
        assert not guest.frame_tick()
        guest.start()
        assert guest.frame_tick()
        assert read_stamp(display.frames[-1]).frame_id == 1


def test_rebooting_does_not_eat_memory(device: GpuDevice) -> None:
    with started(device) as guest:
        free = guest.driver.ram.free_bytes
        for _ in range(3):
            guest.frame_tick()
            guest.start()
        assert guest.driver.ram.free_bytes == free


def test_close_takes_everything_back(
    display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    guest = started(device)
    guest.frame_tick()
    guest.close()
    guest.close()
    assert display.images[0] is None
    assert (device.mappings, device.host_memory_bytes, device.parked) == (0, 0, 0)
    with pytest.raises(Misuse, match="guest ramp has no device"):
        guest.frame_tick()
    guest.attach(device)
    guest.start()
    assert guest.frame_tick()
    guest.close()


def test_close_with_a_parked_flush_leaves_nothing(
    display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    guest = started(device)
    display.hold = True
    guest.frame_tick()
    guest.close()
    assert device.parked == 0
    display.fences[0].signal()


def test_a_guest_is_described_before_it_exists(nothing_left: None) -> None:
    guest = SimulatedGuest("plasma", name="left")
    assert (guest.kind, guest.name, guest.workload.name, guest.size) == ("simulated", "left", "plasma", None)
    guest.close()


def test_wrong_descriptions_are_refused() -> None:
    with pytest.raises(Misuse, match=r"no workload 'pong'; there are gears, plasma"):
        SimulatedGuest("pong")
    with pytest.raises(Misuse, match="sync='never'"):
        SimulatedGuest("gears", sync="never")


def test_two_devices_are_one_too_many(device: GpuDevice) -> None:
    with started(device) as guest, pytest.raises(Misuse, match="has a device already"):
        guest.attach(device)


def test_a_guest_of_so_many_frames_draws_them_and_then_sleeps_until_its_display_changes(
    device: GpuDevice, display: RecordingDisplay
) -> None:
    with started(device, frames=2) as guest:
        assert [guest.frame_tick() for _ in range(4)] == [True, True, False, False]
        assert guest.finished
        assert guest.frames_missed == 0
        display.mode_list[0] = DisplayMode(64, 32, 60_000)
        device.display_changed()
        guest.transport.poll()
        assert not guest.finished
        assert guest.frame_tick()


def test_a_guest_can_have_more_buffers_than_it_needs(device: GpuDevice) -> None:
    for asked, made in ((0, 2), (1, 2), (4, 4)):
        device.commands.clear()
        with started(device, buffers=asked):
            assert device.commands["RESOURCE_CREATE_BLOB"] == made
