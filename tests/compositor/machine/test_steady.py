"""What many frames leave behind, and what one needs: nothing."""

from __future__ import annotations

import gc
import sys
import tracemalloc

import numpy as np
import pytest

from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import blend
from compositor.render.cpu import Layer, compose

FRAMES = 100_000


def test_memory_does_not_grow_in_a_hundred_thousand_pictures() -> None:
    pytest.importorskip("numba")
    assert blend.load() is not None
    rng = np.random.default_rng(1)
    target = np.zeros((64, 64, 4), np.uint8)
    layers = [
        Layer(rng.integers(0, 256, (32, 48, 4), np.uint8), pixel_format, 4 * index, 8 * index)
        for index, pixel_format in enumerate((PixelFormat.XRGB8888, PixelFormat.ARGB8888) * 2)
    ]

    def draw(count: int) -> None:
        for number in range(count):
            compose(target, layers, [Rect(number % 48, 5, 16, 20), Rect(3, 40, 9, 9)], 0x204060)

    draw(100)
    gc.collect()
    before = sys.getallocatedblocks()
    draw(FRAMES)
    gc.collect()
    assert sys.getallocatedblocks() - before < 50


def test_a_frame_needs_no_memory_for_pixels() -> None:
    """Ten guests of 640x480 flip: 12 MB of pixels, and some objects for a moment."""
    blend.load()
    output, buffers = Output("1920x1080@60"), []
    layers = [OutputLayer(f"guest-{index}") for index in range(10)]
    for index, layer in enumerate(layers):
        output.add(layer)
        pixels = np.full((2, 480, 640, 4), 9 * index, np.uint8)
        form = PixelFormat.ARGB8888 if index % 2 else PixelFormat.XRGB8888
        buffers.append([Buffer(pixels[0], form), Buffer(pixels[1], form)])

    def frame(number: int) -> None:
        for index, (layer, pair) in enumerate(zip(layers, buffers, strict=True)):
            output.show(layer, pair[number % 2], position=(100 * index, 50 * index))
        shown = output.commit(0)
        assert shown is not None
        shown.latch()
        shown.release()

    tracemalloc.start()
    try:
        for number in range(10):
            frame(number)
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        for number in range(100):
            frame(number)
        after, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak - before < 64_000
    assert after - before < 32_000  # of 120 MB that passed by; caches fill
