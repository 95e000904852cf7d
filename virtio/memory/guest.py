"""A guest's memory: several shared regions, each at its guest physical address.

A driver names everything by guest physical address and length, and nothing here trusts either. A VMM's
own addresses (`user_address`) matter only where vhost-user gives the places of the rings in them.

The views returned are the guest's memory itself: it can change at any moment, so copy once, then
check the copy.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from virtio.budget import Budget
from virtio.closing import Closing
from virtio.errors import MemoryFault, Misuse, TooManyPieces, Unmappable
from virtio.memory.handle import PAGE, SharedHandle
from virtio.memory.mapping import PIECES_IN_A_STEP, Mapping, Piece, joins_at_pages, map_steps
from virtio.memory.region import Region, validate
from virtio.turn import Steps, finish

Run = tuple[int, int]
"""(guest address, bytes): one contiguous range of guest memory."""

Place = tuple[int, int, int]
"""(number of the region, offset in it, bytes)."""

_File = tuple[int, int, int, int]

_LOOKED_UP = 1024  # runs in one step

# What stands in the tables of a memory without regions, or closed: nothing is inside of it.
_NO_SPAN = (0, -1, memoryview(b""))
_NO_FILE = (0, -1, -1, 0)
_UNLIMITED = Budget(1 << 64)


class GuestMemory(Closing):
    """All of a guest's memory, mapped into this process for reading and writing.

    It keeps its own duplicates of the handles, so the caller may close its own at any time. After `close`
    every access raises `Misuse`, while views, arrays and mappings made before stay valid for as long as
    they are referred to.

    Attributes:
        regions: Ordered by guest address; their handles live as long as this object is open.
    """

    __slots__ = ("regions", "_truncated", "_guarded_by", "_page", "_space", "_starts", "_spans", "_files")

    def __init__(self, regions: Iterable[Region], space: Budget | None = None) -> None:
        """Map all regions.

        Args:
            regions: In any order.
            space: Address space that the guest may take; None: without a limit, for guests of this process.

        Raises:
            MemoryFault: The table is wrong (see `virtio.memory.region.validate`), or the kernel refused it.
        """
        self.regions = _with_own_handles(sorted(regions, key=lambda region: region.guest_address))
        self._space = space or _UNLIMITED
        self._truncated = np.zeros(1, np.uint8)
        shrinkable = any(region.handle.can_shrink for region in self.regions)
        self._guarded_by = self._truncated if shrinkable else None
        self._page = max((region.handle.page for region in self.regions), default=PAGE)
        # Parallel lists, ordered by guest address: first addresses to search in, (first address, size,
        # memory) for access, (first address, size, fd, offset in the file of guest address 0) for mapping.
        self._starts, self._spans, self._files = [0], [_NO_SPAN], [_NO_FILE]
        try:
            validate(self.regions)  # whose handles have looked at the seals
            spans = [(r.guest_address, r.size, self._map_region(r)) for r in self.regions]
        except MemoryFault:
            self.close()
            raise
        if spans:
            self._starts = [start for start, _, _ in spans]
            self._spans = spans
            self._files = _files(self.regions)

    def _map_region(self, region: Region) -> memoryview:
        piece = (region.handle.fd, region.offset, region.size)
        return finish(self._map([piece], writable=True)).data

    def _map(self, pieces: Sequence[Piece], *, writable: bool) -> Steps[NDArray[np.uint8]]:
        return map_steps(
            pieces, writable=writable, truncated=self._guarded_by, space=self._space, page=self._page
        )

    def view(self, address: int, length: int) -> memoryview:
        """Bytes of the guest's memory, writable, aliased.

        Raises:
            MemoryFault: They do not lie inside one region.
        """
        start, size, memory = self._spans[bisect_right(self._starts, address) - 1]
        offset = address - start
        if not 0 <= offset <= offset + length <= size:
            raise self._outside(address, length)
        return memory[offset : offset + length]

    def views(self, address: int, length: int) -> list[memoryview]:
        """As `view`, in as many pieces as there are adjoining regions below the range.

        Raises:
            MemoryFault: Some of it lies in no region.
        """
        pieces = []
        position, left = address, length
        while left > 0:
            start, size, memory = self._spans[bisect_right(self._starts, position) - 1]
            offset = position - start
            if not 0 <= offset < size:
                raise self._outside(address, length)
            piece = memory[offset : offset + left]
            pieces.append(piece)
            position += len(piece)
            left -= len(piece)
        return pieces

    @property
    def parts(self) -> list[memoryview]:
        """The memory of each region, writable, aliased; valid for as long as it is referred to."""
        return [memory for _, _, memory in self._spans]

    def places(self, runs: Iterable[Run]) -> Iterator[Place]:
        """Where runs lie, as pieces of `parts`.

        Raises:
            MemoryFault: Some of one lies in no region.
        """
        starts, spans = self._starts, self._spans
        for address, length in runs:
            position, left = address, length
            while left > 0:
                part = bisect_right(starts, position) - 1
                start, size, _ = spans[part]
                room = size - (position - start)
                if not 0 < room <= size:
                    raise self._outside(address, length)
                taken = min(left, room)
                yield part, position - start, taken
                position += taken
                left -= taken

    def read(self, address: int, length: int) -> bytes:
        """A copy of guest memory, also across adjoining regions.

        Raises:
            MemoryFault: Some of it lies in no region.
        """
        return b"".join(self.views(address, length))

    def write(self, address: int, data: bytes | memoryview) -> None:
        """Store bytes, also across adjoining regions.

        Raises:
            MemoryFault: Some of them would lie in no region; nothing is then written.
        """
        position = 0
        for piece in self.views(address, len(data)):
            piece[:] = data[position : position + len(piece)]
            position += len(piece)

    def load(self, address: int, size: int) -> int:
        """An unsigned little-endian integer of `size` bytes.

        Raises:
            MemoryFault: It lies in no region.
        """
        return int.from_bytes(self.read(address, size), "little")

    def store(self, address: int, size: int, value: int) -> None:
        """Store an unsigned little-endian integer of `size` bytes.

        Raises:
            MemoryFault: It lies in no region.
        """
        self.write(address, value.to_bytes(size, "little"))

    def translate_user(self, user_address: int, length: int) -> int:
        """The guest address of a range that a VMM named by its own addresses.

        Raises:
            MemoryFault: No region holds all of it.
        """
        for region in self.regions:
            offset = user_address - region.user_address
            if region.user_address and 0 <= offset <= offset + length <= region.size:
                return region.guest_address + offset
        raise MemoryFault(f"no memory region holds {length:#x} bytes at user address {user_address:#x}")

    def map_scattered(self, runs: Sequence[Run], *, writable: bool = False) -> Mapping:
        """One contiguous view of scattered runs, no bytes copied. Neighbours cost one mapping together.

        The first run may begin, and the last may end, anywhere; all others meet at page boundaries.

        Args:
            runs: In the order in which they shall appear.
            writable: Map for writing too.

        Raises:
            MemoryFault: Some of a run lies in no region, or there are no bytes at all.
            Unmappable: Runs meet inside a page, or in memory of huge pages, or the kernel refused; `gather`
                still works.
        """
        return finish(self.mapping_steps(runs, writable=writable))

    def mapping_steps(
        self, runs: Sequence[Run], *, writable: bool = False, most: int | None = None
    ) -> Steps[Mapping]:
        """As `map_scattered`, in steps, between which the memory may be closed.

        Args:
            runs: As for `map_scattered`.
            writable: As for `map_scattered`.
            most: Kernel mappings that it may take.

        Raises:
            MemoryFault: As `map_scattered`.
            Unmappable: As `map_scattered`.
            TooManyPieces: It would take more mappings.
        """
        with ExitStack() as kept:
            at_once = len(runs) * len(self._files) < PIECES_IN_A_STEP  # a run can lie in all regions
            files = self._files if at_once else _kept_open(self._files, kept)
            pieces = yield from self._pieces(runs, files)
            if most is not None and len(pieces) > most:
                raise TooManyPieces(f"{len(pieces)} pieces are more than {most} mappings", len(pieces))
            if not self._joins(pieces):
                raise Unmappable(
                    f"{len(runs)} runs of guest memory cannot be mapped: some meet inside a page"
                )
            data = yield from self._map(pieces, writable=writable)
        return Mapping(data, len(pieces))

    def is_mappable(self, runs: Sequence[Run]) -> bool:
        """Whether `map_scattered` would try (the kernel can still refuse)."""
        try:
            return self._joins(finish(self._pieces(runs, self._files)))
        except MemoryFault:
            return False

    def _joins(self, pieces: Sequence[Piece]) -> bool:
        return len(pieces) == 1 or (self._page == PAGE and joins_at_pages(pieces))

    def _pieces(self, runs: Sequence[Run], files: Sequence[_File]) -> Steps[list[Piece]]:
        """The runs as ranges of files; what continues its predecessor in the file is joined with it."""
        starts = self._starts
        pieces: list[Piece] = []
        last_fd, last_offset, last_end = -1, 0, 0
        for number, (address, length) in enumerate(runs, 1):
            position, left = address, length
            while left > 0:
                start, size, fd, base = files[bisect_right(starts, position) - 1]
                room = size - (position - start)
                if not 0 < room <= size:
                    raise self._outside(address, length)
                offset = base + position
                taken = left if left < room else room
                if fd == last_fd and offset == last_end:
                    last_end += taken
                    pieces[-1] = (fd, last_offset, last_end - last_offset)
                else:
                    pieces.append((fd, offset, taken))
                    last_fd, last_offset, last_end = fd, offset, offset + taken
                position += taken
                left -= taken
            if not number % _LOOKED_UP:
                yield
        if not pieces:
            raise self._outside(0, 0)
        return pieces

    def gather(self, runs: Sequence[Run], out: NDArray[np.uint8], offset: int = 0) -> int:
        """Copy runs that cannot be mapped: bytes from `offset` of their sequence on.

        Args:
            runs: As for `map_scattered`.
            out: C-contiguous; filled from its start.
            offset: Bytes of the runs to skip.

        Returns:
            Bytes copied: all of `out`, or less when the runs end before.

        Raises:
            MemoryFault: Some of a run that is needed lies in no region.
        """
        target = out.data.cast("B")
        position = 0
        for address, length in runs:
            if offset >= length:
                offset -= length
                continue
            wanted = min(length - offset, len(target) - position)
            for piece in self.views(address + offset, wanted):
                target[position : position + len(piece)] = piece
                position += len(piece)
            offset = 0
            if position == len(target):
                break
        return position

    @property
    def descriptors(self) -> int:
        """File descriptors that it keeps: one for each file."""
        return 0 if self.closed else len({region.handle.fd for region in self.regions})

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._spans[0] is _NO_SPAN and bool(self.regions)

    @property
    def truncated(self) -> bool:
        """Whether an access found that a file had become shorter; zeros were seen instead."""
        return bool(self._truncated[0])

    def _outside(self, address: int, length: int) -> MemoryFault | Misuse:
        if self.closed:
            return Misuse("a closed guest memory is used")
        return MemoryFault(f"no memory region holds {length:#x} bytes at guest address {address:#x}")

    def close(self) -> None:
        """Forget the regions and give their handles back; once more does nothing."""
        self._starts, self._spans, self._files = [0], [_NO_SPAN], [_NO_FILE]
        for region in self.regions:
            region.handle.close()


def _with_own_handles(table: Sequence[Region]) -> tuple[Region, ...]:
    """The same regions with duplicates of their handles, one for each file.

    Regions of one file (QEMU splits its memory at the PCI hole) then share a descriptor, by which
    runs that continue each other in that file are recognised.
    """
    own: dict[object, SharedHandle] = {}
    regions = []
    for region in table:
        identity = region.handle.identity()
        if identity not in own:
            own[identity] = region.handle.dup()
        regions.append(replace(region, handle=own[identity]))
    return tuple(regions)


def _kept_open(files: Sequence[_File], kept: ExitStack) -> list[_File]:
    """The same files by descriptors of their own, which stay open for as long as `kept` does.

    Raises:
        Unmappable: There are no descriptors left.
    """
    own: dict[int, int] = {-1: -1}
    for _, _, fd, _ in files:
        if fd not in own:
            try:
                own[fd] = os.dup(fd)
            except OSError as error:
                raise Unmappable(f"the guest's memory cannot be mapped: {error.strerror}") from None
            kept.callback(os.close, own[fd])
    return [(start, size, own[fd], base) for start, size, fd, base in files]


def _files(regions: Sequence[Region]) -> list[_File]:
    return [(r.guest_address, r.size, r.handle.fd, r.offset - r.guest_address) for r in regions]
