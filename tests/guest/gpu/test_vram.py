from __future__ import annotations

from itertools import pairwise

import pytest

from guest.gpu.faults import OutOfMemory
from guest.gpu.vram import MIB, PARTITIONS, VISIBLE_SIZE, VRAM_SIZE, Partition, VramAllocator, partition
from virtio.errors import Misuse


def test_eight_parts_of_128_and_384_mb_of_which_seven_are_for_guests() -> None:
    """XPDS 2016: 7 vGPUs with 128 MB visible and 384 MB hidden each, in 1 + 3 GB."""
    parts = [partition(i, VRAM_SIZE, VISIBLE_SIZE, relative=False) for i in range(PARTITIONS)]
    assert {part.visible[1] for part in parts} == {128 * MIB}
    assert {part.hidden[1] for part in parts} == {384 * MIB}
    taken = sorted(run for part in parts for run in (part.visible, part.hidden))
    assert sum(size for _, size in taken) == VRAM_SIZE
    assert all(a + size == b for (a, size), (b, _) in pairwise(taken))
    assert PARTITIONS - 1 == 7


def test_a_relative_part_begins_at_zero() -> None:
    part = partition(3, VRAM_SIZE, VISIBLE_SIZE, relative=True)
    assert part.seen == ((0, 128 * MIB), (128 * MIB, 384 * MIB))


@pytest.mark.parametrize(("vram", "visible"), [(64 * MIB, 128 * MIB), (4096 * 9, 4096), (4096 * 8, 100)])
def test_impossible_sizes_are_refused(vram: int, visible: int) -> None:
    with pytest.raises(Misuse, match="do not make 8 parts"):
        partition(0, vram, visible, relative=False)


PART = Partition((8192, 8192), (65536, 16384))


def test_hidden_memory_goes_first_and_visible_follows() -> None:
    vram = VramAllocator(PART)
    assert vram.allocate(1) == (65536, 4096)
    assert vram.allocate(8192, visible=True) == (8192, 8192)
    vram.allocate(12288)
    with pytest.raises(OutOfMemory, match="4096 bytes of graphics memory wanted, 0 left"):
        vram.allocate(4096)
    vram.free((8192, 8192))
    assert vram.allocate(4096) == (8192, 4096)
    assert vram.free_bytes(visible=True) == 4096


def test_memory_is_given_back_by_who_has_it() -> None:
    vram = VramAllocator(PART)
    other = VramAllocator(PART, vram)
    run = vram.allocate(4096)
    assert other.allocate(4096) != run
    with pytest.raises(Misuse, match="does not have it"):
        other.free(run)
    vram.free(run)
    with pytest.raises(Misuse, match="does not have it"):
        vram.free(run)
