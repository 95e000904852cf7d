from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.errors import BadInput, Misuse
from compositor.output.frame import Frame
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.output.plane import PRIMARY_ONLY, PlaneBudget
from compositor.output.primary_plane import BACKGROUND
from compositor.output.submission import Discarded, Feedback, PresentationFlags, Presented, Submission
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
    submission: Submission | None = None,
) -> Buffer:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 4), np.uint8)
    return Buffer(pixels, pixel_format, frame_id=frame_id, submission=submission)


def add(
    output: Output,
    name: str,
    content: Buffer | None = None,
    *,
    x: int = 0,
    y: int = 0,
    z: int = 0,
    cursor: bool = False,
) -> OutputLayer:
    layer = OutputLayer(name, z=z, cursor=cursor)
    output.add(layer)
    output.show(layer, content, position=(x, y))
    return layer


def show(output: Output, layer: OutputLayer, content: Buffer | None, damage: Rect | None = None) -> None:
    """Where and as it is."""
    output.show(layer, content, damage, layer.position, layer.plane)


def submit(output: Output, layer: OutputLayer, content: Buffer) -> None:
    """As a surface does that is on one output."""
    show(output, layer, content)
    if content.submission is not None:
        content.submission.handed_out()


def submitted(
    hear: Callable[[Feedback], None],
    number: int = 1,
    *,
    name: str = "guest-0",
    size: tuple[int, int] = (WIDTH, HEIGHT),
) -> Buffer:
    """A buffer whose number is also that of its submission."""
    made = Submission(name, number, lambda: None, hear)
    return buffer(number, size=size, frame_id=number, submission=made)


def count_requests(output: Output) -> list[bool]:
    """Grows whenever a frame is asked for; says whether the output needs one then."""
    asked: list[bool] = []
    output.on_needs_frame = lambda: asked.append(output.needs_frame)
    return asked


def needs_frame(output: Output) -> bool:
    return output.needs_frame  # not narrowed by an earlier assertion


def repaint_at_once(output: Output) -> None:
    """From now on, within the change."""

    def repaint() -> None:
        commit(output)

    output.on_needs_frame = repaint


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


# Idle, and when a frame is asked for


def test_a_new_output_shows_its_background_once_and_is_idle_then() -> None:
    output = Output(MODE, background=0x102030)
    assert needs_frame(output)
    frame = commit(output, 123)
    assert (frame.commit_seq, frame.present_time_ns, frame.damage) == (1, 123, (SCREEN,))
    assert (frame.snapshot() == (0x10, 0x20, 0x30, 0xFF)).all()
    assert not needs_frame(output)
    assert output.commit(124) is None
    assert output.commit(125) is None
    assert output.commit_seq == 1


def test_a_new_output_asks_for_a_frame_with_the_first_change_that_shows() -> None:
    output = Output(MODE)
    asked = count_requests(output)
    layer = add(output, "guest-0", buffer(size=(4, 4)), x=WIDTH)
    assert asked == []
    output.move(layer, 0, 0)
    assert asked == [True]
    assert commit(output).damage == (SCREEN,)


def test_a_frame_is_asked_for_once_until_it_is_committed() -> None:
    output = Output(MODE)
    commit(output)
    asked = count_requests(output)
    layer = add(output, "guest-0", buffer())
    show(output, layer, buffer(1))
    output.move(layer, 1, 1)
    output.set_background(7)
    output.repaint()
    assert asked == [True]
    commit(output)
    output.move(layer, 0, 0)
    assert asked == [True, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda output, layer: output.set_background(7),
        lambda output, layer: output.set_linear_light(True),
        lambda output, layer: output.set_mode("64x48"),
        lambda output, layer: output.repaint(),
        lambda output, layer: output.show(layer, layer.buffer),
        lambda output, layer: output.show(layer, None),
        lambda output, layer: output.move(layer, 1, 1),
        lambda output, layer: output.remove(layer),
    ],
)
def test_every_change_that_shows_asks_for_a_frame(change: Callable[[Output, OutputLayer], None]) -> None:
    output = Output(MODE)
    layer = add(output, "guest-0", buffer())
    commit(output)
    asked = count_requests(output)
    change(output, layer)
    assert asked == [True]
    commit(output)
    assert not needs_frame(output)


def test_a_frame_that_is_skipped_is_asked_for_again() -> None:
    output = Output(MODE)
    commit(output)
    layer, asked = add(output, "guest-0", x=WIDTH), count_requests(output)
    submit(output, layer, submitted(lambda _: None))
    show(output, layer, None)
    assert output.commit(0) is None
    submit(output, layer, submitted(lambda _: None))
    assert asked == [True, True]


def test_changes_out_of_sight_ask_for_nothing() -> None:
    output = Output(MODE)
    cursor = add(output, "cursor", buffer(size=(4, 4)), x=-10, z=9, cursor=True)
    commit(output)
    output.on_needs_frame = lambda: pytest.fail("asked for a frame")
    output.move(cursor, WIDTH, 3)
    output.move(cursor, 2**31, -(2**31))
    show(output, cursor, None)
    output.move(cursor, 3, 3)
    output.remove(cursor)
    assert output.commit(0) is None


def test_the_output_is_in_its_new_state_when_it_asks_and_the_commit_may_happen_within() -> None:
    output = Output(MODE)
    layer = add(output, "guest-0", buffer(size=(8, 4)))
    commit(output)
    seen: list[Rect] = []

    def repaint() -> None:
        seen.append(layer.bounds)
        np.testing.assert_array_equal(commit(output).snapshot(), as_composed(output))

    output.on_needs_frame = repaint
    output.move(layer, 2, 2)
    show(output, layer, None)
    show(output, layer, buffer(size=(1, 1)))
    output.remove(layer)
    assert seen == [Rect(2, 2, 8, 4), Rect(2, 2, 0, 0), Rect(2, 2, 1, 1), Rect(2, 2, 1, 1)]
    assert not needs_frame(output)
    assert output.commit_seq == 5


def test_a_submission_out_of_sight_is_presented_without_painting() -> None:
    """Its guest waits to hear of it."""
    output, heard = Output(MODE), list[Feedback]()
    layer = add(output, "guest-0", x=WIDTH)
    commit(output)
    asked = count_requests(output)
    submit(output, layer, submitted(heard.append))
    assert asked == [True]
    frame = commit(output)
    assert (frame.damage, frame.compose_bytes) == ((), 0)
    assert heard == [Presented(1, 0, 0, 0, PresentationFlags(0), 2)]


def test_a_submission_that_goes_away_again_needs_no_frame() -> None:
    output, heard = Output(MODE), list[Feedback]()
    layer = add(output, "guest-0", x=WIDTH)
    commit(output)
    submit(output, layer, submitted(heard.append))
    assert needs_frame(output)
    show(output, layer, None)
    assert heard == [Discarded(1)]
    assert not needs_frame(output)
    assert output.commit(0) is None


# Monitors that come and go


def test_a_monitor_that_is_plugged_in_shows_everything_and_asks_once() -> None:
    output = Output(MODE, plugged=False)
    asked = count_requests(output)
    layer = add(output, "guest-0", buffer())
    show(output, layer, buffer(1))
    assert asked == []
    output.plug()
    show(output, layer, buffer(2))
    assert (output.plugged, asked) == (True, [True])
    frame = commit(output)
    assert frame.damage == (SCREEN,)
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))


def test_a_frame_that_was_asked_for_before_unplugging_is_asked_for_again() -> None:
    output = Output(MODE)
    layer = add(output, "guest-0", buffer(size=(4, 4)))
    commit(output)
    asked = count_requests(output)
    output.move(layer, 1, 1)
    output.unplug()
    output.move(layer, 2, 2)
    assert (output.plugged, asked) == (False, [True])
    output.plug()
    assert asked == [True, True]
    assert commit(output).damage == (SCREEN,)


def test_a_submission_waits_for_the_monitor() -> None:
    output, heard = Output(MODE, plugged=False), list[Feedback]()
    submit(output, add(output, "guest-0"), submitted(heard.append))
    assert needs_frame(output)
    assert heard == []
    output.plug()
    commit(output)
    assert [type(each) for each in heard] == [Presented]


# Layers


def names(output: Output) -> list[str]:
    return [layer.name for layer in output.layers]


def test_layers_stack_by_z_and_then_by_the_order_they_came_in() -> None:
    output = Output(MODE)
    for name, z in (("cursor", 9), ("b", 1), ("a", 0), ("c", 1), ("below", -5)):
        output.add(OutputLayer(name, z=z))
    assert names(output) == ["below", "a", "b", "c", "cursor"]


def test_layers_are_sorted_again_when_told_and_equals_keep_their_order() -> None:
    output = Output(MODE, direct_scanout=False)
    red, blue = (np.full((HEIGHT, WIDTH, 4), colour, np.uint8) for colour in ((0, 0, 255, 0), (255, 0, 0, 0)))
    layers = [
        add(output, name, Buffer(pixels, PixelFormat.XRGB8888))
        for name, pixels in (("red", red), ("blue", blue))
    ]
    assert commit(output).snapshot()[0, 0].tolist() == [0, 0, 255, 255]
    asked = count_requests(output)
    layers[0].z = 1
    output.restack()
    assert names(output) == ["blue", "red"]
    assert asked == [True]
    assert commit(output).snapshot()[0, 0].tolist() == [255, 0, 0, 255]
    layers[1].z = 1
    output.restack()
    assert names(output) == ["blue", "red"]
    assert output.commit(0) is None


@pytest.mark.parametrize("lowest", ["a layer without a buffer", "a layer beside the screen"])
def test_a_restack_asks_for_a_frame_whatever_its_lowest_layer_shows(lowest: str) -> None:
    output = Output(MODE)
    middle, top = add(output, "middle", buffer(1), z=1), add(output, "top", buffer(2), z=3)
    unseen = add(output, lowest, buffer() if "beside" in lowest else None, x=WIDTH, z=2)
    commit(output)
    asked = count_requests(output)
    unseen.z, top.z, middle.z = 0, 1, 2
    output.restack()
    assert output.layers == [unseen, top, middle]
    assert asked == [True]
    np.testing.assert_array_equal(commit(output).snapshot(), as_composed(output))


def test_a_layer_without_a_buffer_comes_and_goes_unnoticed() -> None:
    output = Output(MODE)
    add(output, "plain", buffer())
    commit(output)
    asked = count_requests(output)
    output.remove(add(output, "empty", z=5))
    assert asked == []
    assert output.commit(0) is None


def test_a_removed_layer_is_gone_when_a_frame_is_asked_for_and_has_discarded_its_submission() -> None:
    output, heard = Output(MODE), list[Feedback]()
    layer = add(output, "guest-0", buffer())
    commit(output)
    asked = count_requests(output)
    submit(output, layer, submitted(heard.append))
    output.remove(layer)
    assert (names(output), heard, asked) == ([], [Discarded(1)], [True])
    output.add(layer)
    assert names(output) == ["guest-0"]


def test_a_layer_that_is_removed_is_presented_by_the_frame_that_took_it() -> None:
    output, heard = Output(MODE), list[Feedback]()
    layer = add(output, "guest-0", submitted(heard.append))
    frame = output.commit(0, deferred=True)
    assert frame is not None
    assert layer.buffer is not None
    assert frame.submissions == (layer.buffer.submission,)
    output.remove(layer)
    assert heard == []
    for made in frame.submissions:
        made.handed_out()
    frame.release()
    assert [type(each) for each in heard] == [Presented]


def test_a_layer_that_is_not_on_the_output_cannot_be_taken_off() -> None:
    output, other = Output(MODE, name="left"), Output(MODE)
    layer = add(other, "guest-0")
    with pytest.raises(Misuse, match='"guest-0" is not on left'):
        output.remove(layer)
    other.remove(layer)
    with pytest.raises(Misuse, match='"guest-0" is not on this output'):
        other.remove(layer)


# Feedback


def test_every_submission_is_presented_or_discarded() -> None:
    output, heard = Output(MODE), list[Feedback]()
    layer = add(output, "guest-0")
    submit(output, layer, submitted(heard.append, 1))
    submit(output, layer, submitted(heard.append, 2))
    frame = output.commit(0)
    assert frame is not None
    assert [each.number for each in frame.submissions] == [2]
    assert heard == [Discarded(1)], "not before the frame is released"
    submit(output, layer, submitted(heard.append, 3))
    frame.release()
    assert heard[1:] == [Presented(2, 0, 0, 0, PresentationFlags.ZERO_COPY, 1)]
    assert frame.frame_ids == {"guest-0": 2}
    commit(output)
    assert heard[2:] == [Presented(3, 0, 0, 0, PresentationFlags.ZERO_COPY, 2)]


def test_a_frame_tells_only_those_who_have_something_new_in_it() -> None:
    output, heard = Output(MODE), list[str]()
    layers = [add(output, name, x=x) for name, x in (("left", 0), ("right", 16))]

    def draw(layer: OutputLayer, number: int) -> None:
        content = submitted(lambda _: heard.append(layer.name), number, name=layer.name, size=(16, 16))
        submit(output, layer, content)

    draw(layers[0], 0)
    draw(layers[1], 1)
    commit(output)
    draw(layers[1], 7)
    frame = commit(output)
    assert heard == ["left", "right", "right"]
    assert frame.frame_ids == {"left": 0, "right": 7}


def test_a_guest_may_answer_a_frame_with_the_next_one() -> None:
    """Also when the repaint follows at once, within the call."""
    output, frames = Output(MODE), list[int]()

    def answer(feedback: Feedback) -> None:
        assert isinstance(feedback, Presented)
        frames.append(feedback.frame_seq)
        if feedback.frame_seq < 5:
            submit(output, layer, submitted(answer, feedback.frame_seq))

    layer = add(output, "guest-0")
    commit(output)
    repaint_at_once(output)
    submit(output, layer, submitted(answer))
    assert frames == [2, 3, 4, 5]
    assert not needs_frame(output)


def test_nothing_is_answered_before_all_outputs_have_the_submission() -> None:
    """The first output paints and presents within the call that shows it the buffer."""
    outputs, heard = [Output(MODE), Output(MODE)], list[Feedback]()
    layers = [add(output, "guest-0") for output in outputs]
    for output in outputs:
        commit(output)
    repaint_at_once(outputs[0])
    content = submitted(heard.append)
    for output, layer in zip(outputs, layers, strict=True):
        show(output, layer, content)
    assert [output.commit_seq for output in outputs] == [2, 1]
    assert content.submission is not None
    content.submission.handed_out()
    assert heard == [], "the second one has yet to show it"
    commit(outputs[1], 9)
    assert heard == [Presented(1, 9, 0, 0, PresentationFlags.ZERO_COPY, 2)]


def test_a_submission_alone_on_an_output_that_presents_at_once_is_answered_after_the_hand_out() -> None:
    output, heard = Output(MODE), list[Feedback]()
    layer = add(output, "guest-0")
    commit(output)
    repaint_at_once(output)
    content = submitted(heard.append)
    show(output, layer, content)
    assert (output.commit_seq, heard) == (2, [])
    assert content.submission is not None
    content.submission.handed_out()
    assert [type(each) for each in heard] == [Presented]


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


def test_what_lies_below_or_beside_or_is_empty_does_not_prevent_direct_scanout() -> None:
    output = Output(MODE, background=0x123456)
    add(output, "below", buffer(1, size=(5, 5)))
    add(output, "full", buffer(2))
    add(output, "outside", buffer(3, size=(4, 4)), x=WIDTH, z=5)
    add(output, "empty", z=5)
    assert commit(output).direct


def test_a_cursor_without_a_plane_interrupts_direct_scanout_and_the_picture_stays_right() -> None:
    output, content = Output(MODE, planes=PRIMARY_ONLY), buffer()
    add(output, "guest-0", content)
    assert commit(output).direct
    cursor = add(output, "cursor", buffer(1, size=(4, 4)), x=3, y=3, z=9, cursor=True)
    frame = commit(output)
    assert not frame.direct
    expected = content.pixels.copy()
    expected[3:7, 3:7] = cursor.buffer.pixels if cursor.buffer else 0
    np.testing.assert_array_equal(frame.pixels[..., :3], expected[..., :3])
    assert frame.damage == (SCREEN,), "the front buffer is another one: readers start anew"
    output.move(cursor, 10, 10)
    assert commit(output).compose_bytes == 4 * 2 * 4 * 4, "only where the cursor was and is"
    show(output, cursor, None)
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
    layer = add(output, "guest-0", buffer())
    commit(output)
    show(output, layer, buffer(1), Rect(2, 3, 5, 4))
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
    for layer in output.layers:
        x, y = layer.position
        add(scratch, layer.name, layer.buffer, x=x, y=y, z=layer.z)
    return commit(scratch).snapshot()


def test_a_cursor_has_a_plane_and_moves_without_a_repaint() -> None:
    output = Output(MODE)
    add(output, "guest-0", buffer())
    add(output, "window", buffer(1, size=(9, 9)), x=1, z=1)
    cursor = add(output, "cursor", cursor_buffer(), x=3, y=3, z=9, cursor=True)
    assert not commit(output).direct
    for x in range(20):
        output.move(cursor, x, x // 2)
        frame = commit(output)
        assert frame.compose_bytes == 0
        np.testing.assert_array_equal(frame.snapshot(), as_composed(output))
    show(output, cursor, cursor_buffer(1))
    assert commit(output).compose_bytes == 0
    show(output, cursor, None)
    frame = commit(output)
    assert frame.compose_bytes == 0
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))


def test_a_cursor_on_its_plane_leaves_direct_scanout_alone() -> None:
    output, content = Output(MODE), buffer()
    add(output, "guest-0", content)
    cursor = add(output, "cursor", cursor_buffer(), x=3, y=3, z=9, cursor=True)
    frame = commit(output)
    assert frame.direct
    assert np.shares_memory(frame.front, content.pixels)
    assert frame.damage == (SCREEN,)
    assert (frame.pixels != frame.front)[3:7, 3:7].any()
    assert frame.format is OUTPUT_FORMAT
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))
    output.move(cursor, 9, 9)
    assert set(commit(output).damage) == {Rect(3, 3, 4, 4), Rect(9, 9, 4, 4)}


def test_a_screen_with_one_plane_gets_everything_composed() -> None:
    output = Output(MODE, planes=PlaneBudget.of_counts(4))
    output.one_plane = True
    add(output, "guest-0", buffer())
    assert commit(output).direct
    cursor = add(output, "cursor", cursor_buffer(), z=9, cursor=True)
    frame = commit(output)
    assert not frame.direct
    assert not frame.above
    output.move(cursor, 5, 5)
    assert commit(output).compose_bytes > 0


def test_a_layer_that_leaves_its_plane_is_composed_again_where_it_is_now() -> None:
    output = Output(MODE, planes=PlaneBudget.of_counts(1))
    window = add(output, "window", buffer(1, size=(9, 9)))
    assert commit(output).grants["window"].plane is not None
    output.move(window, 11, 2)
    assert commit(output).compose_bytes == 0
    over = add(output, "over", buffer(2, size=(20, 12)), x=2, z=1)  # larger: it takes the overlay
    frame = commit(output)
    assert frame.grants["window"].plane is None
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))
    show(output, over, None)
    frame = commit(output)
    assert frame.grants["window"].plane is not None
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))


def test_feedback_says_zero_copy_for_what_is_on_a_plane_and_for_nothing_else() -> None:
    output = Output(MODE, planes=PlaneBudget.of_counts(1))
    heard: dict[str, Feedback] = {}
    for name, x in (("left", 0), ("right", 16)):
        hear = partial(heard.__setitem__, name)
        submit(output, add(output, name, x=x), submitted(hear, name=name, size=(8 + x // 4, 8)))
    commit(output)
    flags = {name: feedback.flags for name, feedback in heard.items() if isinstance(feedback, Presented)}
    assert flags == {"left": PresentationFlags(0), "right": PresentationFlags.ZERO_COPY}


def test_looks_at_frames_count_what_they_write() -> None:
    output = Output(MODE)
    add(output, "guest-0", buffer())
    commit(output)
    assert output.readback_bytes == 0
    cursor = add(output, "cursor", cursor_buffer(), z=9, cursor=True)
    frame, screen = commit(output), 4 * WIDTH * HEIGHT
    for _ in range(2):
        assert frame.pixels.shape == (HEIGHT, WIDTH, 4)
    assert output.readback_bytes == screen, "planes are put together once"
    frame.snapshot()
    assert output.readback_bytes == 2 * screen
    output.move(cursor, 10, 10)
    assert commit(output).pixels.any()
    assert output.readback_bytes == 2 * screen + 4 * 2 * 4 * 4, "where the cursor was and is"


actions = st.lists(
    st.one_of(
        st.tuples(st.just("submit"), st.integers(0, 2), st.integers(0, 99), st.sampled_from(PixelFormat)),
        st.tuples(st.just("damage"), st.integers(0, 2), st.integers(0, 99), st.integers(1, 12)),
        st.tuples(st.just("move"), st.integers(0, 2), st.integers(-8, 20), st.integers(-8, 12)),
        st.tuples(st.just("toggle"), st.integers(0, 2)),
        st.tuples(st.just("restack"), st.integers(0, 2), st.integers(-2, 3)),
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
    stage = Stage(
        Output(MODE, background=background, planes=PlaneBudget.of_counts(overlays, cursor=cursor_size))
    )
    output, asked = stage.output, count_requests(stage.output)
    shown = commit(output).snapshot()
    asked.clear()
    for step in [*steps, ("commit",)]:
        if step != ("commit",):
            stage.change(step)
            continue
        assert asked in ([], [True], [True, True])  # for a cursor, then for more
        frame = output.commit(0, deferred=deferred)
        if frame is not None:
            frame.release()
            picture = frame.snapshot()
            np.testing.assert_array_equal(picture, as_composed(output))
            assert (covered(frame.damage) | (picture == shown).all(axis=2)).all()
            assert asked or (picture == shown).all()
            shown = picture
        asked.clear()


class Stage:
    """Three windows, a cursor, and a layer below that fills the screen when it has a buffer."""

    def __init__(self, output: Output) -> None:
        self.output = output
        self.cursor = add(output, "cursor", cursor_buffer(), z=9, cursor=True)
        self.contents = [buffer(n, size=(12, 9)) for n in range(3)]
        self.windows = [add(output, f"s{n}", self.contents[n], x=4 * n, z=n) for n in range(3)]
        self.full = add(output, "full", z=-1)

    def change(self, step: tuple[object, ...]) -> None:
        output = self.output
        match step:
            case "submit", int(n), int(seed), PixelFormat() as pixel_format:
                self.draw(n, buffer(seed, size=(12, 9), pixel_format=pixel_format))
            case "damage", int(n), int(seed), int(width):
                pixels = self.contents[n].pixels.copy()
                pixels[:5, :width] = buffer(seed, size=(12, 9)).pixels[:5, :width]
                self.draw(n, Buffer(pixels, self.contents[n].format), Rect(0, 0, width, 5))
            case "move", int(n), int(x), int(y):
                output.move(self.windows[n], x, y)
            case "toggle", int(n):
                window = self.windows[n]
                show(output, window, self.contents[n] if window.buffer is None else None)
            case "restack", int(n), int(z):
                self.windows[n].z = z
                output.restack()
            case "full", int(seed), PixelFormat() as pixel_format:
                show(output, self.full, buffer(seed, pixel_format=pixel_format))
            case "point", int(x), int(y):
                output.move(self.cursor, x, y)
            case "cursor", int(seed):
                show(output, self.cursor, cursor_buffer(seed, size=3 + seed % 4))

    def draw(self, number: int, content: Buffer, damage: Rect | None = None) -> None:
        """In one of the windows, unless it is hidden."""
        self.contents[number] = content
        if self.windows[number].buffer is not None:
            show(self.output, self.windows[number], content, damage)


def test_damage_beyond_the_cap_of_a_region_is_painted_all_the_same() -> None:
    output = Output("640x480", direct_scanout=False)
    layer = add(output, "guest-0", buffer(0, size=(640, 480)))
    commit(output)
    content = buffer(1, size=(640, 480))
    scattered = [Rect(31 * n, 23 * n, 3, 3) for n in range(20)]
    for rect in scattered:
        show(output, layer, content, rect)
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
    small = buffer(1, size=(2, 2))
    corner = add(output, "corner", small, z=1)
    commit(output)
    output.set_mode("64x48")
    show(output, corner, None)
    commit(output)
    output.set_mode(MODE)
    show(output, corner, small)
    frame = commit(output)
    np.testing.assert_array_equal(frame.pixels[2:, :, :3], content.pixels[2:, :, :3])


def test_there_and_back_again_within_a_frame_damages_no_more_than_the_screen() -> None:
    output = Output(MODE)
    add(output, "guest-0", buffer(size=(9, 9)))
    commit(output)
    output.set_mode("64x48")
    output.set_mode(MODE)
    frame = commit(output)
    assert frame.damage == (SCREEN,)
    assert frame.compose_bytes == 4 * WIDTH * HEIGHT
    np.testing.assert_array_equal(frame.snapshot(), as_composed(output))


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


def test_a_cursor_alone_can_wait_and_what_comes_on_top_asks_again() -> None:
    output = Output(MODE)
    surface = add(output, "a", buffer(1))
    cursor = add(output, "cursor", cursor_buffer(), cursor=True, z=9)
    commit(output)
    asked: list[bool] = []
    output.on_needs_frame = lambda: asked.append(output.can_wait)
    for x in (1, 2, 3):
        output.move(cursor, x, 0)
    assert asked == [True]
    show(output, surface, submitted(lambda _feedback: None, 2))
    output.move(cursor, 4, 0)
    assert asked == [True, False]
    commit(output)
    output.move(cursor, 5, 0)
    assert asked == [True, False, True]
