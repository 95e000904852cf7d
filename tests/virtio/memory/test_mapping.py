"""`virtio.memory.mapping`: scattered pages as one view, no bytes copied, nothing left mapped."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from virtio.errors import MemoryFault, Misuse
from virtio.memory import PAGE, GuestMemory, Region, Run, SharedHandle, Unmappable
from virtio.memory import mapping as mapping_module

FIRST, BORDER, END = 16 * PAGE, 32 * PAGE, 48 * PAGE  # of the fixture `memory`


def kernel_mappings() -> int:
    """Mappings of guest memory that the kernel knows of."""
    return Path("/proc/self/maps").read_text(encoding="ascii").count("memfd:scanout")


def test_scattered_pages_appear_in_the_order_of_their_runs(memory: GuestMemory) -> None:
    runs = [(FIRST + n * PAGE, PAGE) for n in (5, 3, 9, 0)]
    mapping = memory.map_scattered(runs)
    assert (mapping.size, mapping.pieces) == (4 * PAGE, 4)
    assert mapping.data.dtype == np.uint8
    assert mapping.data.shape == (4 * PAGE,)
    assert mapping.data[::PAGE].tolist() == [21, 19, 25, 16]


def test_the_view_is_the_memory_itself(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(FIRST + PAGE, PAGE), (FIRST, PAGE)])
    memory.write(FIRST + 7, b"late")
    assert mapping.data[PAGE + 7 : PAGE + 11].tobytes() == b"late"


def test_a_mapping_is_read_only_unless_asked(memory: GuestMemory) -> None:
    data = memory.map_scattered([(FIRST, PAGE)]).data
    with pytest.raises(ValueError, match="read-only"):
        data[0] = 1
    with pytest.raises(ValueError, match="WRITEABLE"):
        data.flags.writeable = True


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_writable_mapping_writes_guest_memory(memory: GuestMemory, order: tuple[int, int]) -> None:
    runs = [(FIRST + page * PAGE, PAGE) for page in order]
    memory.map_scattered(runs, writable=True).data[PAGE:] = 99
    assert memory.read(runs[1][0], 2) == b"\x63\x63"


def test_neighbours_cost_one_mapping(memory: GuestMemory) -> None:
    runs = [(FIRST + n * PAGE, PAGE) for n in range(8)]
    before = kernel_mappings()
    mapping = memory.map_scattered(runs)
    assert mapping.pieces == 1
    assert kernel_mappings() == before + 1


def test_neighbours_for_the_guest_alone_are_not_joined(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(BORDER - PAGE, 2 * PAGE)])
    assert mapping.pieces == 2, "adjoining regions, but at two places of the file"
    assert mapping.data[::PAGE].tolist() == [31, 0]


def test_neighbours_in_the_file_alone_are_joined(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(END - PAGE, PAGE), (FIRST, PAGE)])
    assert mapping.pieces == 1, "far apart for the guest, but one range of the file"
    assert mapping.data[::PAGE].tolist() == [15, 16]


def test_equal_offsets_of_different_files_are_not_joined() -> None:
    with SharedHandle.create(2 * PAGE) as one, SharedHandle.create(2 * PAGE) as two:
        os.pwrite(two.fd, b"2" * 2 * PAGE, 0)
        with GuestMemory([Region(0, PAGE, one), Region(PAGE, PAGE, two, PAGE)]) as memory:
            mapping = memory.map_scattered([(0, 2 * PAGE)])
            assert mapping.pieces == 2
            assert mapping.data[::PAGE].tolist() == [0, ord("2")]


def test_head_and_tail_need_no_alignment(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(FIRST + PAGE - 3, 3), (FIRST + 4 * PAGE, PAGE), (FIRST + 2 * PAGE, 5)])
    assert mapping.data.tolist() == [16] * 3 + [20] * PAGE + [18] * 5


def test_a_single_run_inside_a_page_is_mapped(memory: GuestMemory) -> None:
    assert memory.map_scattered([(FIRST + 10, 20)]).data.tolist() == [16] * 20


def test_neighbours_may_meet_inside_a_page(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(FIRST, 10), (FIRST + 10, PAGE - 10), (FIRST + 3 * PAGE, 7)])
    assert (mapping.pieces, mapping.size) == (2, PAGE + 7)


@pytest.mark.parametrize(
    "runs",
    [
        [(FIRST, PAGE - 1), (FIRST + 3 * PAGE, PAGE)],
        [(FIRST, PAGE), (FIRST + 3 * PAGE + 1, PAGE)],
        [(FIRST, PAGE), (FIRST + 3 * PAGE, 10), (FIRST + 5 * PAGE, PAGE)],
    ],
)
def test_runs_that_meet_inside_a_page_are_refused(memory: GuestMemory, runs: list[Run]) -> None:
    assert not memory.is_mappable(runs)
    with pytest.raises(Unmappable, match="meet inside a page"):
        memory.map_scattered(runs)


@pytest.mark.parametrize(
    "runs", [[], [(FIRST, 0)], [(0, PAGE)], [(END - PAGE, 2 * PAGE)], [(FIRST, PAGE), (END, 1)]]
)
def test_runs_outside_memory_or_without_bytes_are_refused(
    memory: GuestMemory, runs: list[tuple[int, int]]
) -> None:
    assert not memory.is_mappable(runs)
    with pytest.raises(MemoryFault, match="no memory region holds"):
        memory.map_scattered(runs)


def test_runs_of_no_bytes_are_passed_over(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(FIRST, PAGE), (3, 0), (FIRST + 2 * PAGE, PAGE)])
    assert mapping.data[::PAGE].tolist() == [16, 18]


runs_of_pages = st.lists(st.tuples(st.integers(0, 31), st.integers(1, 6)), min_size=1, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(runs_of_pages, st.integers(0, PAGE - 1), st.integers(0, PAGE - 1))
def test_a_mapping_equals_the_copy(memory: GuestMemory, pages: list[Run], head: int, tail: int) -> None:
    runs = [(FIRST + first * PAGE, min(count, 32 - first) * PAGE) for first, count in pages]
    address, length = runs[0]
    runs[0] = (address + head, length - head)
    address, length = runs[-1]
    runs[-1] = (address, max(length - tail, 1))
    copied = np.zeros(sum(length for _, length in runs), np.uint8)
    assert memory.gather(runs, copied) == copied.size
    assert memory.is_mappable(runs)
    assert np.array_equal(memory.map_scattered(runs).data, copied)


def test_memory_stays_mapped_until_the_last_view_dies(memory: GuestMemory) -> None:
    before = kernel_mappings()
    mapping = memory.map_scattered([(FIRST + n * PAGE, PAGE) for n in (6, 4, 2)])
    image = mapping.data.reshape(3, -1)[:, 5:]
    mapping.close()
    assert kernel_mappings() == before + 3
    assert image[:, 0].tolist() == [22, 20, 18]
    view = image.data
    del image
    assert view[2, 0] == 18
    del view
    assert kernel_mappings() == before


def test_a_closed_mapping_refuses_use(memory: GuestMemory) -> None:
    mapping = memory.map_scattered([(FIRST, PAGE)])
    mapping.close()
    mapping.close()
    with pytest.raises(Misuse, match="closed mapping"):
        _ = mapping.data


def test_a_thousand_scattered_pages_leave_nothing_behind() -> None:
    pages = 2000
    with (
        SharedHandle.create(pages * PAGE) as handle,
        GuestMemory([Region(0, pages * PAGE, handle)]) as memory,
    ):
        before = kernel_mappings()
        mapping = memory.map_scattered([(n * PAGE, PAGE) for n in range(0, pages, 2)])
        assert kernel_mappings() == before + mapping.pieces == before + 1000
        mapping.close()
        assert kernel_mappings() == before


def test_a_refusal_in_the_middle_leaves_nothing_behind(
    memory: GuestMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = mapping_module._kernel_mmap, []

    def refuse_the_third(*args: int) -> int:
        calls.append(args)
        if len(calls) < 3:
            return int(real(*args))
        ctypes.set_errno(errno.ENOMEM)
        return -1

    monkeypatch.setattr(mapping_module, "_kernel_mmap", refuse_the_third)
    before = kernel_mappings()
    with pytest.raises(Unmappable, match="Cannot allocate memory"):
        memory.map_scattered([(FIRST + n * PAGE, PAGE) for n in (0, 2, 4)])
    gc.collect()
    assert kernel_mappings() == before
    assert len(calls) == 3


def test_guests_together_cannot_use_up_the_mappings_of_the_process(
    memory: GuestMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = sum(mapping_module._live.values())
    monkeypatch.setattr(mapping_module, "_mapping_limit", lambda: held + 5)
    runs = [(FIRST + n * PAGE, PAGE) for n in (0, 2, 4)]
    mapping = memory.map_scattered(runs)
    pair = memory.map_scattered(runs[:2])
    for too_many in (runs, runs[:1]):
        with pytest.raises(Unmappable, match="holds too many mappings already"):
            memory.map_scattered(too_many)
    mapping.close()
    pair.close()
    memory.map_scattered(runs)


def test_the_limit_leaves_half_of_what_the_kernel_grants(monkeypatch: pytest.MonkeyPatch) -> None:
    granted = int(Path("/proc/sys/vm/max_map_count").read_text(encoding="ascii"))
    assert mapping_module._mapping_limit.__wrapped__() == granted // 2

    def no_proc(*_: object, **__: object) -> str:
        raise FileNotFoundError

    monkeypatch.setattr(Path, "read_text", no_proc)
    assert mapping_module._mapping_limit.__wrapped__() == 32_765
