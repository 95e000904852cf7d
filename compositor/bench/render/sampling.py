"""Planes that are scaled, turned and converted, on one thread: against pixman and OpenCV.

Pictures of 1920x1080 are drawn from random pixels; sources are no larger than that, unless the case says so.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.bench import pixman
from compositor.bench.render.peers import Peers
from compositor.bench.render.timing import milliseconds
from compositor.bench.report import Row, interleave
from compositor.pixels.format import AnyFormat, PixelFormat, SampledFormat
from compositor.pixels.plane_state import Filter, PlaneState, Rotation
from compositor.render import sample
from compositor.render.layer import Layer

Pixels = NDArray[np.uint8]

_SIZE = (1920, 1080)
_RUNS = 15
_OVER_GOAL, _CONVERT_GOAL, _OPENCV_GOAL = 1.6, 2.0, 1.0
_WHOLE_SCREEN = PlaneState(size=_SIZE)


@dataclass(frozen=True, slots=True)
class Case:
    """A plane that fills the screen.

    Attributes:
        name: Of the row.
        pixel_format: The buffer's.
        size: (width, height) of the buffer.
        plane: How it is shown.
        goal: See `Row`.
    """

    name: str
    pixel_format: AnyFormat
    size: tuple[int, int] = _SIZE
    plane: PlaneState = _WHOLE_SCREEN
    goal: float | None = _CONVERT_GOAL


_BILINEAR = PlaneState(size=_SIZE, scaling_filter=Filter.BILINEAR)
_BOX = PlaneState(size=_SIZE, scaling_filter=Filter.BOX)
_ARGB = PixelFormat.ARGB8888
_TURNED = PlaneState(rotation=Rotation.ROTATE_90)

CASES = (
    Case("bilinear-over-720p", _ARGB, (1280, 720), _BILINEAR, _OVER_GOAL),
    Case("bilinear-over-540p", _ARGB, (960, 540), _BILINEAR, _OVER_GOAL),
    Case("bilinear-over-1440p", _ARGB, (2560, 1440), _BILINEAR, _OVER_GOAL),
    Case("bilinear-rgb565", SampledFormat.RGB565, (1280, 720), _BILINEAR, None),
    Case("rotate-90-over", _ARGB, (1080, 1920), _TURNED, _OVER_GOAL),
    Case("convert-rgb565", SampledFormat.RGB565),
    Case("convert-rgb888", SampledFormat.RGB888),
    Case("convert-xrgb2101010", SampledFormat.XRGB2101010),
    Case("convert-yuyv", SampledFormat.YUYV),
    Case("convert-nv12", SampledFormat.NV12, goal=_OPENCV_GOAL),
    Case("box-over-4k", _ARGB, (3840, 2160), _BOX, _OPENCV_GOAL),
    Case("box-over-1440p", _ARGB, (2560, 1440), _BOX, _OPENCV_GOAL),
)


def rows(peers: Peers) -> list[Row]:
    """Milliseconds a picture."""
    return [_row(case, peers.cv2, peers.pixman is not None) for case in CASES]


def _row(case: Case, opencv: Any, has_pixman: bool) -> Row:
    layer = _layer(case)
    target = np.full((*_SIZE[::-1], 4), 255, np.uint8)
    with ExitStack() as images:
        peers: dict[str, Callable[[], object]] = {}
        if has_pixman and case.pixel_format in pixman.FORMATS and _scaling(case) in pixman.FILTERS:
            peers["pixman"] = _by_pixman(images, layer, target.copy())
        if opencv is not None and (work := _by_opencv(case, layer, target.copy(), opencv)) is not None:
            peers["opencv"] = work
        ours = milliseconds(lambda: sample.draw(target, layer, layer.bounds))
        measures = {name: milliseconds(work) for name, work in peers.items()}
        for measure in (ours, *measures.values()):
            measure()  # compiled, and all memory touched
        return interleave(case.name, "ms", ours, measures, runs=_RUNS, goal=case.goal)


def _scaling(case: Case) -> str:
    return str(case.plane.scaling_filter.value)


def _layer(case: Case) -> Layer:
    rng = np.random.default_rng(1)
    form = case.pixel_format
    element, columns = (4, 1) if isinstance(form, PixelFormat) else (form.pixel_bytes, form.columns)
    (width, height), chroma = case.size, None
    pixels = rng.integers(0, 256, (height, width // columns, element), np.uint8)
    if form is SampledFormat.NV12:
        chroma = rng.integers(0, 256, (height // 2, width // 2, 2), np.uint8)
    return Layer(pixels, form, plane=case.plane, chroma=chroma)


def _by_pixman(images: ExitStack, layer: Layer, target: Pixels) -> Callable[[], object]:
    width, height = layer.image_size
    canvas = images.enter_context(pixman.Image(target, PixelFormat.XRGB8888))
    picture = images.enter_context(pixman.Image(layer.pixels, layer.format, width))
    if layer.bounds[2:] != (width, height) or layer.plane.rotation != Rotation.ROTATE_0:
        picture.show(layer.plane)
    operator = pixman.SRC if layer.is_opaque else pixman.OVER
    return lambda: canvas.composite(operator, picture)


def _by_opencv(case: Case, layer: Layer, target: Pixels, opencv: Any) -> Callable[[], object] | None:
    """The same conversion, or for the box filter the scaling alone: OpenCV does not blend."""
    pixels = layer.pixels
    if case.plane.scaling_filter is Filter.BOX:
        return lambda: opencv.resize(pixels, _SIZE, target, interpolation=opencv.INTER_AREA)
    match case.pixel_format:
        case SampledFormat.NV12:
            luma, code = pixels[..., 0], opencv.COLOR_YUV2BGRA_NV12
            return lambda: opencv.cvtColorTwoPlane(luma, layer.chroma, code, target)
        case SampledFormat.YUYV:
            pairs = pixels.reshape(*_SIZE[::-1], 2)
            return lambda: opencv.cvtColor(pairs, opencv.COLOR_YUV2BGRA_YUY2, target)
        case SampledFormat.RGB888:
            return lambda: opencv.cvtColor(pixels, opencv.COLOR_BGR2BGRA, target)
        case _:
            return None
