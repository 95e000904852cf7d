"""A pane of dark glass with rounded corners, its shadow, and round shadows on it.

Made in floats from exact operations only (see `trig`), then rounded once to premultiplied bytes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_GLASS = np.array((0x38, 0x24, 0x1C)) / 255  # blue, green, red
_ALPHA = 0.84
_SHADOW = 0.5  # alpha of a shadow where it is deepest

Plane = NDArray[np.floating]


def pane(
    width: int, height: int, margin: float, discs: Sequence[tuple[float, float, float]]
) -> NDArray[np.uint8]:
    """Draw the pane.

    Args:
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        margin: Between the picture's edge and the pane: transparent but for the shadow.
        discs: Shadows on the pane: (centre x, centre y, radius), pixels.

    Returns:
        (height, width, 4) uint8, B8G8R8A8 premultiplied.
    """
    x, y = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]
    inside = _rounded(x, y, width, height, margin)
    light = 1.0 + 0.9 * np.square(1 - y / height) + 0.25 * (1 - x / width)  # from above left
    rim = np.clip(1.5 - np.abs(inside - 1.0), 0, 1) * 0.16  # the glass's edge catches the light
    colour = _GLASS * (light * _ALPHA)[:, :, None] + rim[:, :, None]
    for centre_x, centre_y, radius in discs:
        distance = np.sqrt(np.square(x - centre_x) + np.square(y - centre_y))
        colour = colour * (1 - 0.8 * _smooth((radius - distance) / (margin * 0.9) + 0.5))[:, :, None]
    cover = np.clip(inside + 0.5, 0, 1)
    shadow = _SHADOW * _smooth(_rounded(x, y - margin * 0.2, width, height, margin) / (margin * 1.6) + 0.5)
    picture = np.empty((height, width, 4))
    picture[:, :, :3] = colour * cover[:, :, None]
    picture[:, :, 3] = (_ALPHA + rim) * cover + shadow * (1 - cover)
    return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def _rounded(x: Plane, y: Plane, width: int, height: int, margin: float) -> Plane:
    """Distance into a rectangle with rounded corners; negative outside."""
    corner = margin * 0.8
    across = np.abs(x - width / 2) - (width / 2 - margin - corner)
    along = np.abs(y - height / 2) - (height / 2 - margin - corner)
    beyond_x, beyond_y = np.maximum(across, 0.0), np.maximum(along, 0.0)
    outside = np.sqrt(beyond_x * beyond_x + beyond_y * beyond_y)
    return np.asarray(corner - outside - np.minimum(np.maximum(across, along), 0.0))


def _smooth(t: Plane) -> Plane:
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))
