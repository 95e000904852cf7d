"""Pieces of files as one contiguous range of our address space, no bytes copied.

How it works: reserve enough address space without access rights, then map each piece over its place
in the reservation (`MAP_FIXED`). The kernel's page tables do the gathering.

Lifetime: a `_Range` owns the address space, and every array or memoryview onto it refers to the
`_Range`, directly or through its base. So the range is unmapped when the last view dies, never before:
no view can dangle, whatever is closed in whatever order.
"""

from __future__ import annotations

import ctypes
import mmap as _mmap
import os
from collections.abc import Sequence, Set
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from virtio.budget import Budget
from virtio.errors import Misuse, Unmappable
from virtio.memory import sigbus
from virtio.memory.handle import PAGE
from virtio.turn import Steps

Piece = tuple[int, int, int]
"""(file descriptor, offset in the file, bytes)."""

PIECES_IN_A_STEP = 256
"""Pieces mapped at once: about a millisecond."""

_PROT_NONE, _MAP_FIXED = 0, 0x10  # asm-generic/mman-common.h; Python's mmap has no names for them

# PyDLL keeps the interpreter's lock during the call. Giving it up a thousand times in a row would
# hand it to any busy thread, each time for up to a switch interval (5 ms).
_libc = ctypes.PyDLL(None, use_errno=True)
_kernel_mmap = _libc.mmap
_kernel_mmap.restype = ctypes.c_ssize_t
_kernel_mmap.argtypes = [
    ctypes.c_size_t,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int64,
]
_kernel_munmap = _libc.munmap
_kernel_munmap.restype = ctypes.c_int
_kernel_munmap.argtypes = [ctypes.c_size_t, ctypes.c_size_t]

_live: dict[int, int] = {}
"""Address of each range -> kernel mappings in it."""


class Mapping:
    """One contiguous view of scattered memory.

    Attributes:
        size: Bytes.
        pieces: Kernel mappings that it took, after neighbours were joined.
    """

    __slots__ = ("size", "pieces", "_data")

    def __init__(self, data: NDArray[np.uint8], pieces: int) -> None:
        self.size = data.size
        self.pieces = pieces
        self._data: NDArray[np.uint8] | None = data

    @property
    def data(self) -> NDArray[np.uint8]:
        """(size,) uint8, aliases the memory; read-only unless asked for otherwise.

        Raises:
            Misuse: The mapping is closed.
        """
        if self._data is None:
            raise Misuse("a closed mapping is used")
        return self._data

    def close(self) -> None:
        """Drop this reference; the memory is unmapped with the last view onto it."""
        self._data = None


class _Range:
    """A range of our address space; unmapped when nothing refers to it any more."""

    __slots__ = ("__array_interface__", "_address", "_size", "_space", "_watch")

    def __init__(self, address: int, size: int, pieces: int, space: Budget) -> None:
        self._address, self._size, self._space = address, size, space
        self._watch: sigbus.Watch | None = None
        _live[address] = pieces
        space.take(size)

    def watch(self, protection: int, truncated: NDArray[np.uint8], page: int) -> None:
        """Survive that the files become shorter: see `virtio.memory.sigbus`."""
        self._watch = sigbus.Watch(self._address, self._size, protection, truncated, page)

    def fill(self, pieces: Sequence[Piece], head: int, protection: int) -> Steps[None]:
        """Map pieces over what was reserved, in steps; what is half done is unmapped with the range.

        Later pieces start at a page: `head` is for the first. The kernel rounds the last end up.
        """
        address, kernel_mmap, flags = self._address, _kernel_mmap, _mmap.MAP_SHARED | _MAP_FIXED
        for number, (fd, offset, length) in enumerate(pieces, 1):
            if kernel_mmap(address, head + length, protection, flags, fd, offset - head) == -1:
                raise _refusal(fd, offset)
            address += head + length
            head = 0
            if not number % PIECES_IN_A_STEP:
                yield

    def array(self, start: int, size: int, *, writable: bool) -> NDArray[np.uint8]:
        """Bytes `start` to `start + size`, as an array that keeps the range alive."""
        self.__array_interface__: dict[str, Any] = {
            "version": 3,
            "typestr": "|u1",
            "shape": (size,),
            "data": (self._address + start, not writable),
        }
        return np.asarray(self)

    def __del__(self) -> None:
        # In this order: a new mapping may get the same address as soon as the old one is gone.
        if self._watch is not None:
            self._watch.close()
        _live.pop(self._address, None)
        _kernel_munmap(self._address, self._size)
        self._space.give(self._size)


def live_ranges() -> Set[int]:
    """Addresses of all that is mapped by this module now, whichever guest it belongs to."""
    return _live.keys()


def joins_at_pages(pieces: Sequence[Piece]) -> bool:
    """Whether each piece but the first starts, and each but the last ends, at a page of its file."""
    inner_starts = all(offset % PAGE == 0 for _, offset, _ in pieces[1:])
    return inner_starts and all((offset + length) % PAGE == 0 for _, offset, length in pieces[:-1])


def map_steps(
    pieces: Sequence[Piece],
    *,
    writable: bool,
    truncated: NDArray[np.uint8] | None,
    space: Budget,
    page: int = PAGE,
) -> Steps[NDArray[np.uint8]]:
    """Map pieces of files one behind the other, in steps, between which the files must stay open.

    Args:
        pieces: At least one. Only the first may start, and only the last may end, inside a page.
        writable: Map for writing too.
        truncated: Where any of the files can shrink: one byte, set to 1 when an access hit memory that
            a file no longer has.
        space: Address space of the guest, taken from until the range is unmapped.
        page: Bytes in a page of the files. There is one piece only where that is more than `PAGE`: the
            kernel would map a huge page whole, over what lies behind it.

    Returns:
        (sum of bytes,) uint8.

    Raises:
        Unmappable: The kernel refused, or this process has too many mappings already, or the guest too much
            address space.
    """
    if sum(_live.values()) + len(pieces) > _mapping_limit():
        raise Unmappable(f"cannot map {len(pieces)} pieces: this process holds too many mappings already")
    protection = _mmap.PROT_READ | _mmap.PROT_WRITE if writable else _mmap.PROT_READ
    head = pieces[0][1] % page
    size = sum(length for _, _, length in pieces)
    extent = -(-(head + size) // page) * page
    if not space.has(extent):
        raise Unmappable(f"{extent} bytes of address space are too many: {space.state()}")
    if len(pieces) == 1:
        # The kernel chooses the place, for hugetlbfs has alignment rules of its own.
        fd, offset, _ = pieces[0]
        address = _map(0, (fd, offset - head, extent), protection, _mmap.MAP_SHARED)
        owner = _Range(address, extent, 1, space)
    else:
        owner = _Range(_reserve(extent), extent, len(pieces), space)
        yield from owner.fill(pieces, head, protection)
    if truncated is not None:
        owner.watch(protection, truncated, page)
    return owner.array(head, size, writable=writable)


def _reserve(size: int) -> int:
    return _map(0, (-1, 0, size), _PROT_NONE, _mmap.MAP_PRIVATE | _mmap.MAP_ANONYMOUS)


def _map(address: int, piece: Piece, protection: int, flags: int) -> int:
    fd, offset, length = piece
    mapped = int(_kernel_mmap(address, length, protection, flags, fd, offset))
    if mapped == -1:
        raise _refusal(fd, offset)
    return mapped


def _refusal(fd: int, offset: int) -> Unmappable:
    reason = os.strerror(ctypes.get_errno())
    return Unmappable(f"the kernel does not map offset {offset:#x} of file descriptor {fd}: {reason}")


@cache
def _mapping_limit() -> int:
    """How many kernel mappings all guests together may take.

    Half of what the kernel grants a process: without the rest, `malloc` itself fails, and a guest could
    kill us by asking for many blobs of many pages.
    """
    try:
        return int(Path("/proc/sys/vm/max_map_count").read_text(encoding="ascii")) // 2
    except OSError:
        return 65_530 // 2  # DEFAULT_MAX_MAP_COUNT, linux/mm.h
