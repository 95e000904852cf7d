"""The kernels take sixteen pixels at a time, and look at no byte beyond those that they show."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("numba")

ROOT = Path(__file__).parents[3]

DRAW = """
import ctypes, itertools, mmap
import numpy as np
from compositor.pixels.format import PixelFormat, SampledFormat
from compositor.pixels.plane_state import Filter, PlaneState, Rotation
from compositor.render import blend, sample
from compositor.render.layer import Layer

PAGE = mmap.PAGESIZE
blend.load()

def guarded(height, width, element, at_end):
    # Pages that may be read, between two that may not.
    size = height * width * element
    inside = -(-size // PAGE) * PAGE
    memory = mmap.mmap(-1, inside + 2 * PAGE)
    start = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for page in (start, start + PAGE + inside):
        assert ctypes.CDLL(None).mprotect(ctypes.c_void_p(page), PAGE, 0) == 0
    offset = PAGE + (inside - size if at_end else 0)
    array = np.frombuffer(memory, np.uint8, size, offset).reshape(height, width, element)
    array[...] = np.arange(size).reshape(array.shape) & 0xFF
    return array

forms = [PixelFormat.ARGB8888, *SampledFormat]
sizes = [(2, 2), (5, 3), (16, 16), (33, 18), (47, 4), (70, 21)]
turns = (Rotation.ROTATE_0, Rotation.ROTATE_90, Rotation.ROTATE_180, Rotation.ROTATE_270)
for form, (width, height), at_end in itertools.product(forms, sizes, (False, True)):
    element, columns = (4, 1) if form is PixelFormat.ARGB8888 else (form.pixel_bytes, form.columns)
    pixels = guarded(height, -(-width // columns), element, at_end)
    chroma = guarded(-(-height // 2), -(-width // 2), 2, at_end) if form is SampledFormat.NV12 else None
    width = pixels.shape[1] * columns
    halved = (width // 2, height // 2) if width % 2 == height % 2 == 0 else (7, 5)
    for scaling, turn, size in itertools.product(Filter, turns, (None, (40, 37), (4, 3), halved)):
        plane = PlaneState(size=size, scaling_filter=scaling, rotation=turn)
        layer = Layer(pixels, form, plane=plane, chroma=chroma)
        target = guarded(layer.bounds.height, layer.bounds.width, 4, at_end)
        sample.draw(target, layer, layer.bounds)
print("drawn")
"""


def test_nothing_is_read_or_written_beyond_a_picture() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "drawn\n"), done.stderr
