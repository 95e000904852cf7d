"""The simulated guest's physical memory, and the page allocator that every driver sits on.

Real guests do not have contiguous framebuffers. On Linux 6.1 to 7.2 a blob's memory arrives as 1 to 512
runs of pages, most often 17 to 128, in no order. The allocator here scatters on purpose, with the same
proportions, and repeatably for a seed; and like a PC's, the memory has a hole below 4 GiB, so that it
is two regions and a buffer can lie in both.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from random import Random

from virtio.closing import Closing
from virtio.errors import Misuse
from virtio.memory import GuestMemory, Region, Run, SharedHandle

PAGE = 4096
HIGH = 4 << 30  # where memory goes on above the hole
DEFAULT_SIZE = 256 << 20  # bytes; untouched pages cost the host nothing

# (weight, least, most): how many runs a buffer is made of, after traces of real guests.
_RUN_COUNTS = ((8, 1, 2), (18, 3, 16), (62, 17, 128), (12, 129, 512))


class GuestRam(Closing):
    """Memory of one guest, in one sealed memfd; context manager.

    Attributes:
        memory: The same memory as devices see it.
    """

    def __init__(self, size: int = DEFAULT_SIZE, *, seed: int = 0, name: str = "guest") -> None:
        """Create it.

        Args:
            size: Bytes, a multiple of two pages.
            seed: Of the allocator's choices.
            name: Of the memfd, as `/proc/PID/maps` shows it.

        Raises:
            Misuse: `size` is not a positive multiple of two pages.
        """
        if size <= 0 or size % (2 * PAGE):
            raise Misuse(f"guest memory of {size} bytes: give a positive multiple of {2 * PAGE}")
        half = size // 2
        with SharedHandle.create(size, name=name) as handle:
            self.memory = GuestMemory([Region(0, half, handle), Region(HIGH, half, handle, half)])
        # Page 0 is never handed out: address 0 stays what a forgotten field looks like.
        self._pages = PageAllocator([(1, half // PAGE - 1), (HIGH // PAGE, half // PAGE)], Random(seed))

    def allocate(self, size: int) -> list[Run]:
        """Scattered, page-aligned memory of at least `size` bytes, rounded up to whole pages.

        Raises:
            Misuse: Not enough memory is left.
        """
        return [(first * PAGE, count * PAGE) for first, count in self._pages.scattered(_pages(size))]

    def allocate_contiguous(self, size: int) -> Run:
        """One page-aligned run of at least `size` bytes, as rings need it.

        Raises:
            Misuse: No run of this length is left.
        """
        first, count = self._pages.contiguous(_pages(size))
        return first * PAGE, count * PAGE

    def free(self, runs: Sequence[Run]) -> None:
        """Give runs back, exactly as they were handed out.

        Raises:
            Misuse: One of them is free already.
        """
        for address, length in runs:
            self._pages.free(address // PAGE, length // PAGE)

    @property
    def free_bytes(self) -> int:
        """What is left."""
        return self._pages.free_pages * PAGE

    def close(self) -> None:
        """Unmap the memory; views of it stay valid until their holders drop them."""
        self.memory.close()


class PageAllocator:
    """Hands out pages by number, from a sorted list of free extents (first page, pages)."""

    def __init__(self, extents: Sequence[tuple[int, int]], random: Random) -> None:
        self._extents = sorted(extents)
        self._random = random

    @property
    def free_pages(self) -> int:
        """Pages left."""
        return sum(count for _, count in self._extents)

    def scattered(self, pages: int) -> list[tuple[int, int]]:
        """`pages` pages as extents in random places; more of them where free space is in splinters."""
        if pages > self.free_pages:
            raise Misuse(f"guest memory is full: {pages} pages wanted, {self.free_pages} left")
        taken = []
        for length in self._lengths(pages):
            missing = length
            while missing:
                taken.append(self._place(missing))
                missing -= taken[-1][1]
        return taken

    def contiguous(self, pages: int) -> tuple[int, int]:
        """The first extent that holds `pages` pages, or the beginning of it."""
        for index, (first, count) in enumerate(self._extents):
            if count >= pages:
                return self._take(index, first, pages)
        raise Misuse(f"guest memory is full: no run of {pages} pages left")

    def free(self, first: int, count: int) -> None:
        """Give pages back; joins neighbours."""
        index = bisect_left(self._extents, (first, 0))
        before = self._extents[index - 1] if index else (0, 0)
        after = self._extents[index] if index < len(self._extents) else None
        if sum(before) > first or (after and first + count > after[0]):
            raise Misuse(f"guest pages {first} to {first + count - 1} are given back twice")
        if after and first + count == after[0]:
            del self._extents[index]
            count += after[1]
        if before[1] and sum(before) == first:
            del self._extents[index - 1]
            first, count = before[0], before[1] + count
        insort(self._extents, (first, count))

    def _lengths(self, pages: int) -> list[int]:
        """Cut a buffer into as many pieces of random lengths as a real guest's has."""
        weights = [weight for weight, _, _ in _RUN_COUNTS]
        _, least, most = self._random.choices(_RUN_COUNTS, weights)[0]
        runs = min(self._random.randint(least, most), pages)
        cuts = sorted(self._random.sample(range(1, pages), runs - 1))
        return [end - start for start, end in zip([0, *cuts], [*cuts, pages], strict=True)]

    def _place(self, length: int) -> tuple[int, int]:
        """A random place for `length` pages; where none is long enough, the longest extent whole."""
        roomy = [index for index, (_, count) in enumerate(self._extents) if count >= length]
        if not roomy:
            index = max(range(len(self._extents)), key=lambda i: self._extents[i][1])
            return self._take(index, *self._extents[index])
        index = self._random.choice(roomy)
        first, count = self._extents[index]
        return self._take(index, first + self._random.randrange(count - length + 1), length)

    def _take(self, index: int, first: int, pages: int) -> tuple[int, int]:
        """Cut pages out of the extent at `index`; what is left of it stays free."""
        start, count = self._extents[index]
        rest = (start, first - start), (first + pages, start + count - first - pages)
        self._extents[index : index + 1] = [extent for extent in rest if extent[1]]
        return first, pages


def _pages(size: int) -> int:
    if size <= 0:
        raise Misuse(f"an allocation of {size} bytes: give a positive size")
    return -(-size // PAGE)
