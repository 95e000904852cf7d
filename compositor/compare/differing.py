"""Where two pictures differ, and by how much: found band by band, of which equal ones are looked at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compositor.compare.png import Pixels
from compositor.pixels.geometry import EMPTY, Rect

Flags = NDArray[np.bool_]
Numbers = NDArray[Any]

_BAND = 1 << 16  # pixels looked at in one go: those of two pictures fit into a second-level cache


@dataclass(slots=True)
class Differing:
    """The pixels that differ, of the smallest picture that holds both.

    Attributes:
        first: (height, width, 4), as `second` of uint8 or uint16.
        second: The other picture, maybe of another size.
        inside: What is compared, of the size of `beyond`; None for all.
        compared: Number of pixels that are compared.
        beyond: (height, width): they differ by more than is allowed. Those that only one picture has do.
        forgiven: (height, width): they differ by less.
        count: Number of pixels in `beyond`.
        forgiven_count: Number of pixels in `forgiven`.
        largest: (2, 4): the least and the most that a channel differs, second less first; 0 included.
    """

    first: Pixels
    second: Pixels
    inside: Flags | None
    compared: int
    beyond: Flags
    forgiven: Flags
    count: int
    forgiven_count: int
    largest: NDArray[np.int32]

    @property
    def bounds(self) -> Rect:
        """The smallest rectangle that holds all of `beyond`."""
        if not self.count:
            return EMPTY
        rows = np.flatnonzero(self.beyond.any(axis=1))
        y, bottom = int(rows[0]), int(rows[-1]) + 1
        columns = np.flatnonzero(self.beyond[y:bottom].any(axis=0))
        x, right = int(columns[0]), int(columns[-1]) + 1
        return Rect(x, y, right - x, bottom - y)

    def forgive(self, rows: Numbers, columns: Numbers) -> None:
        """Move pixels from `beyond` to `forgiven`."""
        self.beyond[rows, columns] = False
        self.forgiven[rows, columns] = True
        self.count -= len(rows)
        self.forgiven_count += len(rows)


def find(first: Pixels, second: Pixels, allowed: NDArray[np.int32], inside: Flags | None) -> Differing:
    """Look for differing pixels.

    Args:
        first: (height, width, 4) uint8 or uint16.
        second: As `first`, maybe of another size.
        allowed: (2, 4): the least and the most that a channel may differ, in levels of 8 bits.
        inside: What is compared, of the size of `first`; all for None.
    """
    first, second = _same_depth(first, second)
    shape = (max(first.shape[0], second.shape[0]), max(first.shape[1], second.shape[1]))
    flags = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    found = Differing(first, second, inside, 0, *flags, 0, 0, np.zeros((2, 4), np.int32))
    if first.shape == second.shape:
        found.compared = shape[0] * shape[1] if inside is None else int(np.count_nonzero(inside))
    else:
        _outside_of_one(found)
    levels = allowed * 257 if first.dtype == np.uint16 else allowed
    height, width = min(first.shape[0], second.shape[0]), min(first.shape[1], second.shape[1])
    _look(found, first[:height, :width], second[:height, :width], levels)
    return found


def _same_depth(first: Pixels, second: Pixels) -> tuple[Pixels, Pixels]:
    """Both of 16 bits where one is: 8 bits become 16 exactly (PNG, 13.12)."""
    if first.dtype == second.dtype:
        return first, second
    first, second = (
        p.astype(np.uint16) * np.uint16(257) if p.dtype == np.uint8 else p for p in (first, second)
    )
    return first, second


def _outside_of_one(found: Differing) -> None:
    """Pixels that only one picture has differ; corners that neither has are not compared."""
    held = np.zeros(found.beyond.shape, np.int8)
    for picture in (found.first, found.second):
        held[: picture.shape[0], : picture.shape[1]] += 1
    if found.inside is not None:
        # What was asked for is known of the first picture alone; beyond it there is no part of a clip.
        rows, columns = found.inside.shape
        inside = np.zeros(found.beyond.shape, np.bool_)
        inside[:rows, :columns] = found.inside
        found.inside = inside
        held[~inside] = 0
    found.beyond[:] = held == 1
    found.count = int(np.count_nonzero(found.beyond))
    found.compared = int(np.count_nonzero(held))


def _look(found: Differing, first: Pixels, second: Pixels, allowed: NDArray[np.int32]) -> None:
    """Find the differing pixels of two pictures of one size."""
    one, other = _words(first), _words(second)
    step = max(1, _BAND // max(1, one.shape[1]))
    for top in range(0, one.shape[0], step):
        band = slice(top, top + step)
        if np.array_equal(one[band], other[band]):
            continue
        differs = one[band] != other[band]
        if found.inside is not None:
            differs &= found.inside[band, : differs.shape[1]]
        rows, columns = np.nonzero(differs)
        rows += top
        _note(found, rows, columns, second[rows, columns].astype(np.int32) - first[rows, columns], allowed)


def _note(
    found: Differing, rows: Numbers, columns: Numbers, apart: NDArray[np.int32], allowed: NDArray[np.int32]
) -> None:
    """Sort pixels by whether they differ, by (number of pixels, 4) `apart`, more than is allowed."""
    if not len(apart):
        return
    np.minimum(found.largest[0], apart.min(axis=0), out=found.largest[0])
    np.maximum(found.largest[1], apart.max(axis=0), out=found.largest[1])
    beyond = ((apart < allowed[0]) | (apart > allowed[1])).any(axis=1)
    within = ~beyond
    found.beyond[rows[beyond], columns[beyond]] = True
    found.forgiven[rows[within], columns[within]] = True
    found.count += int(np.count_nonzero(beyond))
    found.forgiven_count += int(np.count_nonzero(within))


def _words(pixels: Pixels) -> Numbers:
    """(height, width): a pixel's four channels as one number, without a copy where memory allows it."""
    if pixels.strides[2] != pixels.itemsize:
        pixels = np.ascontiguousarray(pixels)
    return pixels.view(np.uint32 if pixels.itemsize == 1 else np.uint64)[..., 0]
