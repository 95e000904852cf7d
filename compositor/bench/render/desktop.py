"""A desktop of five layers, fused into one pass, against pixman layer by layer; on one thread and on two."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise

from compositor.bench.render.content import noise, opaque, window
from compositor.bench.render.over import SIZES
from compositor.bench.render.peers import Draw, Peers, Pixels
from compositor.bench.render.timing import milliseconds
from compositor.bench.report import Row, interleave
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import lanes
from compositor.render.cpu import Layer, compose

_GOALS = {1: 1.6, 2: 1.4}


def layers(width: int, height: int) -> list[Layer]:
    """Wallpaper, two windows with shadows that overlap, a panel and a cursor."""
    wide, tall = width * 47 // 100, height * 56 // 100
    return [
        Layer(opaque(width, height, 1), PixelFormat.XRGB8888),
        Layer(window(wide, tall, 2), PixelFormat.ARGB8888, width // 10, height // 8),
        Layer(window(wide, tall, 3), PixelFormat.ARGB8888, width * 2 // 5, height // 3),
        Layer(opaque(width, height // 34, 4), PixelFormat.XRGB8888),
        Layer(noise(64, 64, 5), PixelFormat.ARGB8888, width // 2, height // 2),
    ]


def rows(peers: Peers) -> list[Row]:
    """Both sizes, both numbers of threads."""
    found = []
    for size, (width, height, runs) in SIZES.items():
        scene, target = layers(width, height), opaque(width, height, 9)
        whole = [Rect(0, 0, width, height)]
        ours: dict[int, Draw] = {
            1: partial(compose, target, scene, whole, run=lanes.on_this_thread),
            2: partial(compose, target, scene, whole),
        }
        for threads, draw in ours.items():
            theirs = {}
            if peers.pixman is not None:
                theirs["pixman"] = milliseconds(_pixman(peers, target, scene, threads))
            case = f"desktop-{size}-{threads}t"
            goal = _GOALS[threads]
            found.append(interleave(case, "ms", milliseconds(draw), theirs, runs=runs, goal=goal))
    return found


def _pixman(peers: Peers, target: Pixels, scene: list[Layer], threads: int) -> Draw:
    """What has pixman paint the scene, in as many bands as there are threads."""
    height = len(target)
    edges = [height * band // threads for band in range(threads + 1)]
    bands = []
    for top, bottom in pairwise(edges):
        bands.append(
            [
                peers.pixman_draw(target[top:bottom], layer.pixels, layer.x, layer.y - top, layer.is_opaque)
                for layer in scene
            ]
        )

    def paint(draws: list[Draw]) -> None:
        for draw in draws:
            draw()

    if threads == 1:
        return partial(paint, bands[0])
    helper = ThreadPoolExecutor(1)

    def both() -> None:
        other = helper.submit(paint, bands[1])
        paint(bands[0])
        other.result()

    return both
