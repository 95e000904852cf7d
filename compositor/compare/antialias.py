"""Which differing pixels lie on a smoothed edge: pixelmatch's rule, for the pixels that differ alone.

The rule is that of V. Vysniauskas, "Anti-aliased pixel and intensity slope detector" (2009), as pixelmatch
has it: a pixel with at most two neighbours as bright as itself, darker ones and brighter ones, of which the
darkest or the brightest has three neighbours of its own colour in both pictures. At the edge of a picture a
pixel has one equal neighbour more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.compare.differing import Differing, Numbers
from compositor.compare.png import Pixels

# In pixelmatch's order, column by column, since of two darkest neighbours the first one counts.
_AROUND = np.array([(-1, -1), (0, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (0, 1), (1, 1)])  # (row, column)
_Y = (0.29889531, 0.58662247, 0.11448223)  # of R, G and B in YIQ's brightness
_AT_ONCE = 1 << 16  # pixels: their neighbourhoods take 40 MB


def forgive_smoothed_edges(found: Differing) -> None:
    """Move the differing pixels that lie on a smoothed edge in either picture to those that are forgiven."""
    height = min(found.first.shape[0], found.second.shape[0])
    width = min(found.first.shape[1], found.second.shape[1])
    pictures = (found.first[:height, :width], found.second[:height, :width])
    all_rows, all_columns = np.nonzero(found.beyond[:height, :width])
    for start in range(0, len(all_rows), _AT_ONCE):
        rows, columns = all_rows[start : start + _AT_ONCE], all_columns[start : start + _AT_ONCE]
        smoothed = np.zeros(len(rows), np.bool_)
        for one, other in (pictures, pictures[::-1]):
            smoothed |= _smoothed(one, other, rows, columns)
        found.forgive(rows[smoothed], columns[smoothed])


def _smoothed(one: Pixels, other: Pixels, rows: Numbers, columns: Numbers) -> NDArray[np.bool_]:
    """For each pixel, whether it lies on a smoothed edge in `one`."""
    around_rows, around_columns, outside = _neighbours(one, rows, columns)
    centre, around = one[rows, columns], one[around_rows, around_columns]
    darker = _brightness(centre)[:, np.newaxis] - _brightness(around)
    darker[(around == centre[:, np.newaxis]).all(axis=2)] = 0
    darker[outside] = 0
    equal = ((darker == 0) & ~outside).sum(axis=1) + outside.any(axis=1)
    smoothed: NDArray[np.bool_] = (equal <= 2) & (darker.min(axis=1) < 0) & (darker.max(axis=1) > 0)
    at = np.flatnonzero(smoothed)
    flat = np.zeros(len(at), np.bool_)
    for extreme in (darker[at].argmin(axis=1), darker[at].argmax(axis=1)):
        where = around_rows[at, extreme], around_columns[at, extreme]
        flat |= _in_flat_area(one, *where) & _in_flat_area(other, *where)
    smoothed[at] = flat
    return smoothed


def _in_flat_area(picture: Pixels, rows: Numbers, columns: Numbers) -> NDArray[np.bool_]:
    """For each pixel, whether three of its neighbours have its colour."""
    around_rows, around_columns, outside = _neighbours(picture, rows, columns)
    same = (picture[around_rows, around_columns] == picture[rows, columns][:, np.newaxis]).all(axis=2)
    flat: NDArray[np.bool_] = (same & ~outside).sum(axis=1) + outside.any(axis=1) > 2
    return flat


def _neighbours(
    picture: Pixels, rows: Numbers, columns: Numbers
) -> tuple[Numbers, Numbers, NDArray[np.bool_]]:
    """Where the neighbours of pixels are, (pixels, 8); those outside are the pixel itself, and flagged."""
    around_rows = rows[:, np.newaxis] + _AROUND[:, 0]
    around_columns = columns[:, np.newaxis] + _AROUND[:, 1]
    height, width = picture.shape[:2]
    outside = (around_rows < 0) | (around_rows >= height) | (around_columns < 0) | (around_columns >= width)
    around_rows = np.where(outside, rows[:, np.newaxis], around_rows)
    around_columns = np.where(outside, columns[:, np.newaxis], around_columns)
    return around_rows, around_columns, outside


def _brightness(pixels: Pixels) -> NDArray[np.float64]:
    """YIQ's Y of colours before white, in levels of 8 bits."""
    most = np.iinfo(pixels.dtype).max
    alpha = pixels[..., 3:] / most
    levels = pixels[..., :3] * (255 / most)
    seen = np.where(alpha < 1, 255 + (levels - 255) * alpha, levels)
    return seen[..., 0] * _Y[0] + seen[..., 1] * _Y[1] + seen[..., 2] * _Y[2]
