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

    Attributes:
        size: As given.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._data = np.zeros(size, np.uint8)
        self._words = np.empty(0, np.bool_)  # scratch: new memory costs page faults

    def update(
        self, offset: int, stride: int, rows: NDArray[np.uint8]
    ) -> tuple[list[Extent], bytes | memoryview]:
        """Bring a rectangle up to date.

        Args:
            offset: Byte at which its first row lies.
            stride: Bytes from one row to the next; the rows lie inside of the memory.
            rows: (height, bytes) uint8, what is there now; whole pixels of four bytes.

        Returns:
            Where it changed, and the new bytes, one extent after the other.
        """
        if stride == rows.shape[1] and rows.flags.c_contiguous:
            # Rows that adjoin are one long row: changes then run across their ends.
            rows = rows.reshape(1, -1)
        width = rows.shape[1]
        old = np.ndarray(rows.shape, np.uint8, self._data, offset, (stride, 1))
        whole = width // BLOCK * BLOCK
        extents: list[Extent] = []
        parts: list[memoryview] = []
        for start, stop, block in ((0, whole, BLOCK), (whole, width, width - whole)):
            if start == stop:
                continue
            found = self._copy_changed(rows[:, start:stop], old[:, start:stop], block)
            if found is not None:
                changed, data = found
                extents += _runs(changed, offset + start, stride, block)
                parts.append(data)
        return extents, parts[0] if len(parts) == 1 else b"".join(parts)

    def _copy_changed(
        self, new: NDArray[np.uint8], old: NDArray[np.uint8], block: int
    ) -> tuple[NDArray[np.bool_], memoryview] | None:
        """Bring `old`, (rows, bytes), up to date, block by block.

        Returns:
            (rows, blocks): which blocks of each row differed, and their bytes; None: none did.
        """
        # As many bytes at a time as go, wherever they lie: numpy reads unaligned words as well.
        word = np.uint64 if block % 8 == 0 else np.uint32
        shape = (len(new), new.shape[1] // block, -1)
        fresh, known = new.view(word).reshape(shape), old.view(word).reshape(shape)
        if self._words.size < fresh.size:
            self._words = np.empty(fresh.size, np.bool_)
        different = np.not_equal(fresh, known, out=self._words[: fresh.size].reshape(fresh.shape))
        if not different.any():
            return None
        changed = _any_of_each(different)
        # One copy, which stands still: the guest may write to its memory all the time.
        if changed.all():
            copy = fresh.copy()
            known[...] = copy
        elif len(fresh) == 1:
            where = np.flatnonzero(changed)
            copy = fresh[0].take(where, axis=0)
            known[0][where] = copy
        else:
            copy = fresh[changed]
            known[changed] = copy
        return changed, copy.reshape(-1).view(np.uint8).data


def everything(offset: int, stride: int, rows: NDArray[np.uint8]) -> tuple[list[Extent], bytes]:
    """As `MemoryImage.update`, where no copy is kept: all of the rectangle, as if it had changed."""
    height, width = rows.shape
    if stride == width:
        height, width = 1, rows.size
    return [(offset + row * stride, width) for row in range(height)], rows.tobytes()


def _any_of_each(different: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(rows, blocks): whether any word of a block differs, from (rows, blocks, words)."""
    if different.shape[2] % 8:
        found_any: NDArray[np.bool_] = np.logical_or.reduce(different, axis=2)
        return found_any
    # Eight answers at a time, and no loop along the shortest axis: a tenth of the time.
    eights = different.view(np.uint64)
    found = eights[..., 0].copy()
    for index in range(1, eights.shape[2]):
        found |= eights[..., index]
    return found.astype(np.bool_)


def _runs(changed: NDArray[np.bool_], offset: int, stride: int, block: int) -> list[Extent]:
    """The extents of changed blocks, (rows, blocks); those that adjoin in a row are one."""
    height, count = changed.shape
    edges = np.zeros((height, count + 2), np.int8)
    edges[:, 1:-1] = changed
    steps = np.diff(edges, axis=1)
    rows, starts = np.nonzero(steps == 1)
    _, stops = np.nonzero(steps == -1)
    firsts, lengths = offset + rows * stride + starts * block, (stops - starts) * block
    return list(zip(firsts.tolist(), lengths.tolist(), strict=True))
