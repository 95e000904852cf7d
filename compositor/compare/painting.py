"""The picture of a difference: the first picture in pale grey, what differs in red, with rings around it.

A single differing pixel among two million cannot be seen by itself, so each difference has a ring around it,
as wide as the picture is large; the rings of neighbours run together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.compare.differing import Differing, Flags
from compositor.compare.png import Pixels

BEYOND = (230, 0, 40, 255)
"""The colour of a pixel that differs."""
FORGIVEN = (255, 190, 0, 255)
"""The colour of a pixel that differs, but no more than was allowed."""
RING = (150, 0, 255, 255)
"""The colour of what is drawn around differences."""
_LEFT_OUT = (0.62, 0.72, 0.9)  # what was not compared: bluish, by this part of its grey


def paint(picture: Pixels, found: Differing) -> NDArray[np.uint8]:
    """Mark what differs, (height, width, 4) uint8 RGBA.

    Args:
        picture: The first of the two, (height, width, 4).
        found: What differs.
    """
    image = np.zeros((*found.beyond.shape, 4), np.uint8)
    image[..., 3] = 255
    height, width = picture.shape[:2]
    image[:height, :width, :3] = _pale(picture)[..., np.newaxis]
    if found.inside is not None:
        left_out = ~found.inside
        image[left_out, :3] = (image[left_out, :3] * np.array(_LEFT_OUT)).astype(np.uint8)
    if found.count:
        image[_rings(found.beyond)] = RING
    image[found.forgiven] = FORGIVEN
    image[found.beyond] = BEYOND
    return image


def _pale(picture: Pixels) -> NDArray[np.uint8]:
    """Its grey, from mid-grey to white."""
    eight = picture[..., :3] if picture.dtype == np.uint8 else picture[..., :3] >> np.uint16(8)
    grey: NDArray[np.float32] = eight.mean(axis=2, dtype=np.float32)
    return (grey * np.float32(0.35) + 160).astype(np.uint8)


def _rings(flags: Flags) -> Flags:
    """Pixels at a certain distance from the nearest flag."""
    longest = max(flags.shape)
    gap = max(2, longest // 120)
    return _near(flags, gap + max(1, longest // 320)) & ~_near(flags, gap)


def _near(flags: Flags, distance: int) -> Flags:
    """Pixels with a flag in the square around them that reaches so far."""
    for axis in (0, 1):
        length = flags.shape[axis]
        sums = np.zeros((length + 1, flags.shape[1 - axis]), np.int32)
        np.cumsum(flags if axis == 0 else flags.T, axis=0, out=sums[1:])
        at = np.arange(length)
        counts = sums[np.minimum(at + distance + 1, length)] - sums[np.maximum(at - distance, 0)]
        flags = counts > 0 if axis == 0 else (counts > 0).T
    return flags
