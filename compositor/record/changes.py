"""What changed in a resource's memory since it was last looked at."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.record.records import Extent

BLOCK = 256
"""Bytes: what changed is found in blocks of this size. Smaller ones cost more to list than they save."""


class MemoryImage:
    """A copy of the part of a resource's memory that was visible: what a replay has in its place.

    Args:
        size: Bytes; they begin as zeros, and cost the host nothing until they are visible.
    """

    def __init__(self, size: int) -> None:
        self._data = np.zeros(size, np.uint8)

    def update(self, offset: int, stride: int, rows: NDArray[np.uint8]) -> tuple[list[Extent], bytes]:
        """Bring a rectangle up to date.

        Args:
            offset: Byte at which its first row lies.
            stride: Bytes from one row to the next; the rows lie inside of the memory.
            rows: (height, bytes) uint8, what is there now.

        Returns:
            Where it changed, and the new bytes, one extent after the other.
        """
        old = np.ndarray(rows.shape, np.uint8, self._data, offset, (stride, 1))
        if stride == rows.shape[1] and rows.flags.c_contiguous:
            # Rows that adjoin are one long row: changes then run across their ends.
            rows, old = rows.reshape(1, -1), self._data[offset : offset + rows.size].reshape(1, -1)
        extents: list[Extent] = []
        parts: list[bytes] = []
        for row, start, stop in _runs(_changed_blocks(rows, old)):
            first, last = start * BLOCK, min(stop * BLOCK, rows.shape[1])
            # From the copy, which stands still, and not twice from memory that the guest may write to.
            old[row, first:last] = rows[row, first:last]
            extents.append((offset + row * stride + first, last - first))
            parts.append(old[row, first:last].tobytes())
        return extents, b"".join(parts)


def _changed_blocks(new: NDArray[np.uint8], old: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which blocks of each row differ: (rows, blocks) of (rows, bytes)."""
    height, width = new.shape
    whole = width // BLOCK
    changed = np.zeros((height, -(-width // BLOCK)), np.bool_)
    if whole:
        # Eight bytes at a time, wherever they lie: numpy reads unaligned ones as well.
        a, b = (pixels[:, : whole * BLOCK].view(np.uint64) for pixels in (new, old))
        changed[:, :whole] = (a != b).reshape(height, whole, -1).any(axis=2)
    if width % BLOCK:
        changed[:, whole] = (new[:, whole * BLOCK :] != old[:, whole * BLOCK :]).any(axis=1)
    return changed


def _runs(blocks: NDArray[np.bool_]) -> list[tuple[int, int, int]]:
    """Changed blocks that adjoin, as (row, first block, first block beyond)."""
    height, count = blocks.shape
    edges = np.zeros((height, count + 2), np.int8)
    edges[:, 1:-1] = blocks
    steps = np.diff(edges, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, stops = np.nonzero(steps == -1)
    return list(zip(rows.tolist(), starts.tolist(), stops.tolist(), strict=True))
