"""OVER against what memory allows: how many bytes a second pass, reading and writing."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import numpy as np

from compositor.bench.render.content import noise, opaque
from compositor.bench.render.peers import Peers
from compositor.bench.report import Measure, Row, interleave
from compositor.pixel import PixelFormat
from compositor.render import blend

_GOAL = 0.85
_SIZES = {"720p": (1280, 720), "1080p": (1920, 1080)}


def rows(_peers: Peers) -> list[Row]:
    """Warm: both pictures stay in the last level of cache, where that is large enough."""
    found = []
    for size, (width, height) in _SIZES.items():
        source, target = noise(width, height), opaque(width, height, 2)
        words = target.view(np.uint32)
        over = partial(blend.over, target, source, PixelFormat.ARGB8888)
        modify = partial(np.bitwise_xor, words, np.uint32(0), out=words)
        # OVER reads two pictures and writes one; the other reads one and writes it.
        ours, theirs = _rate(over, 3 * target.nbytes), _rate(modify, 2 * target.nbytes)
        peers = {"read-modify-write": theirs}
        found.append(interleave(f"bandwidth-over-{size}-1t", "GB/s", ours, peers, runs=31, goal=_GOAL))
    return found


def _rate(draw: Callable[[], object], size: int) -> Measure:
    def measure() -> float:
        draw()  # warm
        start = time.perf_counter()
        draw()
        return size / (time.perf_counter() - start) / 1e9

    return measure
