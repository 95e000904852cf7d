"""The inner loops, compiled by numba. Everything that touches pixels one by one is here.

A pixel is one little-endian 32-bit word. Two channels of eight bits are worked on at a time, each in a
lane of sixteen bits, so that LLVM vectorises the loop over whole words (a loop over bytes it does not).
The source's channels are fetched by shifts, which covers all eight formats with one loop; memory, not
arithmetic, is the limit, so the shifts cost nothing that can be measured.

Arrays arrive flat, as one run of words from the first pixel to the last, with the distance between rows
(`pitch`, in words): the only shape of a padded image whose rows numba knows to be contiguous.

All kernels release the GIL. Importing this module loads numba and compiles or loads the machine code:
import it when the first pixel has to be blended (see `compositor.render.blend`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from numba import types
from numpy.typing import NDArray

Words = NDArray[np.uint32]
Kernel = Callable[..., None]

_OPAQUE = np.uint32(0xFF000000)
_LANES = np.uint32(0x00FF00FF)  # two channels, each with room above for a carry
_CARRIES = np.uint32(0x00010001)
_HALVES = np.uint32(0x00800080)
_HALF = np.uint32(0x80)
_BYTE = np.uint32(0xFF)
_8 = np.uint32(8)
_16 = np.uint32(16)

_TARGET = types.Array(types.uint32, 1, "C")
# Guest memory is mapped read-only and may start at any byte; the loads are compiled for that.
_SOURCE = types.Array(types.uint32, 1, "C", readonly=True, aligned=False)
_SHIFT = types.uint32
_IMAGES = (_TARGET, types.int64, _SOURCE, types.int64, types.int64, types.int64)


def _compile(images: tuple[types.Type, ...], *shifts: types.Type) -> Callable[[Kernel], Kernel]:
    """Compile for one signature, at once; from the cache of an earlier process where there is one.

    numba refuses to cache, by exceptions of many kinds, when it finds no directory that it may write,
    when the disk is full, or when a cache file is damaged. None of these is a reason not to draw.
    """
    signature = types.void(*images, *shifts)

    def decorate(function: Kernel) -> Kernel:
        options: dict[str, Any] = {"nogil": True, "boundscheck": False}
        try:
            kernel: Kernel = numba.njit(signature, cache=True, **options)(function)
        except Exception:
            kernel = numba.njit(signature, **options)(function)
        return kernel

    return decorate


@_compile(_IMAGES, _SHIFT, _SHIFT, _SHIFT)
def convert(
    target: Words,
    target_pitch: int,
    source: Words,
    source_pitch: int,
    width: int,
    height: int,
    blue: np.uint32,
    green: np.uint32,
    red: np.uint32,
) -> None:
    """Write `source` over `target` as opaque XRGB8888, X = 0xff.

    Args:
        target: XRGB8888 words.
        target_pitch: Words from one row to the next.
        source: Words of any of the eight formats; their alpha is ignored.
        source_pitch: As `target_pitch`.
        width: Pixels.
        height: Rows.
        blue: Shift that brings the channel to the low eight bits of a source word.
        green: As `blue`.
        red: As `blue`.
    """
    for y in range(height):
        out = target[y * target_pitch : y * target_pitch + width]
        row = source[y * source_pitch : y * source_pitch + width]
        for x in range(width):
            s = row[x]
            out[x] = (
                _OPAQUE | ((s >> red) & _BYTE) << _16 | ((s >> green) & _BYTE) << _8 | (s >> blue) & _BYTE
            )


@_compile((_TARGET, types.int64, *_IMAGES), _SHIFT, _SHIFT, _SHIFT)
def fetch(
    target: Words,
    target_pitch: int,
    copy: Words,
    copy_pitch: int,
    source: Words,
    source_pitch: int,
    width: int,
    height: int,
    blue: np.uint32,
    green: np.uint32,
    red: np.uint32,
) -> None:
    """Copy `source` to `copy` word by word and, in the same pass, to `target` as `convert` does.

    Args: as `convert`, and
        copy: Words in the source's format.
        copy_pitch: As `target_pitch`.
    """
    for y in range(height):
        out = target[y * target_pitch : y * target_pitch + width]
        kept = copy[y * copy_pitch : y * copy_pitch + width]
        row = source[y * source_pitch : y * source_pitch + width]
        for x in range(width):
            s = row[x]
            kept[x] = s
            out[x] = (
                _OPAQUE | ((s >> red) & _BYTE) << _16 | ((s >> green) & _BYTE) << _8 | (s >> blue) & _BYTE
            )


@_compile(_IMAGES, _SHIFT, _SHIFT, _SHIFT, _SHIFT)
def over(
    target: Words,
    target_pitch: int,
    source: Words,
    source_pitch: int,
    width: int,
    height: int,
    blue: np.uint32,
    green: np.uint32,
    red: np.uint32,
    alpha: np.uint32,
) -> None:
    """Blend premultiplied `source` OVER opaque XRGB8888 `target`, bit for bit as pixman does.

    Per channel `s + d * (255 - a) / 255`: the quotient rounded to nearest, by t = d * (255 - a) + 128,
    (t + t / 256) / 256, which is exact for all inputs; then a sum that saturates, since nothing keeps a
    guest from sending colours above their alpha.

    Args: as `convert`, and
        alpha: Shift of the source's alpha.
    """
    for y in range(height):
        out = target[y * target_pitch : y * target_pitch + width]
        row = source[y * source_pitch : y * source_pitch + width]
        for x in range(width):
            s = row[x]
            d = out[x]
            inverse = _BYTE - ((s >> alpha) & _BYTE)
            red_blue = (d & _LANES) * inverse + _HALVES
            red_blue = ((red_blue + ((red_blue >> _8) & _LANES)) >> _8) & _LANES
            red_blue += ((s >> red) & _BYTE) << _16 | (s >> blue) & _BYTE
            carry = (red_blue >> _8) & _CARRIES
            red_blue = (red_blue | (carry << _8) - carry) & _LANES  # a lane that overflowed becomes 0xff
            middle = ((d >> _8) & _BYTE) * inverse + _HALF
            middle = ((middle + (middle >> _8)) >> _8) + ((s >> green) & _BYTE)
            middle = (middle | (middle >> _8) * _BYTE) & _BYTE
            out[x] = _OPAQUE | middle << _8 | red_blue
