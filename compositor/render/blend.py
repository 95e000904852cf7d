"""Whether the compiled kernels draw, or numpy does: the result is the same in every bit.

Loading numba takes as long as blending fifty frames without it. So numpy does the work until it has spent
about that time; a short run never pays, and neither does one of opaque pictures in the target's own order,
which numpy copies at the speed of memory. Where a pause of half a second in the middle would be seen, call
`load` at the start.
"""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

from compositor.pixels.format import OUTPUT_FORMAT, AnyFormat, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import exact
from compositor.render.fused import tables
from compositor.render.layer import Pixels

_PATIENCE = 32_000_000  # pixels; in numpy 0.4 s
_BLOCK = 1 << 17  # bytes that are still in the L2 cache when they are read again
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


def is_decided() -> bool:
    """Whether numba has been loaded, or was found missing."""
    return load.cache_info().currsize > 0


def ready(pixels: int) -> ModuleType | None:
    """The compiled kernels for so many pixels more that numpy is slow at; None while they would not pay."""
    global _spent  # noqa: PLW0603 - the time of the process, not of an object
    if _spent < _PATIENCE and not is_decided():
        _spent += pixels
        return None
    return load()


def convert(target: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Write `source` over `target` as opaque XRGB8888; sizes are equal, alpha is ignored.

    Args:
        target: (height, width, 4) uint8; B, G, R, 0xff in memory; must not overlap `source`.
        source: As `target`, in the memory order of `source_format`.
        source_format: Any format.
    """
    kernel = None
    if not is_copied(source_format) and _can_take(target, source):
        kernel = ready(target.shape[0] * target.shape[1])
    if kernel is None:
        exact.convert(target, source, source_format)
    else:
        tables.compose(kernel, target, [tables.record(source, source_format, False)], [_whole(target)])


def over(
    target: Pixels, source: Pixels, source_format: PixelFormat, has_alpha: bool = True, opacity: int = 255
) -> None:
    """Blend premultiplied `source` OVER opaque `target`, as pixman does; arguments as `exact.over`."""
    kernel = None
    if _can_take(target, source):
        kernel = ready(target.shape[0] * target.shape[1])
    if kernel is None:
        exact.over(target, source, source_format, has_alpha, opacity)
    else:
        below = tables.record(target, OUTPUT_FORMAT, False)
        above = tables.record(source, source_format, has_alpha, opacity=opacity)
        tables.compose(kernel, target, [below, above], [_whole(target)])


def fetch(target: Pixels, copy: Pixels, source: Pixels, source_format: PixelFormat) -> None:
    """Copy `source` to `copy` as it is and, in the same pass, to `target` as `convert` does."""
    height, width = target.shape[:2]
    kernel = ready(height * width) if _can_take(target, copy, source) else None
    if kernel is None:
        for top in range(0, height, step := max(1, _BLOCK // (4 * width))):
            rows = slice(top, top + step)
            copy[rows] = source[rows]
            exact.convert(target[rows], copy[rows], source_format)
    else:
        images = [
            number
            for image in (target, copy, source)
            for number in (tables.address_of(image), image.strides[0])
        ]
        kernel.fetch(*images, width, height, *source_format.shifts)


def is_copied(form: AnyFormat) -> bool:
    """Whether an opaque picture of this format is a plain copy, at which numpy is as good as any kernel."""
    return isinstance(form, PixelFormat) and form.shifts == OUTPUT_FORMAT.shifts


def _can_take(*images: Pixels) -> bool:
    return all(tables.can_take(image) for image in images)


def _whole(target: Pixels) -> Rect:
    return Rect(0, 0, target.shape[1], target.shape[0])
