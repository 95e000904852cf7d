"""Layers with a plane's state on an output: what is refused, and what is repainted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat, SampledFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import BlendMode, Filter, PlaneState, Rotation, SourceRect

WIDTH, HEIGHT = 64, 48
MODE = f"{WIDTH}x{HEIGHT}@60"
TURNS = (Rotation.ROTATE_0, Rotation.ROTATE_90, Rotation.ROTATE_180, Rotation.ROTATE_270)


def buffer(seed: int, width: int = 20, height: int = 12) -> Buffer:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    return Buffer(pixels, PixelFormat.ARGB8888)


def add(
    output: Output, content: Buffer, plane: PlaneState, position: tuple[int, int] = (0, 0)
) -> OutputLayer:
    layer = OutputLayer("guest-0")
    output.add(layer)
    output.show(layer, content, position=position, plane=plane)
    return layer


def shown(output: Output) -> np.ndarray:
    frame = output.commit(0)
    assert frame is not None
    return frame.pixels


def test_a_plane_that_cannot_show_its_buffer_is_refused_at_once_and_nothing_changes() -> None:
    output, first = Output(MODE), buffer(1)
    plane = PlaneState(source=SourceRect.of_pixels(0, 0, 20, 12))
    layer = add(output, first, plane)
    output.commit(0)
    output.on_needs_frame = lambda: pytest.fail("asked for a frame")
    with pytest.raises(BadInput, match=r'^surface "guest-0": SRC_W: SRC_X 0 [+] SRC_W 20 is beyond'):
        output.show(layer, buffer(2, width=19), plane=plane)
    with pytest.raises(BadInput, match=r'^surface "guest-0": CRTC_H 0 is not in 1 to 32767'):
        output.show(layer, first, plane=PlaneState(size=(20, 0)))
    assert (layer.buffer, layer.plane) == (first, plane)
    assert output.commit(1) is None


def test_a_plane_is_changed_at_run_time_and_old_and_new_places_are_repainted() -> None:
    output, content = Output(MODE), buffer(1)
    layer = add(output, content, PlaneState(), (10, 5))
    output.commit(0)
    turned = PlaneState(rotation=Rotation.ROTATE_90, size=(30, 40))
    output.show(layer, content, position=(10, 5), plane=turned)
    frame = output.commit(1)
    assert frame is not None
    covered = Rect(0, 0, 0, 0)
    for rect in frame.damage:
        covered = covered.union(rect)
    assert covered == layer.bounds == Rect(10, 5, 30, 40)


@pytest.mark.parametrize(
    ("plane", "pixel_format", "direct"),
    [
        (PlaneState(), PixelFormat.XRGB8888, True),
        (PlaneState(scaling_filter=Filter.BOX), PixelFormat.XRGB8888, True),
        (PlaneState(rotation=Rotation.ROTATE_180), PixelFormat.XRGB8888, False),
        (PlaneState(alpha=5), PixelFormat.XRGB8888, False),
        (PlaneState(blend_mode=BlendMode.NONE), PixelFormat.ARGB8888, False),
        (PlaneState(), SampledFormat.XRGB2101010, False),
    ],
)
def test_only_what_is_shown_as_it_is_is_scanned_out(
    plane: PlaneState, pixel_format: PixelFormat | SampledFormat, direct: bool
) -> None:
    output = Output(MODE)
    add(output, Buffer(np.zeros((HEIGHT, WIDTH, 4), np.uint8), pixel_format), plane)
    frame = output.commit(0)
    assert frame is not None
    assert frame.direct is direct


def test_an_output_blends_in_linear_light_when_asked() -> None:
    output = Output(MODE, linear_light=True, background=0xFFFFFF)
    pixels = np.full((HEIGHT, WIDTH, 4), (0, 0, 0, 128), np.uint8)
    add(output, Buffer(pixels, PixelFormat.ARGB8888), PlaneState())
    assert shown(output)[0, 0].tolist() == [187, 187, 187, 255]
    output.set_linear_light(False)
    assert not output.linear_light
    assert shown(output)[0, 0].tolist() == [127, 127, 127, 255]


def test_another_size_of_buffer_under_the_same_bounds_repaints_all() -> None:
    output, plane = Output(MODE), PlaneState(size=(30, 30))
    layer = add(output, buffer(1), plane)
    output.commit(0)
    output.show(layer, buffer(2, width=21), Rect(0, 0, 1, 1), plane=plane)
    frame = output.commit(1)
    assert frame is not None
    assert sum(rect.area for rect in frame.damage) == 900


states = st.builds(
    PlaneState,
    source=st.none() | st.just(SourceRect.of_pixels(3.25, 2, 11.5, 7)),
    rotation=st.tuples(st.sampled_from(TURNS), st.sampled_from([0, 16, 32, 48])).map(
        lambda parts: parts[0] | Rotation(parts[1])
    ),
    size=st.none() | st.tuples(st.integers(3, 60), st.integers(3, 60)),
    scaling_filter=st.sampled_from(Filter),
    alpha=st.just(0xFFFF) | st.integers(0, 0xFFFF),
)
parts = st.builds(Rect, st.integers(0, 19), st.integers(0, 11), st.integers(1, 20), st.integers(1, 12))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(states, st.lists(parts, max_size=2)), min_size=1, max_size=3))
def test_a_partial_repaint_equals_a_full_one(steps: list[tuple[PlaneState, list[Rect]]]) -> None:
    """Planes are changed, and guests paint parts of their buffers."""
    output, now = Output(MODE, background=0x305070), buffer(0)
    layer = add(output, now, PlaneState(), (7, 3))
    for seed, (plane, painted) in enumerate(steps):
        output.show(layer, now, None, (7, 3), plane)
        output.commit(0)
        for part in painted:
            inside = part.intersect(Rect(0, 0, 20, 12))
            pixels = now.pixels.copy()
            rows, columns = slice(inside.y, inside.bottom), slice(inside.x, inside.right)
            pixels[rows, columns] = buffer(seed + 1).pixels[rows, columns]
            now = Buffer(pixels, now.format)
            output.show(layer, now, inside, (7, 3), plane)
        frame = output.commit(0)
        repaired = None if frame is None else frame.pixels.copy()
        output.repaint()
        if repaired is not None:
            np.testing.assert_array_equal(repaired, shown(output))
