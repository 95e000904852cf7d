"""Composition in linear light."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import Filter, PlaneState
from compositor.render import linear, reference
from compositor.render.layer import Layer

SCREEN = Rect(0, 0, 12, 7)


def test_every_code_comes_back_as_itself() -> None:
    light, code = linear.tables()
    assert light[[0, 255]].tolist() == [0, 65535]
    np.testing.assert_array_equal(code[light], np.arange(256))
    assert (np.diff(light.astype(int)) > 0).all()
    assert (np.diff(code.astype(int)) >= 0).all()


def test_half_of_white_is_half_of_the_light() -> None:
    target = np.full((1, 1, 4), 255, np.uint8)
    linear.over(target, np.array([[[0, 0, 0, 128]]], np.uint8))
    assert target[0, 0].tolist() == [187, 187, 187, 255]  # 1.055 * (127 / 255) ** (1 / 2.4) - 0.055


def test_a_clear_pixel_changes_nothing_and_an_opaque_one_everything() -> None:
    below = np.arange(256, dtype=np.uint8)[None, :, None].repeat(4, axis=2)
    target = below.copy()
    linear.over(target, np.full((1, 256, 4), (9, 9, 9, 0), np.uint8))
    np.testing.assert_array_equal(target[..., :3], below[..., :3])
    source = below[:, ::-1].copy()
    source[..., 3] = 255
    linear.over(target, source)
    np.testing.assert_array_equal(target, source)


def test_every_alpha_on_every_background_equals_the_reference() -> None:
    background, alpha = (plane.astype(np.uint8) for plane in np.indices((256, 256)))
    for colour in (0, 1, 77, 128, 200, 255):
        target = np.dstack([background, background[::-1], background, np.full_like(background, 255)])
        source = np.dstack([np.full_like(alpha, colour), alpha, alpha // 2, alpha])
        expected = reference.over_in_linear_light(source.astype(np.int64), target.astype(np.int64))
        linear.over(target, source)
        np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("opaque", [False, True])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2**32), st.sampled_from(Filter), st.integers(0, 0xFFFF), st.integers(-4, 9))
def test_scenes_equal_the_reference(
    reference: Callable[..., None], opaque: bool, seed: int, scaling_filter: Filter, alpha: int, x: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (2, 5, 4, 4), np.uint8)
    plane = PlaneState(size=(7, 6), scaling_filter=scaling_filter, alpha=alpha)
    below = PixelFormat.XRGB8888 if opaque else PixelFormat.ARGB8888
    scene = [Layer(pixels[0], below, 2, 1), Layer(pixels[1], PixelFormat.RGBA8888, x, 0, plane=plane)]
    target, expected = np.full((2, 7, 12, 4), 77, np.uint8)
    damage = [Rect(1, 0, 9, 5), Rect(0, 6, 12, 4)]
    written = linear.compose(target, scene, damage, 0x204060)
    reference(expected, scene, damage, 0x204060, linear_light=True)
    np.testing.assert_array_equal(target, expected)
    assert sum(written) >= 4 * (9 * 5 + 12)
