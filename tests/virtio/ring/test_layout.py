"""`virtio.ring.layout`: sizes and places of the parts of a split queue."""

from __future__ import annotations

import pytest

from virtio.errors import QueueFault
from virtio.ring import QueueConfig, layout


@pytest.mark.parametrize("size", [1, 2, 256, 32_768])
def test_sizes_are_those_of_the_specification(size: int) -> None:
    assert layout.descriptor_table_size(size) == 16 * size
    assert layout.available_ring_size(size) == 6 + 2 * size
    assert layout.used_ring_size(size) == 6 + 8 * size


@pytest.mark.parametrize("size", [1, 8, 32_768])
def test_event_words_are_the_last_of_their_rings(size: int) -> None:
    assert 2 * layout.used_event_word(size) == layout.available_ring_size(size) - 2
    assert 2 * layout.avail_event_word(size) == layout.used_ring_size(size) - 2


def test_formats_have_the_sizes_of_the_structures() -> None:
    assert layout.DESCRIPTOR.size == layout.DESCRIPTOR_SIZE == 16
    assert layout.USED_ELEMENT.size == layout.USED_ELEMENT_SIZE == 8


@pytest.mark.parametrize("size", [1, 2, 32_768])
def test_powers_of_two_are_queue_sizes(size: int) -> None:
    QueueConfig(size, 0x10, 0x2, 0x4).validate()


@pytest.mark.parametrize("size", [0, -1, 3, 100, 65_536])
def test_other_queue_sizes_are_refused(size: int) -> None:
    with pytest.raises(QueueFault, match="not a power of two up to 32768"):
        QueueConfig(size, 0, 0, 0).validate()


@pytest.mark.parametrize(
    ("places", "message"),
    [
        ((8, 0, 0), "descriptor table at 0x8 is not 16-byte aligned"),
        ((0, 1, 0), "available ring at 0x1 is not 2-byte aligned"),
        ((0, 0, 2), "used ring at 0x2 is not 4-byte aligned"),
    ],
)
def test_misaligned_parts_are_refused(places: tuple[int, int, int], message: str) -> None:
    with pytest.raises(QueueFault, match=message):
        QueueConfig(8, *places).validate()
