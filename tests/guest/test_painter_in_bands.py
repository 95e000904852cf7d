"""A guest that takes its time to draw, on a calendar, with a display that holds its fences."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from guest.draw_loop import DrawLoop
from guest.simulated import SimulatedGuest
from guest.workloads import read_stamp
from guest.workloads.flat import Flat
from virtio.clock import Calendar
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay

MS = 1_000_000


class Bench:
    def __init__(
        self, display: RecordingDisplay, device: GpuDevice, sync: str, patience_ns: int | None
    ) -> None:
        self.calendar = Calendar()
        self.guest = SimulatedGuest(Flat(), sync=sync, render_ns=10 * MS, patience_ns=patience_ns)
        self.guest.attach(device, clock=self.calendar)
        self.loop = DrawLoop(self.guest, self.calendar)
        self.guest.start()

    def run_to(self, when_ns: int) -> None:
        while (following := self.calendar.next_ns()) is not None and following <= when_ns:
            self.calendar.run_next()
        self.calendar.advance_to(when_ns)


@pytest.fixture
def bench(display: RecordingDisplay, device: GpuDevice) -> Iterator[Bench]:
    display.hold = True
    made = Bench(display, device, "release", None)
    yield made
    made.loop.close()
    made.guest.close()


def test_a_frame_appears_band_by_band_and_is_flipped_when_its_time_is_over(
    bench: Bench, display: RecordingDisplay
) -> None:
    bench.run_to(5 * MS)
    buffer = bench.guest.flips.begin()
    assert buffer is not None
    assert buffer.pixels[0].any()
    assert not buffer.pixels[-1].any()
    assert display.frames == []
    bench.run_to(10 * MS)
    assert [read_stamp(frame) for frame in display.frames] == [(0, False)]


def test_the_next_frame_begins_with_the_completion_of_the_flip(
    bench: Bench, display: RecordingDisplay
) -> None:
    bench.run_to(30 * MS)
    assert len(display.frames) == 1
    display.fences[0].signal()
    bench.run_to(40 * MS - 1)
    assert len(display.frames) == 1
    bench.run_to(40 * MS)
    assert len(display.frames) == 2


def test_a_guest_without_patience_for_ever_waits_for_ever(bench: Bench, display: RecordingDisplay) -> None:
    bench.run_to(10_000 * MS)
    assert len(display.frames) == 1
    assert bench.calendar.next_ns() is None


def test_an_impatient_guest_goes_on_and_a_late_fence_changes_nothing(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    display.hold = True
    bench = Bench(display, device, "release", 50 * MS)
    bench.run_to(60 * MS)
    assert len(display.frames) == 1
    bench.run_to(70 * MS)
    assert len(display.frames) == 2
    for fence in display.fences:
        fence.signal()
    bench.run_to(80 * MS)
    assert len(display.frames) == 3
    bench.guest.close()


def test_a_queue_draws_a_second_frame_meanwhile_and_not_a_third(
    display: RecordingDisplay, device: GpuDevice
) -> None:
    display.hold = True
    bench = Bench(display, device, "queue", None)
    bench.run_to(100 * MS)
    assert len(display.frames) == 2
    display.fences[0].signal()
    bench.run_to(110 * MS)
    assert len(display.frames) == 3
    assert display.resources[2] not in display.resources[:2]
    bench.guest.close()


def test_a_mode_set_in_the_middle_of_a_frame_begins_it_again(
    bench: Bench, display: RecordingDisplay, device: GpuDevice
) -> None:
    bench.run_to(5 * MS)
    display.mode_list[0] = DisplayMode(200, 100)
    device.display_changed()
    bench.run_to(20 * MS)
    assert [frame.shape for frame in display.frames] == [(100, 200, 4)]
    assert read_stamp(display.frames[0]) == (0, False)


def test_closed_it_draws_nothing_more(bench: Bench, display: RecordingDisplay) -> None:
    bench.run_to(5 * MS)
    bench.loop.close()
    bench.run_to(100 * MS)
    assert display.frames == []
