"""The pipeline, with an output, and a client that commits again when it hears that its frame was latched."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositor.frame_clock import Pacing, VariableRefresh
from compositor.frame_clock.timing import TimingModel
from compositor.machine.presenter import Presenter
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.output.submission import Feedback, Presented, Submission
from compositor.pixels.format import PixelFormat
from compositor.screen.headless import HeadlessScreen
from virtio.clock import Calendar

MS = 1_000_000
PERIOD = 20 * MS  # 50 Hz


class Client:
    """Commits a picture as soon as, or `think_ns` after, the compositor latched the one before."""

    def __init__(
        self,
        pacing: str | Pacing | None = None,
        *,
        compose_ns: int = 0,
        render_ns: int = 0,
        think_ns: int = 0,
        variable: VariableRefresh | None = None,
    ) -> None:
        self.calendar = Calendar()
        self.output = Output("64x48@50", pacing=pacing, variable_refresh=variable, direct_scanout=False)
        timing = TimingModel(compose_ns=compose_ns, render_ns=render_ns)
        self.presenter = Presenter(
            self.output, self.calendar, screen=HeadlessScreen(), timing=timing, exact=True
        )
        self.think_ns = think_ns
        self.commits = 0
        self.limit = 60
        self.latched: list[int] = []
        self.shown: list[int] = []
        self.pictures: list[int] = []
        self.layer = OutputLayer("s")
        self.output.add(self.layer)
        self.output.listeners.append(lambda frame: self.pictures.append(int(frame.pixels[0, 0, 0])))

    def commit(self) -> None:
        if self.commits < self.limit:
            self.commits += 1
            pixels = np.full((48, 64, 4), self.commits % 251, np.uint8)
            submission = Submission("s", self.commits, self._latched, self._answered)
            self.output.show(self.layer, Buffer(pixels, PixelFormat.XRGB8888, submission=submission))
            submission.handed_out()

    def _latched(self) -> None:
        self.latched.append(self.calendar.now_ns())
        if self.think_ns:
            self.calendar.call_at(self.calendar.now_ns() + self.think_ns, self.commit)
        else:
            self.commit()

    def _answered(self, feedback: Feedback) -> None:
        if isinstance(feedback, Presented):
            assert feedback.time_ns == self.calendar.now_ns()
            self.shown.append(feedback.time_ns)

    def run(self) -> "Client":
        self.calendar.call_at(1, self.commit)
        while self.calendar.run_next():
            pass
        return self

    @property
    def steps(self) -> list[float]:
        """Refreshes from one frame to the next, once there is a rhythm."""
        late = self.shown[len(self.shown) // 2 :]
        return [(b - a) / PERIOD for a, b in pairwise(late)]


def test_work_that_takes_longer_than_a_refresh_halves_the_rate_of_double_buffering() -> None:
    client = Client("adaptive", compose_ns=11 * MS, render_ns=11 * MS).run()
    assert set(client.steps) == {2.0}
    assert client.presenter.statistics().missed_vblanks == pytest.approx(client.limit, abs=1)


def test_triple_buffering_restores_the_full_rate() -> None:
    """Mutter !1441, KWin !4833."""
    client = Client("triple", compose_ns=11 * MS, render_ns=11 * MS).run()
    assert set(client.steps) == {1.0}
    assert client.presenter.statistics().missed_vblanks < 5, "until it knew what a frame costs"


def test_triple_buffering_cannot_make_a_gpu_faster() -> None:
    client = Client("triple", render_ns=30 * MS).run()
    assert sum(client.steps) / len(client.steps) == pytest.approx(1.5, abs=0.05)


def test_triple_buffering_waits_like_double_buffering_while_work_is_short() -> None:
    pair = [Client(name, compose_ns=4 * MS, render_ns=4 * MS).run() for name in ("adaptive", "triple")]
    assert pair[0].shown == pair[1].shown
    assert pair[0].latched == pair[1].latched


def test_adaptive_pacing_begins_as_late_as_the_work_allows() -> None:
    client = Client("adaptive", compose_ns=3 * MS, render_ns=2 * MS).run()
    latency = {shown - latched for latched, shown in zip(client.latched, client.shown, strict=True)}
    assert 6 * MS <= min(latency) < 6_500_000, "what it costs, the margin, and a fading memory of the first"
    assert set(client.steps) == {1.0}


def test_a_window_that_is_too_short_misses_its_vblank_every_time_and_counts_it() -> None:
    client = Client("window=7", render_ns=8 * MS).run()
    assert set(client.steps) == {2.0}
    assert client.presenter.statistics().missed_vblanks == client.limit


def test_a_window_that_is_long_enough_misses_none() -> None:
    client = Client("window=7", render_ns=6 * MS).run()
    assert set(client.steps) == {1.0}
    assert client.presenter.statistics().missed_vblanks == 0


def test_costs_without_a_pacing_begin_at_the_vblank() -> None:
    client = Client(render_ns=12 * MS).run()
    assert {latched % PERIOD for latched in client.latched} == {0}
    assert set(client.steps) == {1.0}


def test_a_variable_panel_shows_a_frame_as_soon_as_it_is_finished() -> None:
    panel = VariableRefresh(20_000, 100_000)
    client = Client(render_ns=5 * MS, think_ns=13 * MS, variable=panel).run()
    assert {shown - latched for latched, shown in zip(client.latched, client.shown, strict=True)} == {5 * MS}
    assert {b - a for a, b in pairwise(client.shown)} == {13 * MS}, "the client's pace; no grid"


def test_a_variable_panel_is_not_driven_faster_than_it_can() -> None:
    client = Client(render_ns=1 * MS, variable=VariableRefresh(20_000, 100_000)).run()
    assert {b - a for a, b in pairwise(client.shown)} == {10 * MS}


pacings = st.sampled_from(["adaptive", "triple", "window=7", "delay=9", "delay=0", "triple=0"])
costs = st.integers(0, 3 * PERIOD)


@settings(deadline=None)
@given(pacings, costs, costs, st.integers(0, 2 * PERIOD))
def test_every_commit_is_shown_in_order_on_the_grid_with_its_own_picture(
    pacing: str, compose_ns: int, render_ns: int, think_ns: int
) -> None:
    """Though others are painted before it is on the screen."""
    client = Client(pacing, compose_ns=compose_ns, render_ns=render_ns, think_ns=think_ns)
    client.limit = 20
    client.run()
    assert client.pictures == [number + 1 for number in range(20)]
    assert client.shown == sorted(set(client.shown))
    assert all(time % PERIOD == 0 for time in client.shown)
    for latched, shown in zip(client.latched, client.shown, strict=True):
        assert shown - latched >= compose_ns + render_ns


def test_frames_in_flight_have_buffers_of_their_own_and_they_are_used_again() -> None:
    client = Client("triple", compose_ns=11 * MS, render_ns=11 * MS).run()
    assert client.pictures == [number + 1 for number in range(60)]
    assert len(client.output.framebuffers) == 3
