from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.output.frame import BACKGROUND, Frame
from compositor.output.mode import Mode
from compositor.output.output import FrameState, Output
from compositor.output.plane import PRIMARY_ONLY, PlaneBudget
from compositor.output.presentation import Discarded, Feedback, PresentationFlags, Presented
from compositor.output.scene import CURSOR_Z, Buffer, Surface
from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.region import LIMIT

WIDTH, HEIGHT = 32, 16
SCREEN = Rect(0, 0, WIDTH, HEIGHT)
MODE = f"{WIDTH}x{HEIGHT}"


def buffer(
    seed: int = 0,
    *,
    size: tuple[int, int] = (WIDTH, HEIGHT),
    pixel_format: PixelFormat = PixelFormat.XRGB8888,
    frame_id: int | None = None,
) -> Buffer:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), np.uint8)
    return Buffer(pixels, pixel_format, frame_id=frame_id)


def add(
    output: Output, name: str, content: Buffer | None = None, *, x: int = 0, y: int = 0, z: int = 0
) -> Surface:
    surface = Surface(name, x=x, y=y, z=z)
    output.scene.add(surface)
    if content is not None:
        surface.submit(content)
    return surface


def state(output: Output) -> FrameState:
    return output.state  # not narrowed by an earlier assertion


def commit(output: Output, now_ns: int = 0) -> Frame:
    frame = output.commit(now_ns)
    assert frame is not None
    frame.release()
    return frame


def covered(rects: tuple[Rect, ...]) -> NDArray[np.bool_]:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    for rect in rects:
        mask[rect.y : rect.bottom, rect.x : rect.right] = True
    return mask


# Idle, and the life of a frame


def test_a_new_output_shows_its_background_once_and_is_idle_then() -> None:
    output = Output(MODE, background=0x102030)
    assert state(output) is FrameState.NEEDS_FRAME
    frame = commit(output, 123)
    assert (frame.commit_seq, frame.present_time_ns, frame.damage) == (1, 123, (SCREEN,))
    assert (frame.snapshot() == (0x10, 0x20, 0x30, 0xFF)).all()
    assert state(output) is FrameState.PRESENTED
    assert output.commit(124) is None
    assert state(output) is FrameState.IDLE
    assert output.commit(125) is None
    assert output.commit_seq == 1


def test_a_frame_is_asked_for_once_until_it_is_committed() -> None:
    output = Output(MODE)
    asked: list[FrameState] = []
    commit(output)
    output.on_needs_frame = lambda: asked.append(output.state)
    surface = add(output, "guest-0", buffer())
    surface.submit(buffer(1))
    surface.move(1, 1)
    assert asked == [FrameState.NEEDS_FRAME]
    commit(output)
    surface.move(0, 0)
    assert len(asked) == 2


def test_changes_that_nobody_can_see_ask_for_nothing() -> None:
    output = Output(MODE)
    cursor = add(output, "cursor", buffer(size=(4, 4)), x=-10, z=CURSOR_Z)
    commit(output)
    output.on_needs_frame = lambda: pytest.fail("asked for a frame")
    cursor.move(WIDTH, 3)
    cursor.move(2**31, -(2**31))
    cursor.hide()
    cursor.move(3, 3)
    assert output.commit(0) is None


def test_a_submission_out_of_sight_is_presented_without_painting() -> None:
    """Its guest waits to hear of it."""
    output = Output(MODE)
    surface = add(output, "guest-0", x=WIDTH)
    commit(output)
    surface.submit(buffer())
    frame = commit(output)
    assert (frame.damage, frame.compose_bytes) == ((), 0)
    assert surface.presented == 1


def test_a_submission_that_goes_away_again_needs_no_frame() -> None:
    output = Output(MODE)
    surface = add(output, "guest-0", x=WIDTH)
    commit(output)
    surface.submit(buffer())
    surface.hide()
    assert state(output) is FrameState.NEEDS_FRAME
    assert output.commit(0) is None
    assert state(output) is FrameState.IDLE


# Feedback


def test_every_submission_is_presented_or_discarded() -> None:
    output = Output(MODE)
    heard: list[Feedback] = []
    surface = Surface("guest-0", on_feedback=heard.append)
    output.scene.add(surface)
    surface.submit(buffer(1, frame_id=1))
    surface.submit(buffer(2, frame_id=2))
    frame = output.commit(0)
    assert frame is not None
    assert heard == [Discarded(1)], "not before the frame is released"
    surface.submit(buffer(3, frame_id=3))
    frame.release()
    assert heard[1:] == [Presented(2, 0, 0, 0, PresentationFlags.ZERO_COPY, 1)]
    assert frame.frame_ids == {"guest-0": 2}
    commit(output)
    assert heard[2:] == [Presented(3, 0, 0, 0, PresentationFlags.ZERO_COPY, 2)]
    assert (surface.submitted, surface.presented, surface.discarded) == (3, 2, 1)


def test_a_frame_tells_only_those_who_have_something_new_in_it() -> None:
    output = Output(MODE)
    heard: list[str] = []
    names = ("left", "right")
    surfaces = [Surface(name, x=x) for name, x in zip(names, (0, 16), strict=True)]
    for number, surface in enumerate(surfaces):
        output.scene.add(surface)
        surface.on_feedback = lambda _, name=surface.name: heard.append(name)
        surface.submit(buffer(size=(16, 16), frame_id=number))
    commit(output)
    surfaces[1].submit(buffer(1, size=(16, 16), frame_id=7))
    frame = commit(output)
    assert heard == ["left", "right", "right"]
    assert frame.frame_ids == {"left": 0, "right": 7}


def test_a_guest_may_answer_a_frame_with_the_next_one() -> None:
    """Also when the repaint follows at once, within the call."""
    output = Output(MODE)
    frames: list[int] = []

    def answer(feedback: Feedback) -> None:
        assert isinstance(feedback, Presented)
        frames.append(feedback.frame_seq)
        if feedback.frame_seq < 5:
            surface.submit(buffer(feedback.frame_seq))

    surface = Surface("guest-0", on_feedback=answer)
    output.scene.add(surface)
    output.on_needs_frame = lambda: commit(output)  # type: ignore[assignment]
    commit(output)
    surface.submit(buffer())
    assert frames == [2, 3, 4, 5]
    assert state(output) is FrameState.PRESENTED


# Direct scan-out


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_a_buffer_that_fills_the_screen_is_scanned_out_as_it_is(pixel_format: PixelFormat) -> None:
    output, content = Output(MODE), buffer(pixel_format=pixel_format)
    add(output, "guest-0", content)
    frame = commit(output)
    assert (frame.direct, frame.composed, frame.format) == (True, {"guest-0": 0}, pixel_format)
    assert np.shares_memory(frame.pixels, content.pixels)
    assert not frame.pixels.flags.writeable
    assert content.pixels.flags.writeable


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_direct_scanout_and_composition_show_the_same_picture(pixel_format: PixelFormat) -> None:
    """Over black; so a buffer with alpha can be scanned out as well."""
    pictures = []
    for direct in (True, False):
        output = Output(MODE, direct_scanout=direct)
        add(output, "guest-0", buffer(pixel_format=pixel_format))
        frame = commit(output)
        assert frame.direct == direct
        pictures.append(frame.snapshot())
    np.testing.assert_array_equal(pictures[0], pictures[1])


@pytest.mark.parametrize(
    "change",
    [
        lambda output: add(output, "small", buffer(size=(WIDTH, HEIGHT - 1))),
        lambda output: add(output, "large", buffer(size=(WIDTH + 1, HEIGHT))),
        lambda output: add(output, "shifted", buffer(), x=1),
        lambda output: [
            add(output, "full", buffer()),
            add(output, "popup", buffer(size=(4, 4)), z=5),
        ],
        lambda output: [
            add(output, "below", buffer(size=(4, 4))),
            add(output, "above", buffer(pixel_format=PixelFormat.ARGB8888)),
        ],
    ],
)
def test_anything_else_is_composed(change: Callable[[Output], object]) -> None:
    output = Output(MODE)
    change(output)
    frame = commit(output)
    assert not frame.direct
    assert frame.format is OUTPUT_FORMAT
    assert frame.compose_bytes > 0


def test_a_buffer_with_alpha_over_a_colour_is_composed() -> None:
    output = Output(MODE, background=1)
    add(output, "guest-0", buffer(pixel_format=PixelFormat.ARGB8888))
    assert not commit(output).direct


def test_what_lies_below_beside_or_hidden_does_not_prevent_direct_scanout() -> None:
    output = Output(MODE, background=0x123456)
    add(output, "below", buffer(1, size=(5, 5)))
    add(output, "full", buffer(2))
    add(output, "outside", buffer(3, size=(4, 4)), x=WIDTH, z=5)
    add(output, "hidden", buffer(4, size=(4, 4)), z=5).hide()
    assert commit(output).direct


def test_a_cursor_without_a_plane_interrupts_direct_scanout_and_the_picture_stays_right() -> None:
    output, content = Output(MODE, planes=PRIMARY_ONLY), buffer()
    add(output, "guest-0", content)
    assert commit(output).direct
    cursor = add(output, "cursor", buffer(1, size=(4, 4)), x=3, y=3, z=CURSOR_Z)
    frame = commit(output)
    assert not frame.direct
    expected = content.pixels.copy()
    expected[3:7, 3:7] = cursor.buffer.pixels if cursor.buffer else 0
    np.testing.assert_array_equal(frame.pixels[..., :3], expected[..., :3])
    assert frame.damage == (SCREEN,), "the front buffer is another one: readers start anew"
    cursor.move(10, 10)
    assert commit(output).compose_bytes == 4 * 2 * 4 * 4, "only where the cursor was and is"
    cursor.hide()
    assert commit(output).direct


# Damage


def test_composed_bytes_are_counted_by_surface() -> None:
    output = Output(MODE)
    add(output, "wide", buffer(size=(WIDTH, 10)))
    add(output, "small", buffer(size=(4, 4)), x=2, y=8, z=1)
    uncovered = WIDTH * HEIGHT - WIDTH * 10 - 4 * 2
    composed = {"wide": 4 * (WIDTH * 10 - 4 * 2), "small": 4 * 4 * 4, BACKGROUND: 4 * uncovered}
    assert commit(output).composed == composed


def test_only_the_damage_is_painted() -> None:
    output = Output(MODE, direct_scanout=False)
    surface = add(output, "guest-0", buffer())
    commit(output)
    surface.submit(buffer(1), Rect(2, 3, 5, 4))
    frame = commit(output)
    assert frame.damage == (Rect(2, 3, 5, 4),)
    assert frame.compose_bytes == 4 * 5 * 4


def test_a_repaint_on_demand_shows_everything_anew() -> None:
    output = Output(MODE)
    add(output, "guest-0", buffer())
    commit(output)
    output.repaint()
    assert commit(output).damage == (SCREEN,)


# Planes


def cursor_buffer(seed: int = 0, size: int = 4) -> Buffer:
    """Translucent, and validly premultiplied."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 4), np.uint8)
    pixels[..., :3] = np.minimum(pixels[..., :3], pixels[..., 3:])
    return Buffer(pixels, PixelFormat.ARGB8888)


def as_composed(output: Output) -> NDArray[np.uint8]:
    """The picture that composing everything from scratch gives."""
    scratch = Output(output.mode, background=output.background, direct_scanout=False, planes=PRIMARY_ONLY)
    for surface in output.scene.visible():
        copy = add(scratch, surface.name, surface.buffer, z=surface.z)
        copy.move(*surface.position)
    return commit(scratch).snapshot()


def test_a_cursor_has_a_plane_and_moves_without_a_repaint() -> None:
    output = Output(MODE)
    add(output, "guest-0", buffer())
    add(output, "window", buffer(1, size=(9, 9)), x=1, z=1)
    cursor = add(output, "cursor", cursor_buffer(), x=3, y=3, z=CURSOR_Z)
    assert not commit(output).direct
    for x in range(20):
        cursor.move(x, x // 2)
        frame = commit(output)
        assert frame.compose_bytes == 0
        np.testing.assert_array_equal(frame.snapshot(), as_composed(output))
    cursor.submit(cursor_buffer(1))
    assert commit(output).compose_bytes == 0
    cursor.hide()
    frame = commit(output)
    assert frame.compose_bytes == 0
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))


def test_a_cursor_on_its_plane_leaves_direct_scanout_alone() -> None:
    output, content = Output(MODE), buffer()
    add(output, "guest-0", content)
    cursor = add(output, "cursor", cursor_buffer(), x=3, y=3, z=CURSOR_Z)
    frame = commit(output)
    assert frame.direct
    assert np.shares_memory(frame.front, content.pixels)
    assert frame.damage == (SCREEN,)
    assert (frame.pixels != frame.front)[3:7, 3:7].any()
    assert frame.format is OUTPUT_FORMAT
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))
    cursor.move(9, 9)
    assert set(commit(output).damage) == {Rect(3, 3, 4, 4), Rect(9, 9, 4, 4)}


def test_a_screen_with_one_plane_gets_everything_composed() -> None:
    output = Output(MODE, planes=PlaneBudget.of_counts(4))
    output.one_plane = True
    add(output, "guest-0", buffer())
    assert commit(output).direct
    cursor = add(output, "cursor", cursor_buffer(), z=CURSOR_Z)
    frame = commit(output)
    assert not frame.direct
    assert not frame.above
    cursor.move(5, 5)
    assert commit(output).compose_bytes > 0


def test_a_layer_that_leaves_its_plane_is_composed_again_where_it_is_now() -> None:
    output = Output(MODE, planes=PlaneBudget.of_counts(1))
    window = add(output, "window", buffer(1, size=(9, 9)))
    assert commit(output).grants["window"].plane is not None
    window.move(11, 2)
    assert commit(output).compose_bytes == 0
    over = add(output, "over", buffer(2, size=(20, 12)), x=2, z=1)  # larger: it takes the overlay
    frame = commit(output)
    assert frame.grants["window"].plane is None
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))
    over.hide()
    frame = commit(output)
    assert frame.grants["window"].plane is not None
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))


def test_feedback_says_zero_copy_for_what_is_on_a_plane_and_for_nothing_else() -> None:
    output = Output(MODE, planes=PlaneBudget.of_counts(1))
    heard: dict[str, Feedback] = {}
    for name, x in (("left", 0), ("right", 16)):
        surface = Surface(name, x=x, on_feedback=partial(heard.__setitem__, name))
        output.scene.add(surface)
        surface.submit(buffer(size=(8 + x // 4, 8)))
    commit(output)
    flags = {name: feedback.flags for name, feedback in heard.items() if isinstance(feedback, Presented)}
    assert flags == {"left": PresentationFlags(0), "right": PresentationFlags.ZERO_COPY}


actions = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 2), st.integers(0, 99), st.sampled_from(PixelFormat)),
        st.tuples(st.just("damage"), st.integers(0, 2), st.integers(0, 99), st.integers(1, 12)),
        st.tuples(st.just("move"), st.integers(0, 2), st.integers(-8, 20), st.integers(-8, 12)),
        st.tuples(st.just("toggle"), st.integers(0, 2)),
        st.tuples(st.just("full"), st.integers(0, 99), st.sampled_from(PixelFormat)),
        st.tuples(st.just("point"), st.integers(-8, 40), st.integers(-8, 20)),
        st.tuples(st.just("cursor"), st.integers(0, 99)),
        st.tuples(st.just("commit")),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(
    actions, st.sampled_from([0, 0x335577]), st.integers(0, 3), st.sampled_from([None, 4, 64]), st.booleans()
)
def test_however_it_came_about_a_frame_equals_a_full_repaint(
    steps: list[tuple[object, ...]], background: int, overlays: int, cursor_size: int | None, deferred: bool
) -> None:
    """On planes or composed, by damage: as if painted from scratch; and the damage holds every change."""
    output = Output(MODE, background=background, planes=PlaneBudget.of_counts(overlays, cursor=cursor_size))
    cursor = add(output, "cursor", cursor_buffer(), z=CURSOR_Z)
    surfaces = [add(output, f"s{n}", buffer(n, size=(12, 9)), x=4 * n, z=n) for n in range(3)]
    full = add(output, "full", z=-1)
    shown = commit(output).snapshot()
    for step in [*steps, ("commit",)]:
        match step:
            case "submit", int(n), int(seed), PixelFormat() as pixel_format:
                surfaces[n].submit(buffer(seed, size=(12, 9), pixel_format=pixel_format))
            case "damage", int(n), int(seed), int(width):
                old = surfaces[n].buffer
                assert old is not None
                pixels = old.pixels.copy()
                pixels[:5, :width] = buffer(seed, size=(12, 9)).pixels[:5, :width]
                surfaces[n].submit(Buffer(pixels, old.format), Rect(0, 0, width, 5))
            case "move", int(n), int(x), int(y):
                surfaces[n].move(x, y)
            case "toggle", int(n):
                surfaces[n].hide() if surfaces[n].visible else surfaces[n].show()
            case "full", int(seed), PixelFormat() as pixel_format:
                full.submit(buffer(seed, pixel_format=pixel_format))
            case "point", int(x), int(y):
                cursor.move(x, y)
            case "cursor", int(seed):
                cursor.submit(cursor_buffer(seed, size=3 + seed % 4))
            case _:
                frame = output.commit(0, deferred=deferred)
                if frame is not None:
                    frame.release()
                    picture = frame.snapshot()
                    np.testing.assert_array_equal(picture, as_composed(output))
                    assert (covered(frame.damage) | (picture == shown).all(axis=2)).all()
                    shown = picture


def test_damage_beyond_the_cap_of_a_region_is_painted_all_the_same() -> None:
    output = Output("640x480", direct_scanout=False)
    surface = add(output, "guest-0", buffer(0, size=(640, 480)))
    commit(output)
    content = buffer(1, size=(640, 480))
    scattered = [Rect(31 * n, 23 * n, 3, 3) for n in range(20)]
    for rect in scattered:
        surface.submit(content, rect)
    frame = commit(output)
    assert len(frame.damage) <= LIMIT
    for rect in scattered:
        assert any(painted.contains(rect) for painted in frame.damage)
        part = slice(rect.y, rect.bottom), slice(rect.x, rect.right), slice(3)
        np.testing.assert_array_equal(frame.pixels[part], content.pixels[part])


# Modes


def test_a_mode_is_switched_by_the_next_commit() -> None:
    output = Output(MODE)
    before = commit(output)
    output.set_mode("64x48@75")
    assert output.mode == Mode(64, 48, 75_000)
    assert before.pixels.shape == (HEIGHT, WIDTH, 4)
    frame = commit(output)
    assert frame.pixels.shape == (48, 64, 4)
    assert frame.damage == (Rect(0, 0, 64, 48),)


@pytest.mark.parametrize("direct_between", [True, False])
def test_there_and_back_again_shows_the_right_picture(direct_between: bool) -> None:
    output, content = Output(MODE, direct_scanout=direct_between), buffer()
    add(output, "guest-0", content)
    corner = add(output, "corner", buffer(1, size=(2, 2)), z=1)
    commit(output)
    output.set_mode("64x48")
    corner.hide()
    commit(output)
    output.set_mode(MODE)
    corner.show()
    frame = commit(output)
    np.testing.assert_array_equal(frame.pixels[2:, :, :3], content.pixels[2:, :, :3])


def test_setting_what_is_set_changes_nothing() -> None:
    output = Output(MODE, background=5)
    commit(output)
    output.set_mode(MODE)
    output.set_background(5)
    assert output.commit(0) is None


def test_the_background_is_repainted() -> None:
    output = Output(MODE)
    commit(output)
    output.set_background(0xFF8000)
    assert output.background == 0xFF8000
    assert (commit(output).snapshot() == (0xFF, 0x80, 0x00, 0xFF)).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda output: output.set_mode("9x9"), 'mode "9x9": width 9'),
        (lambda output: output.set_mode(Mode(32, 9000)), "height 9000"),
        (lambda output: output.set_background(-1), "background -0x1"),
        (lambda output: output.set_background(0x1000000), "background 0x1000000"),
    ],
)
def test_an_impossible_state_is_refused_by_name_and_changes_nothing(
    change: Callable[[Output], None], message: str
) -> None:
    output = Output(MODE)
    frame = commit(output)
    with pytest.raises(BadInput, match=message):
        change(output)
    assert output.mode == Mode(WIDTH, HEIGHT)
    assert output.commit(0) is None
    assert (frame.snapshot() == (0, 0, 0, 255)).all()


def test_test_and_commit_share_one_check() -> None:
    output = Output(MODE)
    output.test()
    output.test(output.stage(mode=Mode(64, 48), background=7))
    with pytest.raises(BadInput, match="width 7 is not"):
        output.test(output.stage(mode=Mode(7, 7)))
    with pytest.raises(BadInput, match="width 7 is not"):
        Output(Mode(7, 7))
