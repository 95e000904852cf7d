"""Surfaces with a plane's state on an output: what is refused when, and what is repainted."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compositor.errors import BadInput
from compositor.output.output import Output
from compositor.output.surface import Buffer, Surface
from compositor.pixels.format import PixelFormat, SampledFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import BlendMode, Filter, PlaneState, Rotation, SourceRect

WIDTH, HEIGHT = 64, 48
MODE = f"{WIDTH}x{HEIGHT}@60"
TURNS = (Rotation.ROTATE_0, Rotation.ROTATE_90, Rotation.ROTATE_180, Rotation.ROTATE_270)


def buffer(seed: int, width: int = 20, height: int = 12) -> Buffer:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    return Buffer(pixels, PixelFormat.ARGB8888)


def shown(output: Output) -> np.ndarray:
    frame = output.commit(0)
    assert frame is not None
    return frame.pixels


def test_a_plane_that_cannot_show_its_buffer_is_refused_at_once_and_nothing_changes() -> None:
    surface = Surface("guest-0", plane=PlaneState(source=SourceRect.of_pixels(0, 0, 20, 12)))
    first = buffer(1)
    surface.submit(first)
    with pytest.raises(BadInput, match=r'^surface "guest-0": SRC_W: SRC_X 0 [+] SRC_W 20 is beyond'):
        surface.submit(buffer(2, width=19))
    assert surface.buffer is first
    before = surface.plane
    with pytest.raises(BadInput, match=r'^surface "guest-0": CRTC_H 0 is not in 1 to 32767'):
        surface.set_plane(PlaneState(size=(20, 0)))
    assert surface.plane is before


def test_the_outputs_test_names_surface_and_property() -> None:
    output = Output(MODE)
    surface = Surface("guest-0", plane=PlaneState(alpha=0x10000))
    output.scene.add(surface)
    output.test()
    surface.buffer = buffer(1)
    with pytest.raises(BadInput, match='surface "guest-0": alpha 0x10000'):
        output.test()


def test_a_plane_is_changed_at_run_time_and_old_and_new_places_are_repainted() -> None:
    output = Output(MODE)
    surface = Surface("guest-0", x=10, y=5)
    output.scene.add(surface)
    surface.submit(buffer(1))
    output.commit(0)
    surface.set_plane(PlaneState(rotation=Rotation.ROTATE_90, size=(30, 40)))
    frame = output.commit(1)
    assert frame is not None
    covered = Rect(0, 0, 0, 0)
    for rect in frame.damage:
        covered = covered.union(rect)
    assert covered == Rect(10, 5, 30, 40)
    assert surface.bounds == covered
    surface.set_plane(surface.plane)
    assert output.commit(2) is None


def test_zpos_restacks() -> None:
    output = Output(MODE, direct_scanout=False)
    red, blue = (np.full((HEIGHT, WIDTH, 4), colour, np.uint8) for colour in ((0, 0, 255, 0), (255, 0, 0, 0)))
    surfaces = [Surface("red"), Surface("blue")]
    for surface, pixels in zip(surfaces, (red, blue), strict=True):
        output.scene.add(surface)
        surface.submit(Buffer(pixels, PixelFormat.XRGB8888))
    assert shown(output)[0, 0].tolist() == [255, 0, 0, 255]
    surfaces[0].set_plane(PlaneState(zpos=1))
    assert surfaces[0].z == 1
    assert shown(output)[0, 0].tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("plane", "pixel_format", "direct"),
    [
        (PlaneState(), PixelFormat.XRGB8888, True),
        (PlaneState(zpos=3, scaling_filter=Filter.BOX), PixelFormat.XRGB8888, True),
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
    surface = Surface("guest-0", plane=plane, z=plane.zpos)
    output.scene.add(surface)
    surface.submit(Buffer(np.zeros((HEIGHT, WIDTH, 4), np.uint8), pixel_format))
    frame = output.commit(0)
    assert frame is not None
    assert frame.direct is direct


def test_an_output_blends_in_linear_light_when_asked() -> None:
    output = Output(MODE, linear_light=True, background=0xFFFFFF)
    surface = Surface("guest-0")
    output.scene.add(surface)
    surface.submit(Buffer(np.full((HEIGHT, WIDTH, 4), (0, 0, 0, 128), np.uint8), PixelFormat.ARGB8888))
    assert shown(output)[0, 0].tolist() == [187, 187, 187, 255]
    output.set_linear_light(False)
    assert not output.linear_light
    assert shown(output)[0, 0].tolist() == [127, 127, 127, 255]


def test_another_size_of_buffer_under_the_same_bounds_repaints_all() -> None:
    output = Output(MODE)
    surface = Surface("guest-0", plane=PlaneState(size=(30, 30)))
    output.scene.add(surface)
    surface.submit(buffer(1))
    output.commit(0)
    surface.submit(buffer(2, width=21), Rect(0, 0, 1, 1))
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
    output, surface = Output(MODE, background=0x305070), Surface("guest-0", x=7, y=3)
    output.scene.add(surface)
    now = buffer(0)
    surface.submit(now)
    for seed, (plane, painted) in enumerate(steps):
        surface.set_plane(plane)
        output.commit(0)
        for part in painted:
            inside = part.intersect(Rect(0, 0, 20, 12))
            pixels = now.pixels.copy()
            rows, columns = slice(inside.y, inside.bottom), slice(inside.x, inside.right)
            pixels[rows, columns] = buffer(seed + 1).pixels[rows, columns]
            now = Buffer(pixels, now.format)
            surface.submit(now, inside)
        frame = output.commit(0)
        repaired = None if frame is None else frame.pixels.copy()
        output.repaint()
        if repaired is not None:
            np.testing.assert_array_equal(repaired, shown(output))
