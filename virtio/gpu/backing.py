"""The memory behind a resource: a guest's scattered pages, or host memory that the guest maps.

Normally the pages of a backing are mapped into one contiguous view, and reading from it is free. Where
that cannot be (entries that meet inside a page, a guest beyond its share of kernel mappings), the pieces
are kept and copied from: slower, and counted, but never refused.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from virtio.errors import MemoryFault
from virtio.gpu.errors import unspecified
from virtio.gpu.limits import Ledger
from virtio.memory import GuestMemory, Mapping, Run, Unmappable

_PIECE_BYTES = 256
"""Host memory that one piece of a scattered backing is counted as: an array object and its place."""


class ContiguousBacking:
    """Memory in one piece.

    Attributes:
        size: Bytes.
        data: (size,) uint8, the memory itself.
    """

    __slots__ = ("size", "data", "_release")

    def __init__(self, data: NDArray[np.uint8], release: Callable[[], None]) -> None:
        self.size = data.size
        self.data = data
        self._release = release

    def read_rows(self, offset: int, stride: int, out: NDArray[np.uint8]) -> None:
        """Copy rows of bytes: row `i` of `out`, (rows, bytes), comes from `offset + i * stride`."""
        out[:] = self.rows(offset, stride, out.shape)

    def rows(self, offset: int, stride: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The memory itself as (rows, bytes), row `i` at `offset + i * stride`; checked by the caller."""
        return np.ndarray(shape, np.uint8, self.data, offset, (stride, 1))

    def close(self) -> None:
        """Give the memory back; views onto it stay valid."""
        self._release()


class ScatteredBacking:
    """Memory in pieces that are copied from.

    Attributes:
        size: Bytes.
    """

    __slots__ = ("size", "_pieces", "_starts", "_release")

    def __init__(self, pieces: Sequence[NDArray[np.uint8]], release: Callable[[], None]) -> None:
        self._pieces = pieces
        *self._starts, self.size = accumulate((piece.size for piece in pieces), initial=0)
        self._release = release

    def read_rows(self, offset: int, stride: int, out: NDArray[np.uint8]) -> None:
        """As `ContiguousBacking.read_rows`."""
        if stride == out.shape[1] and out.flags.c_contiguous:
            self._read(offset, out.reshape(-1))
            return
        for index, row in enumerate(out):
            self._read(offset + index * stride, row)

    def _read(self, offset: int, out: NDArray[np.uint8]) -> None:
        index = bisect_right(self._starts, offset) - 1
        position = 0
        while position < out.size:
            piece = self._pieces[index][offset - self._starts[index] :][: out.size - position]
            out[position : position + piece.size] = piece
            position += piece.size
            offset += piece.size
            index += 1

    def close(self) -> None:
        """Let go of the pieces."""
        self._release()


Backing = ContiguousBacking | ScatteredBacking


def attach(memory: GuestMemory, runs: Sequence[Run], ledger: Ledger) -> Backing:
    """The backing that a driver's memory entries describe; read-only.

    Args:
        memory: The guest's memory.
        runs: (guest address, bytes) in order; empty ones count for nothing.
        ledger: What it costs is counted here until the backing is closed.

    Raises:
        CommandFault: An address is outside of the guest's memory, or the pieces that cannot be mapped are
            too many.
    """
    runs = [run for run in runs if run[1]]
    try:
        mapping = _map(memory, runs, ledger) if runs else None
        return _scattered(memory, runs, ledger) if mapping is None else _mapped(mapping, ledger)
    except MemoryFault as fault:
        raise unspecified(f"backing: {fault}") from fault


def _map(memory: GuestMemory, runs: Sequence[Run], ledger: Ledger) -> Mapping | None:
    """A contiguous mapping; None when it is impossible, or beyond the guest's share."""
    if not ledger.mapped.has(sum(length for _, length in runs)):
        return None
    try:
        mapping = memory.map_scattered(runs)
    except Unmappable:
        return None
    if not ledger.mappings.has(mapping.pieces):
        mapping.close()
        return None
    return mapping


def _mapped(mapping: Mapping, ledger: Ledger) -> ContiguousBacking:
    ledger.mapped.take(mapping.size)
    ledger.mappings.take(mapping.pieces)

    def release() -> None:
        ledger.mapped.give(mapping.size)
        ledger.mappings.give(mapping.pieces)
        mapping.close()

    return ContiguousBacking(mapping.data, release)


def _scattered(memory: GuestMemory, runs: Sequence[Run], ledger: Ledger) -> ScatteredBacking:
    # Views and not addresses: they stay valid when the memory table changes.
    pieces = [
        np.frombuffer(view, np.uint8) for address, length in runs for view in memory.views(address, length)
    ]
    cost = len(pieces) * _PIECE_BYTES
    ledger.charge(cost, f"a backing of {len(pieces)} pieces that cannot be mapped")
    return ScatteredBacking(pieces, lambda: ledger.host_memory.give(cost))


def host_backing(size: int, ledger: Ledger, purpose: str) -> ContiguousBacking:
    """Host memory as a backing, zeroed.

    Raises:
        CommandFault: It is more than the guest may have (ERR_OUT_OF_MEMORY).
    """
    data = ledger.allocate((size,), purpose)
    return ContiguousBacking(data, lambda: ledger.host_memory.give(size))
