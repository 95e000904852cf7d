"""What is particular to the fused pass: blending in place, its own memory, damage in parts, two threads."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import Filter, PlaneState
from compositor.render import blend, lanes
from compositor.render.cpu import Layer, compose

Pixels = NDArray[np.uint8]
Compose = Callable[..., None]

pytest.importorskip("numba")
assert blend.load() is not None


def noise(width: int, height: int, seed: int) -> Pixels:
    """Random, with runs of clear and of opaque pixels that are longer than a block."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 256, (height, width, 4), np.uint8)
    kind = np.repeat(rng.integers(0, 3, (height, width // 40 + 1)), 40, axis=1)[:, :width]
    pixels[kind == 0] = 0
    pixels[..., 3][kind == 1] = 255
    return pixels


def scene(width: int, height: int) -> list[Layer]:
    return [
        Layer(noise(width, height, 1), PixelFormat.XBGR8888),
        Layer(noise(width - 30, height - 9, 2), PixelFormat.ARGB8888, 13, 5),
        Layer(
            noise(width // 2, height // 2, 3), PixelFormat.RGBA8888, 90, -4, plane=PlaneState(alpha=0x4040)
        ),
        Layer(noise(50, 9, 4), PixelFormat.XRGB8888, -7, 11),
        Layer(noise(40, 40, 5), PixelFormat.ARGB8888, width - 60, 3),
    ]


@pytest.mark.parametrize("start", [0, 4, 7])
def test_blocks_of_every_kind_equal_the_reference(reference: Compose, start: int) -> None:
    memory = np.zeros(4 * 300 * 30 + start, np.uint8)
    target = memory[start:].reshape(30, 300, 4)
    expected = target.copy()
    compose(target, scene(300, 30), [Rect(0, 0, 300, 30)], 0x123456)
    reference(expected, scene(300, 30), [Rect(0, 0, 300, 30)], 0x123456)
    np.testing.assert_array_equal(target, expected)


def test_a_bottom_layer_that_is_the_target_is_blended_in_place() -> None:
    below, above = noise(200, 20, 1), noise(200, 20, 2)
    below[..., 3] = 255
    target, expected = below.copy(), np.zeros_like(below)
    top = Layer(above, PixelFormat.ARGB8888)
    compose(target, [Layer(target, PixelFormat.XRGB8888), top], [Rect(3, 0, 190, 20)])
    compose(expected, [Layer(below, PixelFormat.XRGB8888), top], [Rect(3, 0, 190, 20)])
    np.testing.assert_array_equal(target[:, 3:193], expected[:, 3:193])
    np.testing.assert_array_equal(target[:, :3], below[:, :3])


@pytest.mark.parametrize("split", [1, 7, 31, 59])
def test_parts_of_a_damage_list_on_two_threads_make_the_whole(split: int) -> None:
    """Wherever the list is cut, also in the middle of a rectangle."""
    damage = [Rect(0, 0, 300, 9), Rect(10, 9, 280, 11), Rect(0, 20, 250, 10), Rect(20, 30, 7, 30)]
    target, expected = np.zeros((2, 60, 300, 4), np.uint8)

    def run(job: lanes.Job, rows: int, _row_bytes: int) -> None:
        job(0, split)
        job(split, rows)

    whole = compose(expected, scene(300, 60), damage)
    assert compose(target, scene(300, 60), damage, run=run) == whole
    np.testing.assert_array_equal(target, expected)


def test_layers_that_are_sampled_are_painted_among_those_that_are_not(reference: Compose) -> None:
    layers = scene(300, 60)
    layers.insert(2, Layer(noise(30, 20, 8), PixelFormat.ARGB8888, 40, 7, plane=PlaneState(
        size=(75, 31), scaling_filter=Filter.BILINEAR
    )))  # fmt: skip
    target, expected = np.zeros((2, 60, 300, 4), np.uint8)
    compose(target, layers, [Rect(0, 0, 300, 60)])
    reference(expected, layers, [Rect(0, 0, 300, 60)])
    np.testing.assert_array_equal(target, expected)


def test_a_hundred_thousand_frames_take_no_memory() -> None:
    layers, target = scene(64, 16), np.zeros((16, 64, 4), np.uint8)
    damage = [Rect(0, 0, 20, 4), Rect(30, 5, 9, 9)]
    for _ in range(100):
        compose(target, layers, damage)
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(2_000):
            compose(target, layers, damage)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 2_000  # not one object is left behind by a frame
    assert peak - before < 16_000  # and no picture is made on the way
    resident = resident_pages()
    for _ in range(100_000):
        compose(target, layers, damage)
    assert resident_pages() - resident < 256


def resident_pages() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1])
