"""Bit for bit what pixman does, where pixman is installed."""

import ctypes
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import PlaneState
from compositor.render import blend
from compositor.render.cpu import Layer, compose

Pixels = NDArray[np.uint8]

# pixman.h: PIXMAN_FORMAT(32 bits, type, a, r, g, b); types ARGB 2, ABGR 3, BGRA 8, RGBA 9.
FORMATS = {
    PixelFormat.XRGB8888: 0x20020888, PixelFormat.ARGB8888: 0x20028888,
    PixelFormat.XBGR8888: 0x20030888, PixelFormat.ABGR8888: 0x20038888,
    PixelFormat.BGRX8888: 0x20080888, PixelFormat.BGRA8888: 0x20088888,
    PixelFormat.RGBX8888: 0x20090888, PixelFormat.RGBA8888: 0x20098888,
}  # fmt: skip
OVER = 3
WIDTH, HEIGHT = 301, 97


@cache
def pixman() -> ctypes.CDLL:
    blend.load()
    try:
        library = ctypes.CDLL("libpixman-1.so.0")
    except OSError:
        pytest.skip("pixman is not installed (apt install libpixman-1-0)")
    library.pixman_image_create_bits.restype = ctypes.c_void_p
    library.pixman_image_create_bits.argtypes = [
        ctypes.c_uint,
        *[ctypes.c_int] * 2,
        ctypes.c_void_p,
        ctypes.c_int,
    ]
    library.pixman_image_composite32.restype = None
    library.pixman_image_composite32.argtypes = [ctypes.c_int, *[ctypes.c_void_p] * 3, *[ctypes.c_int32] * 8]
    library.pixman_image_unref.argtypes = [ctypes.c_void_p]
    return library


def pixman_over(target: Pixels, source: Pixels, source_format: PixelFormat, x: int, y: int) -> None:
    images = [
        pixman().pixman_image_create_bits(
            FORMATS[image_format], image.shape[1], image.shape[0], image.ctypes.data, image.strides[0]
        )
        for image, image_format in ((target, PixelFormat.XRGB8888), (source, source_format))
    ]
    height, width = source.shape[:2]
    pixman().pixman_image_composite32(OVER, images[1], None, images[0], 0, 0, 0, 0, x, y, width, height)
    for image in images:
        pixman().pixman_image_unref(image)


def pixman_opacity(target: Pixels, source: Pixels, opacity: int) -> None:
    """ARGB8888 through a mask of one colour, as compositors do opacity."""
    mask = np.full(4, opacity, np.uint8)
    create = pixman().pixman_image_create_bits
    masked = create(0x08018000, 1, 1, mask.ctypes.data, 4)  # PIXMAN_a8
    pixman().pixman_image_set_repeat(ctypes.c_void_p(masked), 1)  # PIXMAN_REPEAT_NORMAL
    height, width = source.shape[:2]
    below, above = (
        create(FORMATS[form], width, height, image.ctypes.data, image.strides[0])
        for form, image in ((PixelFormat.XRGB8888, target), (PixelFormat.ARGB8888, source))
    )
    pixman().pixman_image_composite32(OVER, above, masked, below, 0, 0, 0, 0, 0, 0, width, height)
    for image in (masked, below, above):
        pixman().pixman_image_unref(image)


def random_pixels(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Random in all channels: most colours exceed their alpha. Some pixels opaque, some clear."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
    pixels[rng.random((height, width)) < 0.1] = 255
    pixels[rng.random((height, width)) < 0.1] = 0
    return pixels


@pytest.mark.parametrize("source_format", PixelFormat)
@pytest.mark.parametrize("seed", range(3))
def test_a_layer_looks_as_pixman_draws_it(source_format: PixelFormat, seed: int) -> None:
    backdrop, source = random_pixels(seed), random_pixels(seed + 100, 200, 80)
    backdrop[..., 3] = 255
    target, expected = np.zeros_like(backdrop), backdrop.copy()
    x, y = 70 * seed - 40, 30 * seed - 20
    compose(
        target,
        [Layer(backdrop, PixelFormat.XRGB8888), Layer(source, source_format, x, y)],
        [Rect(0, 0, WIDTH, HEIGHT)],
    )
    pixman_over(expected, source, source_format, x, y)
    np.testing.assert_array_equal(target[..., :3], expected[..., :3])


def test_every_alpha_on_every_background_looks_as_pixman_draws_it() -> None:
    background, alpha = (plane.astype(np.uint8) for plane in np.indices((256, 256)))
    for colour in range(0, 256, 5):
        target = np.dstack([background, background[::-1], background, np.full_like(background, 255)])
        source = np.dstack([np.full_like(alpha, colour), alpha, alpha // 2, alpha])
        expected = target.copy()
        compose(
            target,
            [Layer(target.copy(), PixelFormat.XRGB8888), Layer(source, PixelFormat.ARGB8888)],
            [Rect(0, 0, 256, 256)],
        )
        pixman_over(expected, source, PixelFormat.ARGB8888, 0, 0)
        np.testing.assert_array_equal(target[..., :3], expected[..., :3])


@pytest.mark.parametrize("opacity", [0, 1, 64, 127, 128, 200, 254, 255])
def test_opacity_looks_as_pixman_draws_it(opacity: int) -> None:
    backdrop, source = random_pixels(opacity), random_pixels(opacity + 1000)
    expected = backdrop.copy()
    compose(
        backdrop,
        [
            Layer(backdrop, PixelFormat.XRGB8888),
            Layer(source, PixelFormat.ARGB8888, plane=PlaneState(alpha=opacity * 0x101)),
        ],
        [Rect(0, 0, WIDTH, HEIGHT)],
    )
    pixman_opacity(expected, source, opacity)
    np.testing.assert_array_equal(backdrop[..., :3], expected[..., :3])
