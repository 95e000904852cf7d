"""From `import compositor` to the first blended frame, in a new process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import compositor
from compositor.bench.render.peers import Peers
from compositor.bench.report import Row, interleave

_FIRST_FRAME = """
import time
start = time.perf_counter()
import numpy
import compositor.output.output
from compositor.pixels.geometry import Rect
from compositor.pixels.format import PixelFormat
from compositor.render import blend
from compositor.render.cpu import Layer, compose
blend.load()
target, below, above = numpy.full((3, 1080, 1920, 4), 128, numpy.uint8)
layers = [Layer(below, PixelFormat.XRGB8888), Layer(above, PixelFormat.ARGB8888)]
compose(target, layers, [Rect(0, 0, 1920, 1080)])
print(time.perf_counter() - start)
"""
_ALLOWED = {"cached": 0.5, "compiled": 3.0}  # seconds


def rows(_peers: Peers) -> list[Row]:
    """With the kernels' machine code in the cache, and without; the peer is the time that is allowed."""
    with tempfile.TemporaryDirectory() as cache:
        _first_frame(Path(cache), False)
        return [
            interleave(
                f"first-frame-{name}",
                "s",
                partial(_first_frame, Path(cache), name == "compiled"),
                {"allowed": partial(float, seconds)},
                runs=3,
                goal=1.0,
            )
            for name, seconds in _ALLOWED.items()
        ]


def _first_frame(cache: Path, fresh: bool) -> float:
    if fresh:
        shutil.rmtree(cache)
        cache.mkdir()
    root = str(Path(compositor.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_FRAME],
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout)
