"""The cost of a frame as guests grow in number: a 1080p output with 1 to 16 windows of 480x270 each.

In `one-of-N` one guest has a new frame, in `all-of-N` all have, in `corner-of-N` one has 64x64 new pixels, in
`cursor-over-N` only the cursor moves. A frame is staged, tested, committed, painted and presented to guests;
the peer is what a compositor without damage does, a full repaint of the same scene by pixman. Last, what
100,000 frames leave behind.
"""

from __future__ import annotations

import gc
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.bench import pixman
from compositor.bench.report import Report, Row, interleave
from compositor.errors import RunFailed
from compositor.output.layers import Buffer
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import blend
from compositor.render.cpu import Layer
from compositor.scene.surface import Surface
from compositor.scene.tree import SceneTree

GUESTS = (1, 2, 4, 8, 16)
_RUNS = 31
_MANY = 100_000
_WIDTH, _HEIGHT = 480, 270
_CORNER = Rect(20, 20, 64, 64)


class Scene(NamedTuple):
    """A scene of guests' windows, shown.

    Attributes:
        output: 1920x1080.
        surfaces: Of the guests.
        cursor: Above them.
        buffers: Two for each guest.
    """

    output: Output
    surfaces: list[Surface]
    cursor: Surface
    buffers: list[tuple[Buffer, Buffer]]

    def layers(self) -> list[Layer]:
        """What is visible, for a renderer that paints everything."""
        shown = [(layer.buffer, layer.position) for layer in self.output.layers]
        return [Layer(b.pixels, b.format, x, y) for b, (x, y) in shown if b is not None]

    def present(self) -> None:
        """Commit and present what has changed."""
        frame = self.output.commit(0)
        if frame is None:
            raise RunFailed("bench frames: nothing changed")
        frame.latch()
        frame.release()

    def flip(self, count: int, number: int) -> None:
        """New frames of the first `count` guests, in their other buffers."""
        for surface, buffers in zip(self.surfaces[:count], self.buffers, strict=False):
            surface.submit(buffers[number % 2])

    def scribble(self) -> None:
        """The first guest draws a little into the buffer that it shows, and says where."""
        shown = self.surfaces[0].buffer
        if shown is not None:
            x, y, width, height = _CORNER
            shown.pixels[y : y + height, x : x + width] ^= 255
            self.surfaces[0].submit(shown, _CORNER)


def scene_of(guests: int) -> Scene:
    """Windows in a grid of 4 by 4, every second one translucent, and a cursor on its plane."""
    rng = np.random.default_rng(guests)
    output = Output("1920x1080@60")
    tree = SceneTree([output])
    surfaces, pairs = [], []
    for number in range(guests):
        x, y = _WIDTH * (number % 4), _HEIGHT * (number // 4)
        surface = Surface(f"guest-{number}", x=x, y=y, outputs=[0])
        pixel_format = PixelFormat.ARGB8888 if number % 2 else PixelFormat.XRGB8888
        pixels = [rng.integers(0, 256, (_HEIGHT, _WIDTH, 4), np.uint8) for _ in range(2)]
        tree.content.add(surface)
        surfaces.append(surface)
        pairs.append((Buffer(pixels[0], pixel_format), Buffer(pixels[1], pixel_format)))
    cursor = Surface("cursor", x=700, y=400, z=1, outputs=[0], cursor=True)
    tree.content.add(cursor)
    cursor.submit(Buffer(rng.integers(0, 256, (64, 64, 4), np.uint8), PixelFormat.ARGB8888))
    shown = Scene(output, surfaces, cursor, pairs)
    shown.flip(guests, 0)
    shown.present()
    return shown


def run() -> Report:
    """Milliseconds a frame, ours against a full repaint by pixman."""
    report = Report("frames", versions={"numpy": np.__version__})
    blend.load()
    try:
        report.versions["pixman"] = pixman.version()
    except OSError:
        report.missing["pixman"] = "not installed: apt install libpixman-1-0"
    for guests in GUESTS:
        scene = scene_of(guests)
        target = np.zeros((1080, 1920, 4), np.uint8)

        def repaint(_number: int, target: NDArray[np.uint8] = target, scene: Scene = scene) -> None:
            pixman.compose(target, scene.layers())

        peers = {} if report.missing else {"pixman": _timed(repaint)}
        for case, change in _changes(scene).items():

            def frame(number: int, change: Callable[[int], None] = change, scene: Scene = scene) -> None:
                change(number)
                scene.present()

            report.rows.append(interleave(f"{case}-{guests}", "ms", _timed(frame), peers, runs=_RUNS))
    report.rows += _growth()
    return report


def _growth() -> list[Row]:
    """How much more memory there is after many frames of two guests; some come first, for practice."""
    scene = scene_of(2)

    def present(count: int) -> tuple[int, int]:
        for number in range(count):
            scene.flip(2, number)
            scene.present()
        gc.collect()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return sys.getallocatedblocks(), pages * resource.getpagesize() // 1024

    before, after = present(_MANY // 10), present(_MANY)
    return [
        Row(f"more-after-{_MANY // 1000}k-frames", unit, new - old, {}, None, None, None, 1)
        for unit, old, new in zip(("blocks", "KiB"), before, after, strict=True)
    ]


def _changes(scene: Scene) -> dict[str, Callable[[int], None]]:
    every = len(scene.surfaces)
    return {
        "cursor-over": lambda n: scene.cursor.move(300 + n % 999, 200),
        "corner-of": lambda _: scene.scribble(),
        "one-of": lambda n: scene.flip(1, n),
        "all-of": lambda n: scene.flip(every, n),
    }


def _timed(work: Callable[[int], None]) -> Callable[[], float]:
    """Milliseconds of one call, which gets its number."""
    calls = 0

    def measure() -> float:
        nonlocal calls
        calls += 1
        start = time.perf_counter()
        work(calls)
        return (time.perf_counter() - start) * 1e3

    return measure
