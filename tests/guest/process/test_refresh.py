from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.typing import NDArray

from guest.driver import DeviceFault
from guest.process.clock import GuestClock
from guest.process.reactor import Reactor
from guest.process.refresh import draw_loop
from guest.process.task import GuestTask
from guest.simulated import SimulatedGuest
from virtio.gpu.device import GpuDevice

if TYPE_CHECKING:
    from tests.guest.conftest import RecordingDisplay

MS = 1_000_000


class Blank:
    """Draws nothing."""

    name = "blank"
    opaque = True

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        pixels[0, 0] = frame % 256


class Watch(GuestClock):
    """Shows the time that the test says."""

    def until(self, now_ns: int) -> None:
        while (next_ns := self._appointments.next_ns()) is not None and next_ns <= now_ns:
            self._now_ns = max(self._now_ns, next_ns)
            self.run_due()
        self._now_ns = now_ns


@pytest.fixture
def guest(device: GpuDevice, watch: Watch) -> Iterator[SimulatedGuest]:
    with SimulatedGuest(Blank()) as guest:
        guest.attach(device, clock=watch)
        yield guest


@pytest.fixture
def watch(reactor: Reactor) -> Watch:
    return Watch(reactor)


def test_a_timer_draws_at_the_displays_rate(guest: SimulatedGuest, watch: Watch) -> None:
    draw_loop(guest, watch, GuestTask(socket="", workload=""))
    guest.start()
    watch.until(999 * MS)
    assert guest.frames_submitted == 60


def test_a_frame_that_a_pending_flip_prevented_is_made_up_for(
    guest: SimulatedGuest, watch: Watch, display: RecordingDisplay
) -> None:
    draw_loop(guest, watch, GuestTask(socket="", workload=""))
    display.hold = True
    guest.start()
    watch.until(20 * MS)
    assert guest.frames_submitted == 1
    display.fences.pop().signal()
    watch.until(20 * MS)
    assert guest.frames_submitted == 2


def test_a_guest_that_slept_does_not_draw_what_it_missed(guest: SimulatedGuest, watch: Watch) -> None:
    draw_loop(guest, watch, GuestTask(socket="", workload=""))
    guest.start()
    watch.until(0)
    watch._now_ns = 900 * MS
    watch.run_due()
    assert guest.frames_submitted <= 3


def test_a_fence_that_does_not_come_is_missed(
    guest: SimulatedGuest, watch: Watch, display: RecordingDisplay
) -> None:
    draw_loop(guest, watch, GuestTask(socket="", workload="", patience_s=0.1))
    display.hold = True
    guest.start()
    watch.until(99 * MS)
    with pytest.raises(DeviceFault, match=r"blank: the fence of frame 0 did not come within 0\.1 s"):
        watch.until(200 * MS)


def test_an_announced_vblank_is_a_frame_and_so_is_the_beginning(guest: SimulatedGuest, watch: Watch) -> None:
    draw_loop(guest, watch, GuestTask(socket="", workload="", vblanks=True))
    guest.start()
    watch.until(1000 * MS)
    assert guest.frames_submitted == 1
    for _ in range(2):
        watch.on_vblank()
        watch.until(1000 * MS)
    assert guest.frames_submitted == 3
