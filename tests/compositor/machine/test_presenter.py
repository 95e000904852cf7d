"""When an output is repainted, when the frame appears, and who hears of which."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compositor.frame_clock import Pacing
from compositor.machine.presenter import Presenter
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.output.submission import Discarded, Feedback, PresentationFlags, Presented, Submission
from compositor.pixels.format import PixelFormat
from compositor.screen.headless import HeadlessScreen
from virtio.clock import Calendar

MS = 1_000_000


class Bench:
    """One surface on one output at 50 Hz: vblanks at 0, 20, 40 ms."""

    def __init__(self, delay_ns: int = 0, *, output: Output | None = None, **how: Any) -> None:
        self.calendar = Calendar()
        self.presenter = Presenter(
            output or Output("64x48@50"),
            self.calendar,
            screen=HeadlessScreen(),
            repaint_delay_ns=delay_ns,
            **how,
        )
        self.log: list[tuple[str, int]] = []
        self.heard: list[Feedback] = []
        self.submitted = 0
        self.layer = OutputLayer("s")
        self.presenter.output.add(self.layer)

    def note(self, what: str) -> None:
        self.log.append((what, self.calendar.now_ns()))

    def answered(self, feedback: Feedback) -> None:
        self.heard.append(feedback)
        if isinstance(feedback, Presented):
            assert feedback.time_ns == self.calendar.now_ns()
            self.note("presented")

    def submit_at(self, when_ns: int) -> None:
        def submit() -> None:
            self.submitted += 1
            submission = Submission("s", self.submitted, lambda: self.note("latched"), self.answered)
            pixels = np.zeros((48, 64, 4), np.uint8)
            self.presenter.output.show(
                self.layer, Buffer(pixels, PixelFormat.XRGB8888, submission=submission)
            )
            submission.handed_out()

        self.calendar.call_at(when_ns, submit)

    def run(self) -> None:
        while self.calendar.run_next():
            pass


@pytest.mark.parametrize(
    ("submitted", "latched", "presented"),
    [(1 * MS, 9 * MS, 20 * MS), (9 * MS - 1, 9 * MS, 20 * MS), (9 * MS, 29 * MS, 40 * MS)],
)
def test_a_delayed_repaint_is_shown_by_the_next_vblank(submitted: int, latched: int, presented: int) -> None:
    bench = Bench(9 * MS)
    bench.submit_at(submitted)
    bench.run()
    assert bench.log == [("latched", latched), ("presented", presented)]


def test_without_a_delay_a_frame_is_latched_and_shown_at_the_vblank() -> None:
    bench = Bench(0)
    bench.submit_at(5 * MS)
    bench.run()
    assert bench.log == [("latched", 20 * MS), ("presented", 20 * MS)]


def test_a_frame_that_was_latched_is_presented_whatever_comes_behind_it() -> None:
    bench = Bench(9 * MS)
    bench.submit_at(1 * MS)
    bench.submit_at(10 * MS)
    bench.run()
    assert bench.log == [
        ("latched", 9 * MS), ("presented", 20 * MS), ("latched", 29 * MS), ("presented", 40 * MS),
    ]  # fmt: skip


def test_a_mode_set_between_repaint_and_vblank_keeps_the_frames_in_order() -> None:
    bench = Bench(9 * MS)
    bench.submit_at(1 * MS)
    bench.calendar.call_at(10 * MS, lambda: bench.presenter.set_mode("64x48@500"))
    bench.submit_at(11 * MS)
    bench.run()
    times = [when for what, when in bench.log if what == "presented"]
    assert [what for what, _ in bench.log] == ["latched", "presented"] * 2
    assert times == sorted(times)


@given(st.lists(st.integers(0, 200 * MS), min_size=1, max_size=12), st.integers(0, 19 * MS))
def test_every_frame_that_is_latched_is_presented_before_the_next_is_latched(
    times: list[int], delay_ns: int
) -> None:
    bench = Bench(delay_ns)
    for when in times:
        bench.submit_at(when)
    bench.run()
    assert [what for what, _ in bench.log] == ["latched", "presented"] * (len(bench.log) // 2)
    assert all(when % (20 * MS) == 0 for what, when in bench.log if what == "presented")
    assert sorted(feedback.commit for feedback in bench.heard) == [n + 1 for n in range(len(times))]
    assert any(isinstance(feedback, Presented) for feedback in bench.heard)


def test_closing_discards_a_frame_that_waits_for_its_vblank() -> None:
    bench = Bench(9 * MS)
    bench.submit_at(1 * MS)
    bench.calendar.run_next()
    bench.calendar.run_next()
    bench.presenter.close()
    bench.run()
    assert bench.log == [("latched", 9 * MS)]
    assert bench.heard == [Discarded(1)]


def test_feedback_says_when_in_which_refresh_and_how() -> None:
    bench = Bench(exact=True)
    bench.submit_at(45 * MS)
    bench.run()
    every = PresentationFlags(0xF)
    assert bench.heard == [Presented(1, 60 * MS, 20 * MS, 3, every, 1)]


def test_on_demand_there_is_no_vblank_to_be_in_step_with() -> None:
    bench = Bench(repaint="flush")
    bench.submit_at(45 * MS)
    bench.run()
    (feedback,) = bench.heard
    assert isinstance(feedback, Presented)
    assert (feedback.time_ns, feedback.flags) == (45 * MS, PresentationFlags.ZERO_COPY)


def test_an_output_with_a_pacing_of_its_own_keeps_it_on_demand_too() -> None:
    bench = Bench(repaint="flush", output=Output("64x48@50", pacing="delay=9"))
    bench.submit_at(1 * MS)
    bench.run()
    assert bench.log == [("latched", 9 * MS), ("presented", 20 * MS)]


def test_an_idle_output_makes_no_appointments() -> None:
    for repaint, output in (("vblank", None), ("flush", None), ("vblank", Output("64x48", pacing="triple"))):
        bench = Bench(repaint=repaint, output=output)
        bench.submit_at(1 * MS)
        bench.run()
        assert len(bench.heard) == 1
        assert bench.calendar.next_ns() is None


def test_unplugging_discards_what_is_under_way_and_a_new_monitor_shows_everything() -> None:
    bench = Bench(output=Output("64x48@50", pacing=Pacing(delay_ns=9 * MS)))
    bench.submit_at(1 * MS)
    bench.calendar.call_at(10 * MS, bench.presenter.unplug)
    bench.submit_at(11 * MS)
    bench.calendar.call_at(15 * MS, lambda: bench.presenter.plug(HeadlessScreen()))
    bench.run()
    assert bench.heard[0] == Discarded(1)
    assert [feedback.commit for feedback in bench.heard] == [1, 2]
    assert bench.log[-1] == ("presented", 40 * MS)
    assert bench.layer.pending is False


def test_a_screen_with_one_plane_is_shown_one_picture() -> None:
    class Window(HeadlessScreen):
        one_plane = True

    bench = Bench()
    assert not bench.presenter.output.one_plane
    bench.presenter.plug(Window())
    assert bench.presenter.output.one_plane
