from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from guest.gpu.faults import PageFault
from guest.gpu.page_table import ADDRESSES, IN_VRAM, PAGE, READ_ONLY, Extent, PageTable, entries


def test_neighbours_of_one_kind_become_one_extent() -> None:
    table = PageTable()
    table.write(PAGE, entries([(8 * PAGE, 2 * PAGE), (10 * PAGE, PAGE)]))
    table.write(4 * PAGE, entries([(11 * PAGE, PAGE)], IN_VRAM))
    assert table.translate(PAGE + 100, 4 * PAGE - 100, write=True) == [
        Extent(False, 8 * PAGE + 100, 3 * PAGE - 100),
        Extent(True, 11 * PAGE, PAGE),
    ]


def test_what_is_not_mapped_is_a_fault_that_names_the_page() -> None:
    table = PageTable()
    table.write(PAGE, entries([(0, PAGE)]))
    with pytest.raises(PageFault, match=r"read of 4097 bytes at 0x1000: .* 0x2000"):
        table.translate(PAGE, PAGE + 1, write=False)


def test_a_read_only_page_can_be_read() -> None:
    table = PageTable()
    table.write(0, entries([(0, PAGE)], READ_ONLY))
    assert table.translate(0, 4, write=False)
    with pytest.raises(PageFault, match="write to"):
        table.translate(0, 4, write=True)


@pytest.mark.parametrize(("address", "length"), [(-1, 4), (ADDRESSES - 2, 4), (0, 0), (ADDRESSES, 1)])
def test_addresses_beyond_the_space_are_faults(address: int, length: int) -> None:
    with pytest.raises(PageFault, match="address space"):
        PageTable().translate(address, length, write=False)


@pytest.mark.parametrize("address", [-PAGE, 100, ADDRESSES - PAGE])
def test_entries_beyond_the_space_are_refused(address: int) -> None:
    with pytest.raises(PageFault):
        PageTable().write(address, entries([(0, 2 * PAGE)]))


def test_unmapping_makes_translations_stale() -> None:
    table = PageTable()
    table.write(0, entries([(0, PAGE)]))
    before = table.generation
    table.write(0, np.zeros(1, np.uint64))
    assert table.generation > before
    with pytest.raises(PageFault):
        table.translate(0, 1, write=False)


@given(
    pages=st.lists(st.tuples(st.integers(0, 2000), st.booleans()), min_size=1, max_size=40),
    start=st.integers(1000, 1040),
    data=st.data(),
)
def test_translation_is_page_by_page_what_was_written(
    pages: list[tuple[int, bool]], start: int, data: st.DataObject
) -> None:
    table = PageTable()
    for index, (page, local) in enumerate(pages):
        table.write((start + index) * PAGE, entries([(page * PAGE, PAGE)], IN_VRAM * local))
    size = len(pages) * PAGE
    offset = data.draw(st.integers(0, size - 1))
    length = data.draw(st.integers(1, size - offset))
    extents = table.translate(start * PAGE + offset, length, write=True)
    flat = [(local, address + i) for local, address, count in extents for i in range(count)]
    expected = [
        (pages[at // PAGE][1], pages[at // PAGE][0] * PAGE + at % PAGE)
        for at in range(offset, offset + length)
    ]
    assert flat == expected
