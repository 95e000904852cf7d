"""What is compared of two pictures: all but what a mask covers, of what a clip covers."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compositor.compare.still import load_png
from compositor.errors import BadInput

Region: TypeAlias = "Sequence[int] | Iterable[Sequence[int]] | NDArray[np.bool_] | str | os.PathLike[str]"
"""Pixels of a picture: a rectangle (x, y, width, height), many of them, a boolean array (height, width), or a
PNG of the picture's size that is white where they are, else black or transparent."""

Pixels = NDArray[np.bool_]


def compared(size: tuple[int, int], mask: Region | None, clip: Region | None) -> Pixels | None:
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


def covered(role: str, region: Region, size: tuple[int, int]) -> Pixels:
    """The pixels of a region, (height, width).

    Args:
        role: What messages call it.
        region: Of the picture.
        size: (width, height) of the picture.

    Raises:
        BadInput: It is no region of such a picture.
    """
    if isinstance(region, str | os.PathLike):
        return _sized(f"{role} {region}", _of_file(role, region), size)
    if isinstance(region, np.ndarray) and region.dtype == np.bool_:
        return _sized(f"{role} array", region, size).copy()
    inside = np.zeros(size[::-1], np.bool_)
    for x, y, width, height in _rectangles(role, region):
        if width <= 0 or height <= 0 or x >= size[0] or y >= size[1] or x + width <= 0 or y + height <= 0:
            raise BadInput(
                f"{role} ({x}, {y}, {width}, {height}) has no pixel of a picture of {size[0]}x{size[1]}"
            )
        inside[max(y, 0) : y + height, max(x, 0) : x + width] = True
    return inside


def _rectangles(role: str, region: Any) -> list[tuple[int, int, int, int]]:
    """(x, y, width, height) each."""
    wrong = BadInput(
        f"{role} {region!r}: give (x, y, width, height), a list of such, a boolean array or a PNG"
    )
    try:
        given = list(region)
        if given and all(isinstance(number, int | np.integer) for number in given):
            given = [given]
        rectangles = [tuple(map(_whole, rectangle)) for rectangle in given]
    except TypeError:
        raise wrong from None
    if not all(len(rectangle) == 4 for rectangle in rectangles):
        raise wrong
    return [(x, y, width, height) for x, y, width, height in rectangles]


def _whole(number: Any) -> int:
    if not isinstance(number, int | np.integer):
        raise TypeError
    return int(number)


def _of_file(role: str, path: str | os.PathLike[str]) -> Pixels:
    pixels = load_png(path)
    most = np.iinfo(pixels.dtype).max
    white: Pixels = (pixels == most).all(axis=2)
    black = (pixels[..., :3] == 0).all(axis=2) | (pixels[..., 3] == 0)
    if not (white | black).all():
        y, x = np.argwhere(~(white | black))[0]
        raise BadInput(
            f"{role} {path}: pixel ({x}, {y}) is neither white (which is what the {role} covers) "
            "nor black nor transparent"
        )
    return white


def _sized(name: str, pixels: Pixels, size: tuple[int, int]) -> Pixels:
    if pixels.shape != size[::-1]:
        shape = "x".join(map(str, pixels.shape[::-1]))
        raise BadInput(f"{name} has {shape} pixels, the picture {size[0]}x{size[1]}")
    return pixels
