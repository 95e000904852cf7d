"""When the compiled kernels are loaded, which images they take, and that no pixel is copied on the way."""

import functools
import sys
import tracemalloc

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import PlaneState
from compositor.render import blend, exact
from compositor.render.cpu import Layer, compose

Pixels = NDArray[np.uint8]


@pytest.fixture
def no_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slow loops are not to be called: numba is loaded."""
    pytest.importorskip("numba")
    assert blend.load() is not None

    def fail(*_: object) -> None:
        pytest.fail("the slow loop was taken")

    monkeypatch.setattr(exact, "convert", fail)
    monkeypatch.setattr(exact, "over", fail)


def padded(width: int, height: int, pitch: int, offset: int = 0) -> Pixels:
    memory = np.random.default_rng(1).integers(0, 256, offset + pitch * height, np.uint8)
    return np.ndarray((height, width, 4), np.uint8, memory, offset, (pitch, 4, 1))


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("pitch", range(28, 33))
@pytest.mark.usefixtures("no_exact")
def test_rows_at_any_address_take_the_compiled_loop(offset: int, pitch: int) -> None:
    target, source = np.zeros((5, 7, 4), np.uint8), padded(7, 5, pitch, offset)
    blend.convert(target, source, PixelFormat.RGBX8888)
    blend.over(target, source, PixelFormat.ARGB8888)
    blend.over(source, target, PixelFormat.ARGB8888)


@pytest.mark.parametrize(
    "source", [padded(7, 5, 31), padded(7, 5, 36)[::-1], padded(7, 5, 36)[:, ::-1], padded(14, 5, 56)[:, ::2]]
)
def test_rows_and_pixels_in_any_order_are_right(source: Pixels) -> None:
    blend.load()
    for loop in (blend.convert, blend.over):
        for pixel_format in (PixelFormat.ARGB8888, PixelFormat.ABGR8888):
            target, expected = np.full((2, 5, 7, 4), 90, np.uint8)
            loop(target, source, pixel_format)
            loop(expected, source.copy(), pixel_format)
            np.testing.assert_array_equal(target, expected)


def test_fill_paints_the_colour_with_every_padding() -> None:
    for pitch in (28, 32, 33):
        target = padded(7, 5, pitch)
        exact.fill(target, 0x123456)
        assert (target == (0x56, 0x34, 0x12, 0xFF)).all()


def test_an_image_without_pixels_is_no_trouble() -> None:
    empty = np.zeros((0, 7, 4), np.uint8)
    exact.fill(empty, 0)
    blend.convert(empty, empty.copy(), PixelFormat.XRGB8888)
    blend.over(empty, empty.copy(), PixelFormat.ARGB8888)


def test_a_plain_opaque_copy_does_not_wait_for_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blend, "load", functools.cache(lambda: pytest.fail("numba was loaded")))
    monkeypatch.setattr(blend, "_spent", 0)
    target, source = np.zeros((500, 500, 4), np.uint8), padded(500, 500, 2000)
    for _ in range(200):
        compose(target, [Layer(source, PixelFormat.XRGB8888)], [Rect(0, 0, 500, 500)])
    assert (target[..., :3] == source[..., :3]).all()
    assert (target[..., 3] == 255).all()


def test_numba_is_loaded_when_it_pays(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[int] = []

    @functools.cache
    def load() -> None:
        loaded.append(blend._spent)

    monkeypatch.setattr(blend, "load", load)
    monkeypatch.setattr(blend, "_spent", 0)
    target, source = np.zeros((1000, 4000, 4), np.uint8), np.zeros((1000, 4000, 4), np.uint8)
    monkeypatch.setattr(exact, "over", lambda *_: None)
    for _ in range(12):
        blend.over(target, source, PixelFormat.ARGB8888)
    assert loaded == [32_000_000]


def test_numba_is_used_at_once_when_it_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(blend, "_spent", 0)
    assert blend.load() is not None
    assert blend.ready(1) is blend.load()


def test_without_numba_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "compositor.render.fused.kernel", None)
    assert blend.load.__wrapped__() is None


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_no_image_is_copied(pixel_format: PixelFormat) -> None:
    pytest.importorskip("numba")
    target, source = np.zeros((500, 500, 4), np.uint8), padded(500, 500, 2048, 1)
    layers = [
        Layer(target, PixelFormat.XRGB8888),
        Layer(source, pixel_format, plane=PlaneState(alpha=0x8080)),
    ]
    assert blend.load() is not None
    compose(target, layers, [Rect(0, 0, 500, 500)])
    tracemalloc.start()
    try:
        compose(target, layers, [Rect(0, 0, 500, 500)])
        blend.convert(target, source, pixel_format)
        assert tracemalloc.get_traced_memory()[1] < 40_000  # of 1,000,000; numpy has a buffer of 32 KiB
    finally:
        tracemalloc.stop()
