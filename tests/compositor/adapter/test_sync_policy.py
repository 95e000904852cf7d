"""What each policy promises, at the display port: when fences signal, and what is shown."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.adapter.display import GuestDisplay, Placement
from compositor.adapter.late import LINUX_PATIENCE
from compositor.adapter.sync_policy import FOR_ANY_GUEST, SyncPolicy
from compositor.errors import BadInput, Misuse
from compositor.machine.presenter import Presenter
from compositor.observe.statistics import GuestStatistics
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.output.submission import Discarded, Feedback, Presented
from compositor.scene.tree import SceneTree
from compositor.screen.headless import HeadlessScreen
from virtio.clock import Calendar
from virtio.fence import Fence
from virtio.gpu.display import Rect, ScanoutImage
from virtio.gpu.formats import Format

FULL = Rect(0, 0, 64, 48)
MS = 1_000_000
PERIOD, REPAINT = 20 * MS, 9 * MS


class Bench:
    """A guest that fills the left of two 50 Hz outputs, which are repainted 9 ms after a vblank."""

    def __init__(self, policy: SyncPolicy, *, call_at: bool = True) -> None:
        self.calendar = Calendar()
        self.presenter, self.other = (
            Presenter(
                Output("64x48@50", name=name),
                self.calendar,
                screen=HeadlessScreen(),
                repaint_delay_ns=REPAINT,
            )
            for name in ("left", "right")
        )
        self.tree = SceneTree([self.presenter.output, self.other.output])
        self.statistics = GuestStatistics("guest", "simulated")
        self.reports: list[str] = []
        self.display = GuestDisplay(
            "guest",
            self.tree,
            [Placement()],
            statistics=self.statistics,
            now_ns=self.calendar.now_ns,
            read_stamp=lambda pixels: (int(pixels[0, 0, 0]), bool(pixels[0, 0, 0] != pixels[-1, 0, 0])),
            call_at=self.calendar.call_at if call_at else None,
        )
        self.display.policy = policy
        self.display.report = self.reports.append
        self.answers: list[Feedback] = []
        self.display.listeners.append(lambda _scanout, feedback: self.answers.append(feedback))
        self.shown: list[int] = []
        self.presenter.output.listeners.append(self._shown)
        self.buffers = [np.zeros((48, 64, 4), np.uint8) for _ in range(4)]

    def _shown(self, frame: Frame) -> None:
        self.shown.append(int(frame.pixels[0, 0, 0]))

    @property
    def answered(self) -> list[tuple[int, type[Feedback]]]:
        """The number of each flush that was answered, and what became of it."""
        return [(feedback.commit, type(feedback)) for feedback in self.answers]

    def flip(self, value: int, buffer: int | None = None) -> tuple[Fence | None, Fence | None]:
        """Draw and flip; the fences of SET_SCANOUT and of the flush."""
        index = value % 4 if buffer is None else buffer
        self.buffers[index][:] = value
        image = ScanoutImage(2 + index, self.buffers[index], Format.B8G8R8X8, zero_copy=True)
        return self.display.set_scanout(0, image), self.display.flush(0, FULL)

    def at(self, when_ns: int, call: Callable[[], object]) -> None:
        self.calendar.call_at(when_ns, lambda: (call(), None)[1])

    def run_to(self, when_ns: int) -> None:
        while (following := self.calendar.next_ns()) is not None and following <= when_ns:
            self.calendar.run_next()
        self.calendar.advance_to(when_ns)


def pixels_of(bench: Bench, buffer: int) -> NDArray[np.uint8]:
    return bench.buffers[buffer]


def test_none_answers_at_once_and_shows_all_the_same() -> None:
    bench = Bench(SyncPolicy.NONE)
    assert bench.flip(1) == (None, None)
    bench.run_to(PERIOD)
    assert bench.shown == [1]


@pytest.mark.parametrize("policy", [SyncPolicy.BLOCKING, SyncPolicy.RELEASE])
def test_release_answers_with_the_presentation(policy: SyncPolicy) -> None:
    bench = Bench(policy)
    release, fence = bench.flip(1)
    assert release is None
    assert fence is not None
    bench.run_to(PERIOD - 1)
    assert not fence.signaled
    bench.run_to(PERIOD)
    assert fence.signaled


def test_out_fence_completes_the_flip_when_it_is_latched_and_releases_when_it_is_shown() -> None:
    bench = Bench(SyncPolicy.OUT_FENCE)
    assert bench.flip(1)[0] is None  # there was nothing to give back
    bench.run_to(PERIOD)
    release, flip = bench.flip(2)
    assert release is not None
    assert flip is not None
    bench.run_to(PERIOD + REPAINT - 1)
    assert (release.signaled, flip.signaled) == (False, False)
    bench.run_to(PERIOD + REPAINT)
    assert (release.signaled, flip.signaled) == (False, True)
    bench.run_to(2 * PERIOD)
    assert release.signaled
    assert bench.shown == [1, 2]


def test_a_release_that_no_flush_follows_is_given_when_the_scanout_goes_dark() -> None:
    bench = Bench(SyncPolicy.OUT_FENCE)
    bench.flip(1)
    image = ScanoutImage(9, bench.buffers[3], Format.B8G8R8X8, zero_copy=True)
    release = bench.display.set_scanout(0, image)
    assert bench.display.set_scanout(0, image) is release
    bench.display.set_scanout(0, None)
    assert release is not None
    assert release.signaled


def test_a_queue_shows_every_frame_in_order() -> None:
    bench = Bench(SyncPolicy.QUEUE)
    fences = [bench.flip(1)[1], bench.flip(2)[1]]
    bench.run_to(PERIOD)
    assert [fence is not None and fence.signaled for fence in fences] == [True, False]
    bench.run_to(2 * PERIOD)
    assert [fence is not None and fence.signaled for fence in fences] == [True, True]
    assert bench.shown == [1, 2]
    assert bench.statistics.frames["discarded"] == 0


def test_a_queue_that_overflows_gives_up_the_newest_and_stays_bounded() -> None:
    bench = Bench(SyncPolicy.QUEUE)
    fences = [bench.flip(value, buffer)[1] for value, buffer in ((1, 0), (2, 1), (3, 2), (4, 3))]
    bench.run_to(3 * PERIOD)
    assert bench.shown == [1, 4]
    assert all(fence is not None and fence.signaled for fence in fences)
    assert bench.answered == [(2, Discarded), (3, Discarded), (1, Presented), (4, Presented)]
    assert bench.statistics.flips_outstanding == 2


def test_switching_away_from_the_queue_gives_up_what_waits() -> None:
    bench = Bench(SyncPolicy.QUEUE)
    bench.flip(1)
    bench.flip(2)
    bench.display.policy = SyncPolicy.RELEASE
    bench.flip(3)
    bench.run_to(3 * PERIOD)
    assert bench.shown == [3]
    assert bench.answered == [(2, Discarded), (1, Discarded), (3, Presented)]
    assert bench.statistics.frames["discarded"] == 2
    assert bench.reports == []


@given(
    st.lists(
        st.tuples(st.integers(0, 30 * MS), st.sampled_from(SyncPolicy), st.booleans()),
        min_size=1,
        max_size=20,
    )
)
def test_under_any_policies_every_flip_ends_once_and_every_fence_signals(
    steps: list[tuple[int, SyncPolicy, bool]],
) -> None:
    bench = Bench(SyncPolicy.RELEASE)
    fences: list[Fence] = []
    now = 0
    for value, (pause, policy, dark) in enumerate(steps, 1):
        now += pause
        bench.run_to(now)
        bench.display.policy = policy
        fences += [fence for fence in bench.flip(value) if fence is not None]
        if dark:
            bench.display.set_scanout(0, None)
    bench.run_to(now + 4 * PERIOD)
    assert all(fence.signaled for fence in fences if fence is not bench.display.heads[0].flips._release)
    frames = bench.statistics.frames
    assert frames["presented"] + frames["discarded"] == frames["submitted"] == len(steps)
    assert sorted(feedback.commit for feedback in bench.answers) == [n + 1 for n in range(len(steps))]
    assert bench.shown == sorted(bench.shown) or 0 in bench.shown


@pytest.mark.parametrize("policy", [SyncPolicy.RELEASE, SyncPolicy.OUT_FENCE, SyncPolicy.QUEUE])
def test_a_guest_that_leaves_has_all_its_fences_signalled(policy: SyncPolicy) -> None:
    bench = Bench(policy)
    fences = [fence for value in (1, 2) for fence in bench.flip(value) if fence is not None]
    bench.run_to(REPAINT)  # one of them is latched, and not shown
    bench.display.close()
    assert all(fence.signaled for fence in fences)
    assert sorted(bench.answered) == [(1, Discarded), (2, Discarded)]
    bench.run_to(5 * PERIOD)
    assert len(bench.answered) == 2, "the frame that was under way has no more to say"


# A flip that leaves its output.


def test_a_flip_whose_frame_is_under_way_is_presented_though_its_scanout_goes_dark() -> None:
    bench = Bench(SyncPolicy.RELEASE)
    _, fence = bench.flip(1)
    bench.run_to(REPAINT)
    bench.display.set_scanout(0, None)
    bench.run_to(PERIOD - 1)
    assert fence is not None
    assert (fence.signaled, bench.answered) == (False, [])
    bench.run_to(PERIOD)
    assert (fence.signaled, bench.answered) == (True, [(1, Presented)])


def test_a_flip_whose_frame_is_under_way_is_presented_though_its_scanout_moves_to_another_output() -> None:
    bench = Bench(SyncPolicy.RELEASE)
    _, fence = bench.flip(1)
    bench.run_to(REPAINT)
    bench.display.heads[0].put(Placement(output=1))
    assert fence is not None
    assert (fence.signaled, bench.answered) == (False, [])
    bench.run_to(PERIOD)
    assert (fence.signaled, bench.answered) == (True, [(1, Presented)])
    bench.run_to(3 * PERIOD)
    assert bench.answered == [(1, Presented)], "the other output shows the picture, and no submission"


def test_a_flip_that_is_not_latched_moves_along_to_another_output() -> None:
    bench = Bench(SyncPolicy.RELEASE)
    _, fence = bench.flip(1)
    bench.display.heads[0].put(Placement(output=1))
    assert fence is not None
    assert not fence.signaled
    bench.run_to(PERIOD)
    assert (fence.signaled, bench.answered) == (True, [(1, Presented)])


@pytest.mark.parametrize("when_ns", [REPAINT - 1, REPAINT])
@pytest.mark.parametrize("policy", [SyncPolicy.RELEASE, SyncPolicy.OUT_FENCE, SyncPolicy.QUEUE])
def test_a_flip_on_a_monitor_that_goes_away_is_discarded(policy: SyncPolicy, when_ns: int) -> None:
    bench = Bench(policy)
    _, fence = bench.flip(1)
    bench.run_to(when_ns)
    bench.presenter.unplug()
    bench.tree.outputs_changed()
    assert fence is not None
    assert (fence.signaled, bench.answered) == (True, [(1, Discarded)])
    bench.run_to(3 * PERIOD)
    assert bench.shown == []


@pytest.mark.parametrize("when_ns", [REPAINT - 1, REPAINT])
def test_a_queue_does_not_stop_when_its_monitor_goes_away(when_ns: int) -> None:
    bench = Bench(SyncPolicy.QUEUE)
    fences = [bench.flip(1)[1], bench.flip(2)[1]]
    bench.run_to(when_ns)
    bench.presenter.unplug()
    bench.tree.outputs_changed()
    bench.run_to(3 * PERIOD)
    assert [fence is not None and fence.signaled for fence in fences] == [True, True]
    assert bench.answered == [(1, Discarded), (2, Discarded)]


# Torn frames and early reuse.


def test_a_buffer_that_is_drawn_into_until_it_is_shown_is_torn() -> None:
    bench = Bench(SyncPolicy.NONE)
    bench.flip(1)
    bench.at(REPAINT + 1, lambda: pixels_of(bench, 1)[:24].fill(2))
    bench.run_to(PERIOD)
    assert bench.statistics.frames["torn"] == 1


def test_a_copy_is_not_torn_by_what_the_guest_does_later() -> None:
    bench = Bench(SyncPolicy.NONE)
    bench.presenter.output.direct_scanout = False
    bench.flip(1)
    bench.at(REPAINT + 1, lambda: pixels_of(bench, 1)[:24].fill(2))
    bench.run_to(PERIOD)
    bench.flip(2)
    assert bench.statistics.frames["torn"] == 0
    assert bench.statistics.frames["early_reuse"] == 1


def test_the_buffer_on_the_screen_is_the_hosts_until_the_next_one_is_shown() -> None:
    bench = Bench(SyncPolicy.NONE)
    bench.flip(1)
    bench.run_to(PERIOD)
    bench.flip(2)
    pixels_of(bench, 1)[:] = 3
    bench.run_to(2 * PERIOD)
    assert bench.statistics.early_reuse == [
        {"frame": 1, "rows": [0, 47], "fence": 2, "owner": "left", "held_ms": 20.0}
    ]
    assert len(bench.reports) == 1
    assert bench.reports[0].startswith("guest: early reuse: frame 1 was drawn over (rows 0 to 47)")


def test_reports_are_made_once_and_details_are_bounded() -> None:
    bench = Bench(SyncPolicy.NONE)
    for value in range(1, 32):
        bench.flip(value, value % 2)
        bench.buffers[value % 2][:] = 255 - value
        bench.run_to(value * PERIOD)
    assert bench.statistics.frames["early_reuse"] == 30
    assert (len(bench.reports), len(bench.statistics.early_reuse)) == (1, 16)


@pytest.mark.parametrize("policy", list(SyncPolicy))
@pytest.mark.parametrize("before", [0, 3])
def test_a_text_console_that_draws_in_its_one_buffer_is_no_early_reuse(
    policy: SyncPolicy, before: int
) -> None:
    """Whether it comes first, or after a desktop that flips."""
    bench = Bench(policy)
    for value in range(1, before + 1):
        bench.flip(value, value % 2)
        bench.run_to(value * PERIOD)
    for value in range(before + 1, before + 6):
        bench.flip(value, 3)
        bench.buffers[3][:] = 100 + value
        bench.run_to(value * PERIOD)
    bench.flip(100, 0)
    bench.run_to((before + 7) * PERIOD)
    assert bench.statistics.frames["early_reuse"] == 0
    assert bench.reports == []


def test_the_newest_buffer_is_found_as_reused_when_another_one_is_flushed() -> None:
    bench = Bench(SyncPolicy.NONE)
    bench.flip(1)
    pixels_of(bench, 1)[:] = 9
    bench.run_to(PERIOD)
    assert bench.statistics.frames["early_reuse"] == 0
    bench.flip(2)
    assert bench.statistics.frames["early_reuse"] == 1


def test_a_picture_that_is_switched_off_leaves_no_finding_behind() -> None:
    bench = Bench(SyncPolicy.NONE)
    bench.flip(1)
    pixels_of(bench, 1)[:] = 9
    bench.run_to(PERIOD)
    bench.display.set_scanout(0, None)
    bench.flip(2)
    assert bench.statistics.frames["early_reuse"] == 0


def test_a_driver_that_gave_up_is_not_said_not_to_have_waited() -> None:
    """Its 50 ms began when it queued the flush, so they are over before the host has held it for as long."""
    bench = Bench(SyncPolicy.RELEASE)
    bench.display.late.patience = LINUX_PATIENCE
    bench.flip(1)
    bench.run_to(PERIOD)
    bench.display.hold_ns = 25 * MS
    bench.flip(2)
    bench.at(2 * PERIOD + 20 * MS, lambda: pixels_of(bench, 1).fill(9))
    bench.run_to(4 * PERIOD)
    assert bench.reports == [
        "guest: early reuse: frame 1 was drawn over (rows 0 to 47) while left still had it, before fence 2, "
        "which came 45.0 ms after its flush; Linux's driver waits 50 ms at most"
    ]


def test_a_guest_that_waits_is_never_reported() -> None:
    bench = Bench(SyncPolicy.RELEASE)
    for value in range(1, 9):
        bench.flip(value, value % 2)
        bench.run_to(value * PERIOD)
    assert bench.statistics.frames["early_reuse"] == bench.statistics.frames["torn"] == 0


def test_drawing_into_a_buffer_that_is_shown_and_flushed_again_is_the_guests_right() -> None:
    bench = Bench(SyncPolicy.RELEASE)
    for value in range(1, 4):
        bench.flip(value, 0)
        bench.run_to(value * PERIOD)
    assert bench.reports == []


@pytest.mark.parametrize(("hold_ms", "found"), [(0, 0), (49, 0), (51, 1)])
def test_a_fence_can_be_held_and_who_does_not_wait_for_it_is_found(hold_ms: int, found: int) -> None:
    bench = Bench(SyncPolicy.RELEASE)
    bench.flip(1)
    bench.run_to(PERIOD)
    bench.display.hold_ns = hold_ms * MS
    _, fence = bench.flip(2)
    bench.at(2 * PERIOD + 50 * MS, lambda: pixels_of(bench, 1).fill(9))
    bench.run_to(2 * PERIOD + 100 * MS)
    assert fence is not None
    assert fence.signaled
    assert bench.statistics.frames["early_reuse"] == found


def test_to_hold_a_fence_takes_a_calendar() -> None:
    bench = Bench(SyncPolicy.RELEASE, call_at=False)
    bench.display.hold_ns = 1
    bench.flip(1)
    with pytest.raises(Misuse, match="no calendar"):
        bench.run_to(PERIOD)


def test_policies_have_names_and_not_all_are_for_every_guest() -> None:
    assert SyncPolicy.parse("out-fence", tuple(SyncPolicy), "g") is SyncPolicy.OUT_FENCE
    with pytest.raises(BadInput, match="guest g: sync 'out-fence' is not for it; there are none, blocking"):
        SyncPolicy.parse("out-fence", FOR_ANY_GUEST, "g")
