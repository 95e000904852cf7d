"""What is compared of two pictures: all but what a mask covers, of what a clip covers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compositor.compare.still import load_png
from compositor.errors import BadInput

Flags = NDArray[np.bool_]

Part: TypeAlias = "Sequence[int] | Flags | str | os.PathLike[str]"
"""Pixels of a picture: a rectangle (x, y, width, height), a boolean array (height, width), or the path of a
PNG of the picture's size that is white where they are, else black or transparent."""

Region: TypeAlias = "Part | Iterable[Part]"
"""Pixels of a picture: a part, or many of them."""


def compared(size: tuple[int, int], mask: Region | None, clip: Region | None) -> Flags | None:
    """Which pixels of a picture are compared, (height, width); None for all of them.

    Args:
        size: (width, height) of the picture.
        mask: What is left out.
        clip: What is compared.

    Raises:
        BadInput: A rectangle lies outside of the picture, an array or a file has another size, or the two
            leave nothing to compare.
    """
    if mask is None and clip is None:
        return None
    inside = np.ones(size[::-1], np.bool_) if clip is None else covered("clip", clip, size)
    if mask is not None:
        inside &= ~covered("mask", mask, size)
    if not inside.any():
        raise BadInput("the mask and the clip leave nothing to compare")
    return inside


def covered(role: str, region: Region, size: tuple[int, int]) -> Flags:
    """The pixels of a region, (height, width).

    Args:
        role: What messages call it.
        region: Of the picture.
        size: (width, height) of the picture.

    Raises:
        BadInput: It is no region of such a picture.
    """
    inside = np.zeros(size[::-1], np.bool_)
    for part in _parts(role, region):
        if isinstance(part, str | os.PathLike):
            inside |= _sized(f"{role} {part}", _of_file(role, part), size)
        elif isinstance(part, np.ndarray) and part.dtype == np.bool_:
            inside |= _sized(f"{role} array", part, size)
        else:
            _cover(role, inside, _rectangle(role, part))
    return inside


def _parts(role: str, region: Any) -> list[Any]:
    if isinstance(region, str | os.PathLike) or (isinstance(region, np.ndarray) and region.dtype == np.bool_):
        return [region]
    try:
        parts = list(region)
    except TypeError:
        raise _wrong(role, region) from None
    return [region] if parts and all(map(_whole, parts)) else parts


def _rectangle(role: str, part: Any) -> tuple[int, int, int, int]:
    numbers = list(part) if isinstance(part, Iterable) else []
    if len(numbers) != 4 or not all(map(_whole, numbers)):
        raise _wrong(role, part)
    x, y, width, height = map(int, numbers)
    return x, y, width, height


def _whole(number: object) -> bool:
    return isinstance(number, int | np.integer) and not isinstance(number, bool)


def _wrong(role: str, given: object) -> BadInput:
    wanted = "(x, y, width, height), a boolean array, a PNG's path, or a list of such"
    return BadInput(f"{role} {given!r}: give {wanted}")


def _cover(role: str, inside: Flags, rectangle: tuple[int, int, int, int]) -> None:
    x, y, width, height = rectangle
    part = inside[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
    if width <= 0 or height <= 0 or not part.size:
        size = f"{inside.shape[1]}x{inside.shape[0]}"
        raise BadInput(f"{role} ({x}, {y}, {width}, {height}) has no pixel of a picture of {size}")
    part[:] = True


def _of_file(role: str, path: str | os.PathLike[str]) -> Flags:
    pixels = load_png(path)
    most = np.iinfo(pixels.dtype).max
    white: Flags = (pixels == most).all(axis=2)
    other = ~white & pixels[..., :3].any(axis=2) & (pixels[..., 3] != 0)
    if other.any():
        y, x = np.argwhere(other)[0]
        raise BadInput(
            f"{role} {path}: pixel ({x}, {y}) is neither white (what the {role} covers) "
            "nor black nor transparent"
        )
    return white


def _sized(name: str, pixels: Flags, size: tuple[int, int]) -> Flags:
    if pixels.shape != size[::-1]:
        shape = "x".join(map(str, pixels.shape[::-1]))
        raise BadInput(f"{name} has {shape} pixels, the picture {size[0]}x{size[1]}")
    return pixels
