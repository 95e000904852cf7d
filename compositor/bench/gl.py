"""The GL renderer: ways to upload, whole frames, and what composition by OpenGL would cost a window.

Everything is drawn without a window into a picture of 1920x1080, and waited for. The peer is pyglet as one
would use it without further thought: an `ImageData` of the frame's bytes, put into a texture, the texture
blitted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.bench.report import Report, interleave
from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import blend, cpu
from compositor.render.gl import GlRenderer, HeadlessContext, Target
from compositor.render.gl.library import driver_name
from compositor.render.gl.painter import Painter
from compositor.render.gl.peer import PygletPicture
from compositor.render.gl.texture import Texture
from compositor.render.gl.upload import EVERY_WAY, Uploader, Way
from compositor.render.layer import Layer

_WIDTH, _HEIGHT = 1920, 1080
_WHOLE = Rect(0, 0, _WIDTH, _HEIGHT)
_TENTH = Rect(600, 400, 640, 324)  # 10 % of the picture
_RUNS = 15

Draw = Callable[[], object]


def run() -> Report:
    """Milliseconds a frame of 1920x1080."""
    report = Report("gl", versions={"numpy": np.__version__})
    try:
        context = HeadlessContext()
    except ScreenError as error:
        report.missing["OpenGL"] = str(error)
        return report
    with context:
        report.versions["driver"] = driver_name(context.gl)
        renderer, target = GlRenderer(context.gl, time.perf_counter), Target(context.gl, _WIDTH, _HEIGHT)
        _uploads(report, context.gl, target)
        _frames(report, renderer, target)
        _windows(report, renderer, target)
        target.delete()
        renderer.close()
    return report


def _timed(gl: Any, draw: Draw) -> Callable[[], float]:
    """A measurement of `draw`, until the driver has done it, in milliseconds."""

    def measure() -> float:
        gl.glFinish()
        start = time.perf_counter()
        draw()
        gl.glFinish()
        return (time.perf_counter() - start) * 1e3

    measure()
    return measure


def _uploads(report: Report, gl: Any, target: Target) -> None:
    """Every way to upload an opaque frame and draw it, against pyglet's."""
    pixels, painter, uploader = _picture(0), Painter(gl), Uploader(gl)
    pyglet = _timed(gl, _pyglet_frame(target, pixels))
    for way in EVERY_WAY:
        texture = Texture(gl, _WIDTH, _HEIGHT, PixelFormat.XRGB8888, way.layout)

        def draw(texture: Texture = texture, way: Way = way) -> None:
            texture.update(uploader, way, pixels, [_WHOLE])
            with painter.painting(target):
                painter.paint(texture, Layer(pixels, PixelFormat.XRGB8888), _WHOLE)

        case = f"upload-{way.layout.value}{'-pbo' if way.pbo else ''}"
        report.rows.append(interleave(case, "ms", _timed(gl, draw), {"pyglet": pyglet}, runs=_RUNS))
        texture.delete()
    uploader.delete()
    painter.delete()


def _frames(report: Report, renderer: GlRenderer, target: Target) -> None:
    """A frame that changed everywhere, and in a tenth."""
    gl, pixels = renderer.gl, _picture(1)
    layer = Layer(pixels, PixelFormat.XRGB8888)
    pyglet = {"pyglet": _timed(gl, _pyglet_frame(target, pixels))}
    for case, damage in (("frame-full", _WHOLE), ("frame-10-percent", _TENTH)):
        draw = _timed(gl, lambda damage=damage: renderer.compose(target, [layer], [damage]))  # type: ignore[misc]
        report.rows.append(interleave(case, "ms", draw, pyglet, runs=_RUNS))


def _windows(report: Report, renderer: GlRenderer, target: Target) -> None:
    """Five layers: composed by the CPU and uploaded, as windows do, against composed by OpenGL."""
    blend.load()
    layers = _desktop()
    memory = np.empty((_HEIGHT, _WIDTH, 4), np.uint8)
    composed = Layer(memory, PixelFormat.XRGB8888)
    for case, damage in (("desktop-full", _WHOLE), ("desktop-10-percent", _TENTH)):

        def by_cpu(damage: Rect = damage) -> None:
            cpu.compose(memory, layers, [damage])
            renderer.compose(target, [composed], [damage])

        def by_gl(damage: Rect = damage) -> None:
            renderer.compose(target, layers, [damage])

        gl = renderer.gl
        report.rows.append(
            interleave(case, "ms", _timed(gl, by_cpu), {"gl-composition": _timed(gl, by_gl)}, runs=_RUNS)
        )


def _pyglet_frame(target: Target, pixels: NDArray[np.uint8]) -> Draw:
    picture = PygletPicture(_WIDTH, _HEIGHT)

    def frame() -> None:
        target.bind()
        picture.draw(pixels)

    return frame


def _picture(seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (_HEIGHT, _WIDTH, 4), np.uint8)


def _desktop() -> list[Layer]:
    """A background, three windows with translucent edges, a cursor."""
    layers = [Layer(_picture(2), PixelFormat.XRGB8888)]
    for index in range(3):
        window = _picture(3 + index)[:600, :800].copy()
        window[..., 3] = 255
        window[:16] = window[-16:] = window[:, :16] = window[:, -16:] = 40
        layers.append(Layer(window, PixelFormat.ARGB8888, 200 + 300 * index, 100 + 150 * index))
    return [*layers, Layer(np.full((64, 64, 4), 128, np.uint8), PixelFormat.ARGB8888, 900, 500)]
