"""`virtio.memory.region`: which tables of regions are refused, and how that reads."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import MemoryFault
from virtio.memory import MAX_REGIONS, PAGE, GuestMemory, Region, SharedHandle
from virtio.memory.region import validate

USER = 0x7F00_0000_0000


@pytest.mark.parametrize(
    ("place", "message"),
    [
        # (guest address, size, offset, user address)
        ((0, 0, 0, 0), "its size is not positive"),
        ((0, -PAGE, 0, 0), "its size is not positive"),
        ((0, PAGE, 100, 0), "offset 0x64 in its file is not a multiple of"),
        ((0, PAGE, -PAGE, 0), "is not a multiple of"),
        ((0, 65 * PAGE, 0, 0), "its file has only 0x40000 bytes"),
        ((0, PAGE, 64 * PAGE, 0), "its file has only"),
        ((0, 1 << 63, 1 << 62, 0), "its file has only"),
        ((-PAGE, PAGE, 0, 0), "beyond the last address"),
        (((1 << 64) - PAGE + 1, PAGE, 0, 0), "beyond the last address"),
        ((0, PAGE, 0, 1 << 64), "beyond the last address"),
    ],
)
def test_an_impossible_region_is_refused(
    handle: SharedHandle, place: tuple[int, int, int, int], message: str
) -> None:
    address, size, offset, user = place
    with pytest.raises(MemoryFault, match=message):
        GuestMemory([Region(address, size, handle, offset, user)])


def test_a_region_may_end_at_the_last_address_of_all(handle: SharedHandle) -> None:
    top = (1 << 64) - PAGE
    with GuestMemory([Region(top, PAGE, handle)]) as memory:
        assert len(memory.view(top, PAGE)) == PAGE


def test_a_file_that_became_shorter_after_it_was_received_is_measured_again(
    shrinking: Callable[[int], SharedHandle],
) -> None:
    handle = shrinking(4 * PAGE)
    os.ftruncate(handle.fd, PAGE)
    with pytest.raises(MemoryFault, match="its file has only 0x1000 bytes"):
        validate([Region(0, 4 * PAGE, handle)])


def test_regions_that_overlap_for_the_guest_are_refused(handle: SharedHandle) -> None:
    with pytest.raises(MemoryFault, match=r"region at 0x0 .* overlaps .* at 0x1fff .* in guest addresses"):
        validate([Region(2 * PAGE - 1, PAGE, handle), Region(0, 2 * PAGE, handle)])


def test_regions_that_overlap_for_the_vmm_are_refused(handle: SharedHandle) -> None:
    low = Region(0, 2 * PAGE, handle, user_address=USER)
    high = Region(8 * PAGE, PAGE, handle, user_address=USER + PAGE)
    with pytest.raises(MemoryFault, match="in user addresses"):
        validate([low, high])


def test_regions_without_user_address_do_not_overlap_there(handle: SharedHandle) -> None:
    validate([Region(0, PAGE, handle), Region(PAGE, PAGE, handle)])


def test_the_number_of_regions_is_capped(handle: SharedHandle) -> None:
    regions = [Region(n * PAGE, PAGE, handle) for n in range(MAX_REGIONS + 1)]
    validate(regions[:-1])
    with pytest.raises(MemoryFault, match="65 memory regions: more than 64"):
        validate(regions)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 8)), max_size=8))
def test_overlap_is_found_exactly_when_two_regions_share_a_page(places: list[tuple[int, int]]) -> None:
    pages = [page for first, count in places for page in range(first, first + count)]
    with SharedHandle.create(8 * PAGE) as handle:
        regions = [Region(first * PAGE, count * PAGE, handle) for first, count in places]
        if len(pages) == len(set(pages)):
            validate(regions)
        else:
            with pytest.raises(MemoryFault, match="overlaps"):
                validate(regions)
