"""Repairing a tenth of a desktop against painting all of it, both on one thread."""

from __future__ import annotations

from functools import partial

from compositor.bench.render.content import opaque
from compositor.bench.render.desktop import layers
from compositor.bench.render.peers import Peers
from compositor.bench.render.timing import milliseconds
from compositor.bench.report import Row, interleave
from compositor.pixels.geometry import Rect
from compositor.render import lanes
from compositor.render.cpu import compose

_GOAL = 5.0
_WIDTH, _HEIGHT = 1920, 1080


def rows(_peers: Peers) -> list[Row]:
    """One rectangle, and ten that are as large together."""
    scene, target = layers(_WIDTH, _HEIGHT), opaque(_WIDTH, _HEIGHT, 9)
    paint = partial(compose, target, scene, run=lanes.on_this_thread)
    full = milliseconds(partial(paint, [Rect(0, 0, _WIDTH, _HEIGHT)]))
    damages = {
        "one": [Rect(300, 300, 640, 324)],
        "ten": [Rect(200 + 140 * (i % 5), 150 + 400 * (i // 5), 128, 162) for i in range(10)],
    }
    return [
        interleave(
            f"damage-tenth-1080p-{name}-rect",
            "ms",
            milliseconds(partial(paint, damage)),
            {"full": full},
            runs=21,
            goal=_GOAL,
        )
        for name, damage in damages.items()
    ]
