from itertools import pairwise
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.memory import HIGH, PAGE, GuestRam, PageAllocator
from virtio.errors import Misuse


def overlaps(runs: list[tuple[int, int]]) -> bool:
    ordered = sorted(runs)
    return any(a + n > b for (a, n), (b, _) in pairwise(ordered))


def test_a_buffer_comes_scattered_over_both_regions() -> None:
    with GuestRam(16 << 20, seed=3) as ram:
        runs = ram.allocate(3 << 20)
    assert len(runs) > 2
    assert sum(length for _, length in runs) == 3 << 20
    assert not any(address % PAGE or length % PAGE for address, length in runs)
    assert {address >= HIGH for address, _ in runs} == {True, False}


def test_the_same_seed_gives_the_same_pages() -> None:
    def pages(seed: int) -> list[tuple[int, int]]:
        with GuestRam(16 << 20, seed=seed) as ram:
            return ram.allocate(1 << 20)

    assert pages(7) == pages(7)
    assert pages(7) != pages(8)


def test_run_counts_are_those_of_real_guests() -> None:
    counts = []
    for seed in range(200):
        with GuestRam(64 << 20, seed=seed) as ram:
            counts.append(len(ram.allocate(3 << 20)))
    assert min(counts) <= 2
    assert max(counts) > 128
    assert 0.5 < sum(17 <= count <= 128 for count in counts) / len(counts) < 0.75


def test_the_guests_view_and_the_devices_view_are_one_memory() -> None:
    with GuestRam(1 << 20, seed=2) as ram:
        runs = ram.allocate(5 * PAGE)
        mapping = ram.memory.map_scattered(runs, writable=True)
        mapping.data[:] = np.arange(5 * PAGE) % 251
        assert b"".join(ram.memory.read(*run) for run in runs) == mapping.data.tobytes()
        mapping.close()


def test_page_zero_is_never_handed_out() -> None:
    with GuestRam(16 * PAGE) as ram:
        runs = ram.allocate(15 * PAGE)
        assert min(address for address, _ in runs) == PAGE


def test_full_memory_refuses_and_stays_as_it_was() -> None:
    with GuestRam(16 * PAGE) as ram:
        with pytest.raises(Misuse, match="16 pages wanted, 15 left"):
            ram.allocate(16 * PAGE)
        with pytest.raises(Misuse, match="no run of 9 pages"):
            ram.allocate_contiguous(9 * PAGE)
        assert ram.free_bytes == 15 * PAGE


@pytest.mark.parametrize("size", [0, -8192, 4096, 12288])
def test_odd_memory_sizes_are_refused(size: int) -> None:
    with pytest.raises(Misuse, match="guest memory of"):
        GuestRam(size)


def test_an_allocation_of_nothing_is_refused() -> None:
    with GuestRam(16 * PAGE) as ram, pytest.raises(Misuse, match="positive size"):
        ram.allocate(0)


def test_pages_given_back_twice_are_refused() -> None:
    with GuestRam(16 * PAGE) as ram:
        first, second = ram.allocate_contiguous(PAGE), ram.allocate_contiguous(PAGE)
        ram.free([first])
        with pytest.raises(Misuse, match="given back twice"):
            ram.free([first])
        ram.free([second])
        with pytest.raises(Misuse, match="given back twice"):
            ram.free([second])


@given(st.lists(st.integers(1, 40), max_size=20), st.randoms(use_true_random=False))
def test_pages_are_disjoint_and_all_come_back(sizes: list[int], random: Random) -> None:
    allocator = PageAllocator([(1, 99), (1000, 200)], Random(0))
    held: list[list[tuple[int, int]]] = []
    for size in sizes:
        if size <= allocator.free_pages:
            held.append(allocator.scattered(size))
            assert sum(count for _, count in held[-1]) == size
        elif held:
            for first, count in held.pop(random.randrange(len(held))):
                allocator.free(first, count)
        assert not overlaps([extent for extents in held for extent in extents])
    for extents in held:
        for first, count in extents:
            allocator.free(first, count)
    assert allocator.contiguous(99) == (1, 99)
    assert allocator.contiguous(200) == (1000, 200)
