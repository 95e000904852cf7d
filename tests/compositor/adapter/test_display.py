"""The adapter, driven as a device would drive it."""

import numpy as np
import pytest

from compositor.adapter.display import GuestDisplay, Placement
from compositor.errors import BadInput
from compositor.machine.presenter import Presenter
from compositor.observe.statistics import GuestStatistics
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.output.submission import Feedback, Presented
from compositor.scene.tree import SceneTree
from compositor.screen.headless import HeadlessScreen
from virtio.clock import Calendar
from virtio.fence.watchdog import Watchdog
from virtio.gpu.display import CursorImage, Rect, ScanoutImage
from virtio.gpu.formats import Format

FULL = Rect(0, 0, 64, 48)


class Bench:
    """One guest with two scanouts: one fills the output, one is a window on it."""

    def __init__(self, *, fixed_refresh: bool) -> None:
        self.calendar = Calendar()
        self.output, self.mirror = (Output("64x48@60", name=name) for name in ("left", "right"))
        for output in (self.output, self.mirror):
            Presenter(
                output,
                self.calendar,
                screen=HeadlessScreen(),
                repaint="vblank" if fixed_refresh else "flush",
            )
        self.statistics = GuestStatistics("guest", "simulated")
        self.display = GuestDisplay(
            "guest",
            SceneTree([self.output, self.mirror]),
            [Placement(), Placement(x=8, y=4, width=32, height=16)],
            statistics=self.statistics,
            now_ns=self.calendar.now_ns,
            read_stamp=lambda pixels: (int(pixels[0, 0, 0]), bool(pixels[0, 0, 1])),
        )
        self.frames: list[Frame] = []
        self.output.listeners.append(self.frames.append)

    def image(self, value: int, *, torn: bool = False, width: int = 64, height: int = 48) -> ScanoutImage:
        pixels = np.full((height, width, 4), value, np.uint8)
        pixels[0, 0, 1] = torn
        return ScanoutImage(2, pixels, Format.B8G8R8X8, zero_copy=True)

    def vblank(self) -> None:
        self.calendar.run_next()


@pytest.fixture
def grid() -> Bench:
    return Bench(fixed_refresh=True)


@pytest.fixture
def on_flush() -> Bench:
    return Bench(fixed_refresh=False)


def test_the_guest_is_told_its_own_sizes_and_the_outputs_rate(grid: Bench) -> None:
    full, window = grid.display.modes()
    assert (full.width, full.height, full.refresh_mhz, full.name) == (64, 48, 60_000, "left")
    assert (window.width, window.height) == (32, 16)


def test_a_flush_waits_for_the_vblank_and_its_fence_for_the_presentation(grid: Bench) -> None:
    grid.display.set_scanout(0, grid.image(5))
    fence = grid.display.flush(0, FULL)
    assert fence is not None
    assert not fence.signaled
    grid.vblank()
    assert fence.signaled
    assert [frame.frame_ids for frame in grid.frames] == [{"guest": 5}]
    assert grid.statistics.as_dict()["latency_ms"]["p50"] == 16.67


def test_a_watchdog_names_the_output_that_holds_a_late_flips_fence(grid: Bench) -> None:
    grid.display.set_scanout(0, grid.image(5))
    fence = grid.display.flush(0, FULL)
    assert fence is not None
    watchdog = Watchdog()
    watchdog.watch(fence, 1_000_000)
    (late,) = watchdog.check(3_000_000)
    assert (late.timeline, late.seqno, late.owner, late.late_ns) == ("guest", 1, "left", 2_000_000)


def test_a_flush_that_is_overtaken_is_discarded_and_its_fence_signals(grid: Bench) -> None:
    grid.display.set_scanout(0, grid.image(5))
    first = grid.display.flush(0, FULL)
    grid.display.set_scanout(0, grid.image(6))
    second = grid.display.flush(0, FULL)
    assert first is not None
    assert second is not None
    assert (first.signaled, second.signaled) == (True, False)
    grid.vblank()
    assert second.signaled
    assert grid.statistics.frames == {
        "submitted": 2,
        "presented": 1,
        "discarded": 1,
        "torn": 0,
        "early_reuse": 0,
    }


def test_on_demand_the_host_is_done_when_the_flush_returns(on_flush: Bench) -> None:
    on_flush.display.set_scanout(0, on_flush.image(5))
    assert on_flush.display.flush(0, FULL) is None
    assert len(on_flush.frames) == 1


@pytest.mark.parametrize("flips", [1, 2])
def test_on_demand_a_mirrored_flush_is_answered_when_both_outputs_show_it(
    on_flush: Bench, flips: int
) -> None:
    """Though the first of them repaints within the call, before the second one has heard of the image."""
    on_flush.display.heads[0].put(Placement(mirrors=(1,)))
    log: list[str] = []

    def answered(scanout: str, feedback: Feedback) -> None:
        assert isinstance(feedback, Presented)
        log.append(f"{scanout} {feedback.commit}")

    on_flush.display.listeners.append(answered)
    for output in (on_flush.output, on_flush.mirror):
        output.listeners.append(lambda frame: log.append(f"{frame.output} {frame.frame_ids['guest']}"))
    for number in range(1, flips + 1):
        log.clear()
        on_flush.display.set_scanout(0, on_flush.image(number))
        assert on_flush.display.flush(0, FULL) is None
        assert log == [f"left {number}", f"right {number}", f"guest {number}"]


def test_the_scanout_alone_shows_nothing_before_it_is_flushed(on_flush: Bench) -> None:
    on_flush.display.set_scanout(0, on_flush.image(5))
    assert on_flush.frames == []
    assert on_flush.display.flush(1, FULL) is None  # nothing is bound there
    assert on_flush.frames == []


def test_damage_of_the_same_image_is_the_flushed_rectangle_of_another_one_everything(
    on_flush: Bench,
) -> None:
    image = on_flush.image(5)
    on_flush.display.set_scanout(0, image)
    on_flush.display.flush(0, FULL)
    on_flush.display.flush(0, Rect(1, 2, 3, 4))
    on_flush.display.set_scanout(0, on_flush.image(6))
    on_flush.display.flush(0, Rect(1, 2, 3, 4))
    assert [frame.damage for frame in on_flush.frames] == [
        ((0, 0, 64, 48),), ((1, 2, 3, 4),), ((0, 0, 64, 48),),
    ]  # fmt: skip


def test_a_torn_frame_is_counted(on_flush: Bench) -> None:
    on_flush.display.set_scanout(0, on_flush.image(5, torn=True))
    on_flush.display.flush(0, FULL)
    assert on_flush.statistics.frames["torn"] == 1


def test_an_unbound_scanout_goes_dark_at_once_and_says_so_before(on_flush: Bench) -> None:
    told: list[int] = []
    on_flush.output.on_blank = lambda: told.append(len(on_flush.frames))
    on_flush.display.set_scanout(0, None)
    assert told == []  # it was dark
    on_flush.display.set_scanout(0, on_flush.image(5))
    on_flush.display.flush(0, FULL)
    on_flush.display.set_scanout(0, None)
    assert told == [1]
    assert not on_flush.frames[-1].pixels[..., :3].any()


def test_the_cursors_corner_lies_on_the_position_in_its_scanouts_window(on_flush: Bench) -> None:
    on_flush.display.set_scanout(0, on_flush.image(0))
    on_flush.display.flush(0, FULL)
    on_flush.display.set_scanout(1, on_flush.image(0, width=32, height=16))
    on_flush.display.flush(1, Rect(0, 0, 32, 16))
    picture = CursorImage(np.full((4, 4, 4), 255, np.uint8), hot_x=1, hot_y=2)
    on_flush.display.set_cursor(1, picture, 10, 6)
    on_flush.vblank()
    assert lit(on_flush.frames[-1]) == (8 + 10, 4 + 6, 4, 4)
    on_flush.display.move_cursor(1, -1, -3)
    on_flush.vblank()
    assert lit(on_flush.frames[-1]) == (8, 4, 3, 1)
    on_flush.display.set_cursor(1, None, 0, 0)
    on_flush.vblank()
    assert lit(on_flush.frames[-1]) is None


def lit(frame: Frame) -> tuple[int, int, int, int] | None:
    """Extents of the white pixels."""
    rows, columns = np.nonzero(frame.pixels[..., 0])
    if not len(rows):
        return None
    x, y = int(columns.min()), int(rows.min())
    return x, y, int(columns.max()) + 1 - x, int(rows.max()) + 1 - y


def test_a_guest_that_closes_leaves_no_surface_and_no_fence_behind(grid: Bench) -> None:
    grid.display.set_scanout(0, grid.image(5))
    fence = grid.display.flush(0, FULL)
    grid.display.close()
    assert fence is not None
    assert fence.signaled
    assert not grid.output.layers


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (Placement(output=1), "guest g: no output 1; there are 1, counted from 0"),
        (Placement(width=15), "guest g: width 15 is not in 16 to 8192"),
        (Placement(height=8193), "guest g: height 8193 is not in 16 to 8192"),
    ],
)
def test_an_impossible_placement_is_refused_by_name(grid: Bench, place: Placement, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        GuestDisplay(
            "g",
            SceneTree([grid.output]),
            [place],
            statistics=grid.statistics,
            now_ns=grid.calendar.now_ns,
            read_stamp=lambda _: (None, False),
        )
