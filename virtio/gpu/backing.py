"""The memory behind a resource: a guest's scattered pages, or host memory that the guest maps.

Normally the pages of a backing are mapped into one contiguous view, and reading from it is free. Where
that cannot be (entries that meet inside a page, a guest beyond its share of kernel mappings), the pieces
are kept and copied from: slower, and counted, but never refused.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from virtio.errors import MemoryFault, TooManyPieces
from virtio.gpu.errors import unspecified
from virtio.gpu.limits import Ledger
from virtio.memory import GuestMemory, Mapping, Place, Run, Unmappable
from virtio.turn import Steps, finish

PIECE_BYTES = 20
"""Host memory of one piece of a scattered backing: an entry in each of three tables with room to grow."""

_STEP = 1 << 20
"""Bytes copied in one step: at worst 6 ms, where all pages are new."""

_PIECE = 1 << 12
"""Bytes that can be copied while a piece of a scattered backing is found."""

_PLACES = 1024
"""Pieces looked up in one step."""


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
        finish(self.read_steps(offset, stride, out))

    def read_steps(self, offset: int, stride: int, out: NDArray[np.uint8]) -> Steps[None]:
        """As `read_rows`, in steps."""
        rows = self.rows(offset, stride, out.shape)
        height = max(1, _STEP // out.shape[1])
        for top in range(0, len(out), height):
            if top:
                yield
            out[top : top + height] = rows[top : top + height]

    def rows(self, offset: int, stride: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """The memory itself as (rows, bytes), row `i` at `offset + i * stride`; checked by the caller."""
        return np.ndarray(shape, np.uint8, self.data, offset, (stride, 1))

    def close(self) -> None:
        """Give the memory back; views onto it stay valid."""
        self._release()


class ScatteredBacking:
    """Memory in pieces that are copied from.

    A driver may name 16384 pieces for each of 4096 resources, so a piece is no object, but numbers in tables.

    Attributes:
        size: Bytes.
        on_close: Called by `close`.
    """

    __slots__ = ("size", "_parts", "_part", "_offsets", "_starts", "on_close")

    def __init__(self, parts: Sequence[memoryview], places: Iterable[Place] = ()) -> None:
        """Memory of pieces.

        Args:
            parts: What the pieces lie in. Views and not addresses: they stay valid when the memory table
                changes.
            places: Where, in order.
        """
        self.size = 0
        self.on_close: Callable[[], None] = lambda: None
        self._parts = parts
        self._part, self._offsets, self._starts = array("H"), array("Q"), array("Q")
        self.extend(places)

    def extend(self, places: Iterable[Place]) -> None:
        """Add pieces at the end."""
        for part, offset, length in places:
            self._part.append(part)
            self._offsets.append(offset)
            self._starts.append(self.size)
            self.size += length

    def __len__(self) -> int:
        """The number of pieces."""
        return len(self._starts)

    def read_rows(self, offset: int, stride: int, out: NDArray[np.uint8]) -> None:
        """As `ContiguousBacking.read_rows`."""
        finish(self.read_steps(offset, stride, out))

    def read_steps(self, offset: int, stride: int, out: NDArray[np.uint8]) -> Steps[None]:
        """As `read_rows`, in steps."""
        work = 0
        for row in out:
            position, target = offset, memoryview(row)
            index = bisect_right(self._starts, offset) - 1
            while target:
                source = self._piece(index, position)[: len(target)]
                target[: len(source)] = source
                position += len(source)
                target = target[len(source) :]
                index += 1
                work += len(source) + _PIECE
                if work >= _STEP:
                    work = 0
                    yield
            offset += stride

    def _piece(self, index: int, position: int) -> memoryview:
        """A piece, from byte `position` of the whole on."""
        end = self._starts[index + 1] if index + 1 < len(self._starts) else self.size
        start = self._offsets[index] - self._starts[index]
        return self._parts[self._part[index]][start + position : start + end]

    def close(self) -> None:
        """Let go of the pieces."""
        self.on_close()


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
    return finish(attach_steps(memory, runs, ledger))


def attach_steps(memory: GuestMemory, runs: Sequence[Run], ledger: Ledger) -> Steps[Backing]:
    """As `attach`, in steps."""
    runs = [run for run in runs if run[1]]
    try:
        mapping = (yield from _map(memory, runs, ledger)) if runs else None
        if mapping is not None:
            return _mapped(mapping, ledger)
        if memory.closed:
            raise unspecified("backing: the memory table changed meanwhile")
        return (yield from _scattered(memory, runs, ledger))
    except MemoryFault as fault:
        raise unspecified(f"backing: {fault}") from fault


def _map(memory: GuestMemory, runs: Sequence[Run], ledger: Ledger) -> Steps[Mapping | None]:
    """A contiguous mapping; None when it is impossible, or beyond the guest's share."""
    size = sum(length for _, length in runs)
    if not ledger.mapped.has(size):
        ledger.reached("mapped", f"a backing of {size} bytes is copied, not mapped", ledger.mapped)
        return None
    most = min(ledger.mappings.left, ledger.limits.backing_mappings)
    try:
        return (yield from memory.mapping_steps(runs, most=most))
    except TooManyPieces as error:
        _tell_of_pieces(error.pieces, ledger)
    except Unmappable:
        if not ledger.address_space.has(size):
            what = f"a backing of {size} bytes is copied, not mapped"
            ledger.reached("address-space", what, ledger.address_space)
    return None


def _tell_of_pieces(pieces: int, ledger: Ledger) -> None:
    what = f"a backing of {pieces} pieces is copied, not mapped"
    if pieces > ledger.limits.backing_mappings:
        ledger.reached("backing-mappings", what)
    else:
        ledger.reached("mappings", what, ledger.mappings)


def _mapped(mapping: Mapping, ledger: Ledger) -> ContiguousBacking:
    ledger.mapped.take(mapping.size)
    ledger.mappings.take(mapping.pieces)

    def release() -> None:
        ledger.mapped.give(mapping.size)
        ledger.mappings.give(mapping.pieces)
        mapping.close()

    return ContiguousBacking(mapping.data, release)


def _scattered(memory: GuestMemory, runs: Sequence[Run], ledger: Ledger) -> Steps[ScatteredBacking]:
    backing, places = ScatteredBacking(memory.parts), memory.places(runs)
    while some := list(islice(places, _PLACES)):
        backing.extend(some)
        if len(some) == _PLACES:
            yield
    cost = len(backing) * PIECE_BYTES
    ledger.charge(cost, f"a backing of {len(backing)} pieces that cannot be mapped")
    backing.on_close = lambda: ledger.host_memory.give(cost)
    return backing


def host_backing(size: int, ledger: Ledger, purpose: str) -> ContiguousBacking:
    """Host memory as a backing, zeroed.

    Raises:
        CommandFault: It is more than the guest may have (ERR_OUT_OF_MEMORY).
    """
    data = ledger.allocate((size,), purpose)
    return ContiguousBacking(data, lambda: ledger.host_memory.give(size))
