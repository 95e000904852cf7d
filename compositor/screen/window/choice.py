"""Who composes what a window shows: the CPU, OpenGL, or whichever is faster here, measured."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.output.mode import Mode
from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.render import blend, cpu
from compositor.render.gl import Target
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import Uploader, Way
from compositor.render.layer import Layer
from compositor.screen import Renderer
from compositor.screen.window.composition import Composition

_RUNS = 3


class Choice(NamedTuple):
    """Who composes, and why.

    Attributes:
        composition: OpenGL's; None: the CPU composes, and the picture is uploaded.
        reason: In words.
    """

    composition: Composition | None
    reason: str


def choose(kind: Renderer, gl: Any, way: Way, mode: Mode) -> Choice:
    """Who composes for a window.

    Args:
        kind: What the user asked for; "auto" measures.
        gl: `pyglet.gl`, with the window's context current.
        way: How composed pictures are uploaded.
        mode: Of the output.

    Raises:
        ScreenError: The driver lacks what it takes to compose.
    """
    if kind == "cpu":
        return Choice(None, "not measured")
    composition = Composition(gl)
    if kind == "gl":
        return Choice(composition, "asked for")
    cpu_ms, gl_ms = measure(composition, gl, way, mode)
    reason = f"a desktop of {mode.width}x{mode.height}: {cpu_ms:.1f} ms by the CPU, {gl_ms:.1f} by OpenGL"
    if gl_ms < cpu_ms:
        return Choice(composition, reason)
    composition.delete()
    return Choice(None, reason)


def measure(composition: Composition, gl: Any, way: Way, mode: Mode) -> tuple[float, float]:
    """Milliseconds to compose all of a desktop with windows: by the CPU, upload included, and by OpenGL."""
    layers, damage = desktop(mode), [mode.rect]
    blend.load()
    picture = np.empty((mode.height, mode.width, 4), np.uint8)
    uploader = Uploader(gl)
    texture = Texture(gl, mode.width, mode.height, OUTPUT_FORMAT, way.layout)
    target = Target(gl, mode.width, mode.height)

    def by_cpu() -> None:
        cpu.compose(picture, layers, damage)
        texture.update(uploader, way, picture, damage)

    def by_gl() -> None:
        composition.renderer.compose(target, layers, damage)

    times = [(_milliseconds(gl, by_cpu), _milliseconds(gl, by_gl)) for _ in range(1 + _RUNS)]
    for thing in (texture, uploader, target):
        thing.delete()
    cpu_ms, gl_ms = (min(column) for column in zip(*times[1:], strict=True))
    return cpu_ms, gl_ms


def desktop(mode: Mode) -> list[Layer]:
    """A background that fills the output, and two windows with translucent edges that overlap on it."""
    width, height = mode.width // 2, mode.height // 2
    layers = [Layer(_pixels(mode.width, mode.height), PixelFormat.XRGB8888)]
    for part in (4, 2):
        window = _pixels(width, height)
        window[..., 3] = 255
        edge = max(1, height // 32)
        window[:edge] = window[-edge:] = 40
        layers.append(Layer(window, PixelFormat.ARGB8888, mode.width // part, mode.height // part))
    return layers


def _pixels(width: int, height: int) -> NDArray[np.uint8]:
    words = np.arange(width * height, dtype=np.uint32) * np.uint32(0x9E3779B1)
    return words.view(np.uint8).reshape(height, width, 4)


def _milliseconds(gl: Any, draw: Callable[[], None]) -> float:
    """What `draw` takes until the driver has done it."""
    gl.glFinish()
    start = time.perf_counter()
    draw()
    gl.glFinish()
    return (time.perf_counter() - start) * 1e3
