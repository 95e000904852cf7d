"""`virtio.memory.guest`: access to guest memory, bounds and lifetimes."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtio.errors import MemoryFault, Misuse
from virtio.memory import PAGE, GuestMemory, Region, SharedHandle, Unmappable
from virtio.memory import mapping as mapping_module

FIRST, BORDER, END = 16 * PAGE, 32 * PAGE, 48 * PAGE  # of the fixture `memory`

shared_memory = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_views_alias_the_file_that_the_peer_sees(memory: GuestMemory, handle: SharedHandle) -> None:
    view = memory.view(FIRST + 5, 3)
    assert bytes(view) == b"\x10\x10\x10"
    view[:] = b"abc"
    assert os.pread(handle.fd, 3, 16 * PAGE + 5) == b"abc"
    os.pwrite(handle.fd, b"xyz", 16 * PAGE + 5)
    assert bytes(view) == b"xyz"


def test_each_region_has_its_own_place_in_the_file(memory: GuestMemory) -> None:
    assert memory.read(FIRST, 1) == b"\x10"
    assert memory.read(BORDER, 1) == b"\x00"
    assert memory.read(END - 1, 1) == b"\x0f"


def test_regions_are_ordered_by_guest_address(memory: GuestMemory) -> None:
    assert [region.guest_address for region in memory.regions] == [FIRST, BORDER]


@pytest.mark.parametrize(
    ("address", "length"),
    [
        (FIRST - 1, 1),
        (FIRST - 1, 2),
        (END, 1),
        (END - 1, 2),
        (BORDER - 1, 2),
        (FIRST, -1),
        (-1, 1),
        (1 << 64, 1),
        (FIRST, 1 << 64),
        (0, 0),
    ],
)
def test_a_view_lies_inside_one_region(memory: GuestMemory, address: int, length: int) -> None:
    with pytest.raises(MemoryFault, match="no memory region holds"):
        memory.view(address, length)


def test_the_last_byte_of_a_region_is_inside(memory: GuestMemory) -> None:
    assert bytes(memory.view(END - 1, 1)) == b"\x0f"
    assert len(memory.view(FIRST, BORDER - FIRST)) == 16 * PAGE
    assert len(memory.view(FIRST, 0)) == 0


def test_access_crosses_adjoining_regions(memory: GuestMemory) -> None:
    assert [len(piece) for piece in memory.views(BORDER - 2, 5)] == [2, 3]
    assert memory.read(BORDER - 2, 5) == b"\x1f\x1f\x00\x00\x00"
    memory.write(BORDER - 2, b"hello")
    assert memory.read(BORDER - 2, 5) == b"hello"


def test_a_store_that_does_not_fit_writes_nothing(memory: GuestMemory) -> None:
    with pytest.raises(MemoryFault, match=r"holds 0x4 bytes at guest address 0x2fffe"):
        memory.write(END - 2, b"1234")
    assert memory.read(END - 2, 2) == b"\x0f\x0f"


@pytest.mark.parametrize("address", [FIRST + 3, BORDER - 3])
def test_integers_are_little_endian_anywhere(memory: GuestMemory, address: int) -> None:
    memory.store(address, 8, 0x0123_4567_89AB_CDEF)
    assert memory.load(address, 8) == 0x0123_4567_89AB_CDEF
    assert [memory.load(address, size) for size in (1, 2, 4)] == [0xEF, 0xCDEF, 0x89AB_CDEF]


@shared_memory
@given(st.integers(0, 64 * PAGE), st.integers(0, 40 * PAGE))
def test_access_succeeds_exactly_inside(memory: GuestMemory, address: int, length: int) -> None:
    if length == 0 or FIRST <= address <= address + length <= END:
        assert len(memory.read(address, length)) == length
        assert sum(map(len, memory.views(address, length))) == length
    else:
        with pytest.raises(MemoryFault):
            memory.views(address, length)


def test_vmm_addresses_are_translated(memory: GuestMemory) -> None:
    assert memory.translate_user(0x7F00_0000_0000, 16) == FIRST
    assert memory.translate_user(0x7F80_0000_0000 + 16 * PAGE - 4, 4) == END - 4


@pytest.mark.parametrize(
    ("address", "length"),
    [(0x7F00_0000_0000 - 1, 1), (0x7F00_0000_0000, 17 * PAGE), (0, 1), (0x7F80_0000_0000 + 16 * PAGE, 1)],
)
def test_vmm_addresses_outside_are_refused(memory: GuestMemory, address: int, length: int) -> None:
    with pytest.raises(MemoryFault, match="at user address"):
        memory.translate_user(address, length)


def test_a_region_without_user_address_answers_to_none(handle: SharedHandle) -> None:
    with GuestMemory([Region(PAGE, PAGE, handle)]) as memory, pytest.raises(MemoryFault):
        memory.translate_user(0, 1)


def test_gather_copies_what_cannot_be_mapped(memory: GuestMemory) -> None:
    runs = [(FIRST + 100, 3), (BORDER - 1, 2), (END - 7, 7)]
    assert not memory.is_mappable(runs)
    out = np.zeros(12, np.uint8)
    assert memory.gather(runs, out) == 12
    assert out.tolist() == [16] * 3 + [31, 0] + [15] * 7


def test_gather_starts_and_ends_inside_runs(memory: GuestMemory) -> None:
    runs = [(FIRST, 3), (BORDER - 1, 2), (END - 7, 7), (0, 1)]
    out = np.zeros(4, np.uint8)
    assert memory.gather(runs, out, 4) == 4, "the last run is outside, but not needed"
    assert out.tolist() == [0, 15, 15, 15]


def test_gather_says_how_little_there_was(memory: GuestMemory) -> None:
    out = np.full((2, 3), 7, np.uint8)
    assert memory.gather([(FIRST, 4)], out, 1) == 3
    assert out.tolist() == [[16, 16, 16], [7, 7, 7]]
    assert memory.gather([(FIRST, 4)], out, 9) == 0


def test_gather_from_outside_is_refused(memory: GuestMemory) -> None:
    with pytest.raises(MemoryFault):
        memory.gather([(END - 1, 2)], np.zeros(2, np.uint8))


def test_memory_without_regions_holds_nothing() -> None:
    with GuestMemory([]) as memory:
        for access in (
            lambda: memory.view(0, 0),
            lambda: memory.read(0, 1),
            lambda: memory.map_scattered([(0, 1)]),
        ):
            with pytest.raises(MemoryFault):
                access()


def test_closed_memory_refuses_every_access(memory: GuestMemory) -> None:
    memory.close()
    memory.close()
    runs = [(FIRST, PAGE)]
    for access in (
        lambda: memory.view(FIRST, 1),
        lambda: memory.read(FIRST, 1),
        lambda: memory.write(FIRST, b"1"),
        lambda: memory.map_scattered(runs),
        lambda: memory.gather(runs, np.zeros(1, np.uint8)),
    ):
        with pytest.raises(Misuse, match="closed guest memory"):
            access()


def test_views_and_mappings_outlive_memory_and_handles(handle: SharedHandle) -> None:
    memory = GuestMemory([Region(0, 64 * PAGE, handle)])
    view = memory.view(5 * PAGE, 4)
    mapping = memory.map_scattered([(9 * PAGE, PAGE), (7 * PAGE, PAGE)])
    pixels = mapping.data[::PAGE]
    memory.close()
    mapping.close()
    del memory, mapping
    assert bytes(view) == b"\x05" * 4
    assert pixels.tolist() == [9, 7]


def test_the_caller_may_close_its_handle_at_once() -> None:
    handle = SharedHandle.create(PAGE)
    with GuestMemory([Region(0, PAGE, handle)]) as memory:
        handle.close()
        assert memory.map_scattered([(0, PAGE)]).data.sum() == 0
        assert not memory.regions[0].handle.closed


def test_a_table_that_the_kernel_refuses_leaves_nothing_behind(
    handle: SharedHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mapping_module._kernel_mmap
    calls = 0

    def refuse_the_second(*args: int) -> int:
        nonlocal calls
        calls += 1
        return -1 if calls == 2 else real(*args)

    monkeypatch.setattr(mapping_module, "_kernel_mmap", refuse_the_second)
    with pytest.raises(Unmappable, match="the kernel does not map offset 0x1000"):
        GuestMemory([Region(0, PAGE, handle), Region(PAGE, PAGE, handle, PAGE)])


def test_sealed_memory_is_not_guarded_and_never_truncated(memory: GuestMemory) -> None:
    assert not memory.truncated


def test_unsealed_memory_works_alike(shrinking: Callable[[int], SharedHandle]) -> None:
    with GuestMemory([Region(0, 4 * PAGE, shrinking(4 * PAGE))]) as memory:
        memory.write(PAGE, b"guest")
        assert memory.map_scattered([(PAGE, 5)]).data.tobytes() == b"guest"
        assert not memory.truncated
