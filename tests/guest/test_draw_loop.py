"""When a guest that draws in no time draws, on a calendar, with a display that holds its fences."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from guest.draw_loop import DrawLoop
from guest.simulated import SimulatedGuest
from guest.workloads.flat import Flat
from virtio.clock import Calendar
from virtio.gpu.device import GpuDevice
from virtio.gpu.display import DisplayMode

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay

PERIOD = 10


class Bench:
    """A guest, and a display with a vblank every 10 ns."""

    def __init__(self, device: GpuDevice, display: RecordingDisplay) -> None:
        self.calendar = Calendar()
        self.device, self.display = device, display

    def start(self, frames: int | None = None, *, makes_up: bool = False, announced: bool = False) -> None:
        self.guest = SimulatedGuest(Flat(), frames=frames)
        self.guest.attach(self.device, clock=self.calendar)
        following: Callable[[], int | None] = (lambda: None) if announced else self.next_vblank
        self.loop = DrawLoop(self.guest, self.calendar, following, makes_up=makes_up)
        self.guest.start()

    def next_vblank(self) -> int:
        return (self.calendar.now_ns() // PERIOD + 1) * PERIOD

    def complete_at(self, when_ns: int) -> None:
        """The display takes the flip that is pending then."""
        self.calendar.call_at(when_ns, lambda: self.display.fences.pop(0).signal())

    def run_to(self, when_ns: int) -> None:
        while (following := self.calendar.next_ns()) is not None and following <= when_ns:
            self.calendar.run_next()
        self.calendar.advance_to(when_ns)

    @property
    def submitted(self) -> int:
        return self.guest.frames_submitted


@pytest.fixture
def bench(device: GpuDevice, display: RecordingDisplay) -> Iterator[Bench]:
    display.hold = True
    made = Bench(device, display)
    yield made
    made.loop.close()
    made.guest.close()


def test_a_flip_that_a_vblank_completes_makes_room_for_a_frame_at_this_vblank(bench: Bench) -> None:
    bench.start()
    bench.run_to(1)
    for vblank in range(1, 5):
        bench.complete_at(vblank * PERIOD)  # it was made after the guest's appointment: it comes behind it
        bench.run_to(vblank * PERIOD)
        assert bench.submitted == vblank + 1
    assert bench.guest.frames_missed == 0


def test_a_refresh_without_a_buffer_is_missed(bench: Bench) -> None:
    bench.start()
    bench.complete_at(13)
    bench.run_to(19)
    assert (bench.submitted, bench.guest.frames_missed) == (1, 1)
    bench.run_to(20)
    assert bench.submitted == 2


def test_or_made_up_for_as_soon_as_there_is_one(bench: Bench) -> None:
    bench.start(makes_up=True)
    bench.complete_at(13)
    bench.run_to(12)
    assert bench.submitted == 1
    bench.run_to(13)
    assert bench.submitted == 2


def test_a_guest_that_has_drawn_all_sleeps_until_its_display_changes(bench: Bench) -> None:
    bench.start(frames=2)
    for vblank in (10, 20):
        bench.complete_at(vblank)
    bench.run_to(25)
    assert bench.submitted == 2
    assert bench.calendar.next_ns() is None
    bench.display.mode_list[0] = DisplayMode(64, 64)
    bench.device.display_changed()
    bench.run_to(25)
    assert bench.submitted == 3


def test_without_a_display_it_makes_no_appointments_and_begins_with_one(bench: Bench) -> None:
    bench.display.mode_list[0] = DisplayMode(64, 64, enabled=False)
    bench.start()
    bench.run_to(7)
    assert bench.calendar.next_ns() is None
    bench.display.mode_list[0] = DisplayMode(64, 64)
    bench.device.display_changed()
    bench.run_to(7)
    assert bench.submitted == 1
    assert bench.calendar.next_ns() == PERIOD


def test_announced_refreshes_need_no_timer(bench: Bench) -> None:
    bench.start(announced=True)
    bench.complete_at(4)
    bench.run_to(8)
    assert (bench.submitted, bench.calendar.next_ns()) == (1, None)
    bench.loop.refresh()
    bench.run_to(8)
    assert bench.submitted == 2


def test_closed_it_draws_nothing_more(bench: Bench) -> None:
    bench.start()
    bench.loop.close()
    bench.run_to(30)
    assert bench.submitted == 0
    assert bench.calendar.next_ns() is None
