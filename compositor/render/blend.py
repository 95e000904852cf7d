"""Whether the compiled kernels draw, or numpy does: the result is the same in every bit.

Loading numba takes as long as blending fifty frames without it. So numpy does the work until it has spent
about that time; a short run never pays, and neither does one of opaque pictures in the target's own order,
which numpy copies at the speed of memory. Where a pause of half a second in the middle would be seen, call
`load` at the start.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from types import ModuleType

from compositor.geometry import Rect
from compositor.pixel import PixelFormat
from compositor.render import exact
from compositor.render.layer import Layer, Pixels

_PATIENCE = 32_000_000  # pixels; in numpy 0.4 s
_BLOCK = 1 << 17  # bytes that are still in the L2 cache when they are read again
IN_ORDER = {PixelFormat.XRGB8888, PixelFormat.ARGB8888}
"""Formats whose words are as those of the target."""
_spent = 0


@functools.cache
def load() -> ModuleType | None:
    """The compiled kernels, or None where numba is not installed or does not work.

    The first call imports numba and loads the kernels from its cache (0.4 s) or compiles them (2 s).
    """
    try:
        return importlib.import_module("compositor.render.fused.kernel")
    except ImportError:
        return None


def ready(pixels: int) -> ModuleType | None:
    """The compiled kernels for so many pixels more that numpy is slow at; None while they would not pay."""
    global _spent  # noqa: PLW0603 - the time of the process, not of an object
    if _spent < _PATIENCE and not load.cache_info().currsize:
        _spent += pixels
        return None
    return load()


def is_quick(layer: Layer) -> bool:
    """Whether numpy is as good at a layer as the kernels are: a plain copy."""
    return layer.is_opaque and layer.format in IN_ORDER


def slow_pixels(layers: Sequence[Layer], damage: Sequence[Rect]) -> int:
    """How many pixels numpy would be slow at."""
    slow = [layer.bounds for layer in layers if not is_quick(layer)]
    return sum(rect.intersect(bounds).area for rect in damage for bounds in slow)


def fetch(target: Pixels, copy: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Copy `source` to `copy` as it is and, in the same pass, to `target` as opaque XRGB8888.

    Args:
        target: (height, width, 4) uint8.
        copy: As `target`; none overlaps with another.
        source: As `target`.
        source_format: Any format; alpha is ignored.
    """
    height, width = target.shape[:2]
    kernels = None
    if all(image.strides[1:] == (4, 1) for image in (target, copy, source)):
        kernels = ready(height * width)
    if kernels is None:
        for top in range(0, height, step := max(1, _BLOCK // (4 * width))):
            rows = slice(top, top + step)
            copy[rows] = source[rows]
            exact.convert(target[rows], copy[rows], source_format)
        return
    images = [number for image in (target, copy, source) for number in (image.ctypes.data, image.strides[0])]
    kernels.fetch(*images, width, height, *shifts(source_format))


@functools.cache
def shifts(form: PixelFormat) -> tuple[int, int, int, int]:
    """Right shifts that bring blue, green, red and alpha of a word to its low byte."""
    return 8 * form.blue, 8 * form.green, 8 * form.red, 8 * form.alpha
