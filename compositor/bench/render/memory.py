"""OVER against the plainest pass over the same memory: what remains of the memory's speed."""

from __future__ import annotations

from functools import partial

import numpy as np

from compositor.bench.render.content import noise, opaque
from compositor.bench.render.peers import Peers
from compositor.bench.render.timing import warm_milliseconds
from compositor.bench.report import Row, interleave
from compositor.pixels.format import PixelFormat
from compositor.render import blend

_GOAL = 0.85
_SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "4k": (3840, 2160)}


def rows(_peers: Peers) -> list[Row]:
    """Either reads two pictures and writes one of them."""
    found = []
    for size, (width, height) in _SIZES.items():
        source, target = noise(width, height), opaque(width, height, 2)
        over = warm_milliseconds(partial(blend.over, target, source, PixelFormat.ARGB8888))
        modify = warm_milliseconds(partial(np.bitwise_xor, target, source, out=target))
        peers = {"read-modify-write": modify}
        found.append(interleave(f"bandwidth-over-{size}-1t", "ms", over, peers, runs=21, goal=_GOAL))
    return found
