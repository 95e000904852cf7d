"""One picture over another, in place, on one thread."""

from __future__ import annotations

from functools import partial

from compositor.bench.render.content import CONTENT, opaque
from compositor.bench.render.peers import Peers
from compositor.bench.render.timing import milliseconds, warm_milliseconds
from compositor.bench.report import Row, interleave
from compositor.pixels.format import PixelFormat
from compositor.render import blend

SIZES = {"1080p": (1920, 1080, 21), "4k": (3840, 2160, 11)}
"""Width, height and how often each is measured."""
_GOALS = {("random", "1080p"): 2.5, ("random", "4k"): 3.5}


def rows(peers: Peers) -> list[Row]:
    """Every kind of content, at every size.

    Each draws after the others, which have pushed the pictures out of the caches; of noise, which must be
    blended in every pixel, there is also a warm row, where each draws twice and the second time counts.
    """
    found = []
    for size, (width, height, runs) in SIZES.items():
        for content, paint in CONTENT.items():
            source, target = paint(width, height, 1), opaque(width, height, 2)
            ours = partial(blend.over, target, source, PixelFormat.ARGB8888)
            theirs = peers.over(target, source)
            goal = _GOALS.get((content, size), 1.0)
            for suffix, measured in {"": milliseconds, "-warm": warm_milliseconds}.items():
                if suffix and content != "random":
                    continue
                case = f"over-{content}-{size}-1t{suffix}"
                others = {name: measured(draw) for name, draw in theirs.items()}
                found.append(interleave(case, "ms", measured(ours), others, runs=runs, goal=goal))
    return found
