"""Formats and filters are bit for bit pixman's, where pixman is installed."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.bench import pixman
from compositor.pixels.format import AnyFormat, PixelFormat, SampledFormat, size_of
from compositor.pixels.plane_state import Filter, PlaneState, Rotation
from compositor.render import sample
from compositor.render.layer import Layer

try:
    pixman.load()
except OSError:
    pytest.skip("pixman is not installed (apt install libpixman-1-0)", allow_module_level=True)

Pixels = NDArray[np.uint8]
TURNS = (Rotation.ROTATE_0, Rotation.ROTATE_90, Rotation.ROTATE_180, Rotation.ROTATE_270)
MIRRORS = (Rotation(0), Rotation.REFLECT_X, Rotation.REFLECT_Y, Rotation.REFLECT_X | Rotation.REFLECT_Y)


def random_pixels(seed: int, width: int, height: int, element: int = 4) -> Pixels:
    """Rows at multiples of four bytes, as pixman wants them."""
    pitch = -(-width * element // 4) * 4
    memory = np.random.default_rng(seed).integers(0, 256, pitch * height, np.uint8)
    return np.ndarray((height, width, element), np.uint8, memory, 0, (pitch, element, 1))


def drawn(layer: Layer) -> Pixels:
    words = np.zeros((layer.bounds.height, layer.bounds.width), np.uint32)
    sample.sample(layer, layer.bounds, words)
    return words.view(np.uint8).reshape(*words.shape, 4)


def drawn_by_pixman(layer: Layer) -> Pixels:
    target = np.zeros((layer.bounds.height, layer.bounds.width, 4), np.uint8)
    with (
        pixman.Image(target, PixelFormat.ARGB8888) as canvas,
        pixman.Image(layer.pixels, layer.format, layer.image_size[0]) as picture,
    ):
        if layer.plane != PlaneState():
            picture.show(layer.plane)
        canvas.composite(pixman.SRC, picture)
    return target


@pytest.mark.parametrize("pixel_format", [form for form in pixman.FORMATS if form is not SampledFormat.YUYV])
def test_formats_are_converted_as_by_pixman(pixel_format: AnyFormat) -> None:
    element = 4 if isinstance(pixel_format, PixelFormat) else pixel_format.pixel_bytes
    layer = Layer(random_pixels(1, 301, 97, element), pixel_format)
    np.testing.assert_array_equal(drawn(layer), drawn_by_pixman(layer))


def test_yuv_differs_from_pixman_by_its_rounding_alone() -> None:
    """pixman knows one matrix, with three digits, and cuts off."""
    layer = Layer(random_pixels(1, 150, 97), SampledFormat.YUYV)
    assert size_of(layer.pixels, layer.format) == (300, 97)
    difference = drawn(layer).astype(int) - drawn_by_pixman(layer)
    assert abs(difference).max() <= 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.tuples(st.integers(1, 70), st.integers(1, 40)),
    st.tuples(st.integers(1, 90), st.integers(1, 60)),
    st.sampled_from(TURNS),
    st.sampled_from(MIRRORS),
    st.sampled_from([Filter.NEAREST, Filter.BILINEAR]),
)
def test_pictures_are_scaled_and_turned_as_by_pixman(
    size: tuple[int, int], shown: tuple[int, int], turn: Rotation, mirror: Rotation, scaling_filter: Filter
) -> None:
    plane = PlaneState(rotation=turn | mirror, size=shown, scaling_filter=scaling_filter)
    layer = Layer(random_pixels(sum(size), *size), PixelFormat.ARGB8888, plane=plane)
    np.testing.assert_array_equal(drawn(layer), drawn_by_pixman(layer))


def test_a_planes_alpha_is_pixmans_mask_where_that_has_as_many_bits() -> None:
    pixels = random_pixels(3, 256, 64)
    for opacity in (0, 1, 77, 128, 254, 255):
        layer = Layer(pixels, PixelFormat.ARGB8888, plane=PlaneState(alpha=257 * opacity))
        expected = np.zeros_like(pixels)
        with (
            pixman.Image(expected, PixelFormat.ARGB8888) as canvas,
            pixman.Image(pixels, PixelFormat.ARGB8888) as picture,
        ):
            canvas.composite(pixman.SRC, picture, 257 * opacity)
        np.testing.assert_array_equal(drawn(layer), expected)
