"""When an output is repainted, when the frame appears, and who hears of which."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.frame import Frame
from compositor.output import Output
from compositor.pixel import PixelFormat
from compositor.presenter import Presenter
from compositor.scene import Buffer, Surface
from compositor.screen.headless import HeadlessScreen
from virtio.clock import Calendar

MS = 1_000_000


class Bench:
    """One surface on one output at 50 Hz: vblanks at 0, 20, 40 ms."""

    def __init__(self, delay_ns: int) -> None:
        self.calendar = Calendar()
        self.presenter = Presenter(
            Output("64x48@50"), self.calendar, screen=HeadlessScreen(), repaint_delay_ns=delay_ns
        )
        self.log: list[tuple[str, int]] = []
        self.surface = Surface("s", on_taken=lambda: self.note("taken"), on_presented=self.presented)
        self.presenter.output.scene.add(self.surface)

    def note(self, what: str) -> None:
        self.log.append((what, self.calendar.now_ns()))

    def presented(self, frame: Frame) -> None:
        assert frame.present_time_ns == self.calendar.now_ns()
        self.note("presented")

    def submit_at(self, when_ns: int) -> None:
        def submit() -> None:
            self.surface.submit(Buffer(np.zeros((48, 64, 4), np.uint8), PixelFormat.XRGB8888))
            self.presenter.schedule()

        self.calendar.call_at(when_ns, submit)

    def run(self) -> None:
        while self.calendar.run_next():
            pass


@pytest.mark.parametrize(
    ("submitted", "taken", "presented"),
    [(1 * MS, 9 * MS, 20 * MS), (9 * MS - 1, 9 * MS, 20 * MS), (9 * MS, 29 * MS, 40 * MS)],
)
def test_a_delayed_repaint_is_shown_by_the_next_vblank(submitted: int, taken: int, presented: int) -> None:
    bench = Bench(9 * MS)
    bench.submit_at(submitted)
    bench.run()
    assert bench.log == [("taken", taken), ("presented", presented)]


def test_without_a_delay_a_frame_is_taken_and_shown_at_the_vblank() -> None:
    bench = Bench(0)
    bench.submit_at(5 * MS)
    bench.run()
    assert bench.log == [("taken", 20 * MS), ("presented", 20 * MS)]


def test_a_frame_that_was_taken_is_presented_whatever_comes_behind_it() -> None:
    bench = Bench(9 * MS)
    bench.submit_at(1 * MS)
    bench.submit_at(10 * MS)
    bench.run()
    assert bench.log == [
        ("taken", 9 * MS), ("presented", 20 * MS), ("taken", 29 * MS), ("presented", 40 * MS),
    ]  # fmt: skip


def test_a_mode_set_between_repaint_and_vblank_keeps_the_frames_in_order() -> None:
    bench = Bench(9 * MS)
    bench.submit_at(1 * MS)
    bench.calendar.call_at(10 * MS, lambda: bench.presenter.set_mode("64x48@500"))
    bench.submit_at(11 * MS)
    bench.run()
    times = [when for what, when in bench.log if what == "presented"]
    assert [what for what, _ in bench.log] == ["taken", "presented"] * 2
    assert times == sorted(times)


@given(st.lists(st.integers(0, 200 * MS), min_size=1, max_size=12), st.integers(0, 19 * MS))
def test_every_frame_that_is_taken_is_presented_before_the_next_is_taken(
    times: list[int], delay_ns: int
) -> None:
    bench = Bench(delay_ns)
    for when in times:
        bench.submit_at(when)
    bench.run()
    assert [what for what, _ in bench.log] == ["taken", "presented"] * (len(bench.log) // 2)
    assert all(when % (20 * MS) == 0 for what, when in bench.log if what == "presented")
    assert bench.surface.presented + bench.surface.discarded == len(times)
    assert bench.surface.presented >= 1


def test_closing_forgets_a_frame_that_waits_for_its_vblank() -> None:
    bench = Bench(9 * MS)
    bench.submit_at(1 * MS)
    bench.calendar.run_next()
    bench.calendar.run_next()
    bench.presenter.close()
    bench.run()
    assert bench.log == [("taken", 9 * MS)]
