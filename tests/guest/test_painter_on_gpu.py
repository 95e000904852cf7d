"""Simulated guests that draw on a GPU, in front of a display that records what it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from guest.draw_loop import DrawLoop
from guest.gpu import FramebufferMemory, Gpu, GpuSlot
from guest.gpu.commands import Jump
from guest.simulated import SimulatedGuest
from guest.workloads import create_workload, read_stamp
from guest.workloads.flat import Flat
from virtio.clock import Calendar
from virtio.errors import Misuse
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay

MS = 1_000_000


class Bench:
    """One guest with a GPU, on a calendar."""

    def __init__(self, device: GpuDevice, gpu: Gpu | GpuSlot, **options: object) -> None:
        self.calendar = Calendar()
        self.faults: list[str] = []
        self.guest = SimulatedGuest(Flat(), gpu=gpu, **options)  # type: ignore[arg-type]
        self.guest.on_fault = self.faults.append
        self.guest.attach(device, clock=self.calendar)
        self.loop = DrawLoop(self.guest, self.calendar)
        self.guest.start()

    def run_to(self, when_ns: int) -> None:
        while (following := self.calendar.next_ns()) is not None and following <= when_ns:
            self.calendar.run_next()
        self.calendar.advance_to(when_ns)

    def close(self) -> None:
        self.loop.close()
        self.guest.close()


SLOW = 4_000  # cycles a pixel: 3.2 ms for the display's 160 by 120


@pytest.mark.parametrize("placement", FramebufferMemory)
def test_the_display_sees_whole_frames_wherever_they_are_drawn(
    placement: FramebufferMemory, display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    bench = Bench(device, Gpu().slot(placement=placement, cycles=SLOW))
    bench.run_to(20 * MS)
    assert [read_stamp(frame) for frame in display.frames] == [(n, False) for n in range(len(display.frames))]
    assert len(display.frames) == 6
    frame_bytes = 4 * 160 * 120
    migrated = bench.guest.renderer.migrated_bytes
    assert migrated == (6 * frame_bytes if placement is FramebufferMemory.MIGRATED else 0)
    assert device.transfer_bytes == 0
    assert not device.errors
    display.images.clear()
    bench.close()
    del bench


def test_a_frame_is_shown_when_the_gpu_is_through_with_it(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    bench = Bench(device, Gpu().slot(cycles=SLOW))
    bench.run_to(3 * MS)
    assert display.frames == []
    assert bench.guest.frames_submitted == 1
    bench.run_to(4 * MS)
    assert len(display.frames) == 1
    bench.close()


def test_a_guest_that_flushes_early_shows_frames_that_are_not_drawn(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    bench = Bench(device, Gpu().slot(cycles=SLOW), flush_early=True)
    bench.run_to(0)
    assert len(display.frames) > 0
    assert read_stamp(display.frames[0]).frame_id is None
    bench.close()


def test_a_workload_draws_the_same_pixels_as_without_a_gpu(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    calendar = Calendar()
    with SimulatedGuest("gears", seed=4, gpu=Gpu()) as guest:
        guest.attach(device, clock=calendar)
        loop = DrawLoop(guest, calendar)
        guest.start()
        while len(display.frames) < 3:
            calendar.run_next()
        loop.close()
    expected = np.empty((120, 160, 4), np.uint8)
    for number, frame in enumerate(display.frames):
        create_workload("gears", 4).draw(number, expected)
        assert np.array_equal(frame, expected)


def test_a_hang_is_named_and_the_guest_draws_on(display: RecordingDisplay, device: GpuDevice) -> None:
    bench = Bench(device, Gpu().slot(cycles=SLOW))
    driver = bench.guest.renderer.driver
    bench.run_to(10 * MS)
    driver.submit([Jump(driver.next_batch)])
    bench.run_to(400 * MS)
    stuck = len(display.frames)
    assert bench.faults == []
    bench.run_to(700 * MS)
    assert bench.faults == ["gpu-hang: flat: its batch does not end; reset after 500 ms"]
    assert len(display.frames) > stuck + 10
    assert bench.guest.renderer.as_dict()["faults"] == {"gpu-hang": 1}
    bench.close()


def test_a_mode_set_in_the_middle_of_a_frame_frees_its_memory_afterwards(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    bench = Bench(device, Gpu().slot(cycles=SLOW))
    free = bench.guest.driver.ram.free_bytes
    bench.run_to(MS)
    for mode in (DisplayMode(200, 100), DisplayMode(160, 120)):
        display.mode_list[0] = mode
        device.display_changed()
    bench.run_to(60 * MS)
    assert bench.guest.driver.ram.free_bytes == free
    assert {frame.shape for frame in display.frames[-3:]} == {(120, 160, 4)}
    assert not device.errors
    bench.close()


def test_a_mode_that_needs_more_memory_than_there_is_leaves_the_guest_dark_and_says_so(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    gpu = Gpu(vram=8 << 20, visible=1 << 20)
    bench = Bench(device, gpu.slot(placement=FramebufferMemory.PEER))
    bench.run_to(5 * MS)
    shown = len(display.frames)
    display.mode_list[0] = DisplayMode(1920, 1080)
    device.display_changed()
    bench.run_to(5 * MS)
    (fault,) = bench.faults
    assert fault.startswith("shows nothing any more: 8294400 bytes of visible graphics memory wanted")
    assert bench.guest.size is None
    display.mode_list[0] = DisplayMode(160, 120)
    device.display_changed()
    bench.run_to(10 * MS)
    assert len(display.frames) > shown
    bench.close()


def test_closing_with_a_frame_on_its_way_leaves_nothing(
    display: RecordingDisplay, device: GpuDevice, nothing_left: None
) -> None:
    bench = Bench(device, Gpu().slot(cycles=SLOW))
    bench.run_to(MS)
    bench.close()
    display.images.clear()
    del bench


def test_wrong_descriptions_are_refused(device: GpuDevice) -> None:
    with pytest.raises(Misuse, match="on its gpu or for render_ns, not both"):
        SimulatedGuest(Flat(), gpu=Gpu(), render_ns=1)
    with SimulatedGuest(Flat(), gpu=Gpu()) as guest, pytest.raises(Misuse, match="needs the run's clock"):
        guest.attach(device)
    with pytest.raises(Misuse, match="has no GPU that runs"):
        _ = SimulatedGuest(Flat()).renderer
