"""The host-visible region."""

from __future__ import annotations

import numpy as np
import pytest

from virtio.errors import Misuse
from virtio.gpu.errors import CommandFault
from virtio.gpu.host_visible import PAGE_BYTES, HostVisibleRegion

SIZE = 16 * PAGE_BYTES


def blob(pages: int, value: int = 0) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    return np.full(pages * PAGE_BYTES, value, np.uint8)


@pytest.fixture
def region() -> HostVisibleRegion:
    made = HostVisibleRegion(SIZE)
    made.map(7, 8 * PAGE_BYTES, blob(4, 7))
    made.map(3, 2 * PAGE_BYTES, blob(2, 3))
    return made


def test_the_guest_finds_each_blob_at_its_offset(region: HostVisibleRegion) -> None:
    assert set(region.view(2 * PAGE_BYTES, 2 * PAGE_BYTES)) == {3}
    assert set(region.view(8 * PAGE_BYTES + 100, 50)) == {7}


def test_the_guest_writes_into_the_blob_itself() -> None:
    data = blob(1)
    region = HostVisibleRegion(SIZE)
    region.map(1, 0, data)
    region.view(10, 1)[:] = 5
    assert data[10] == 5


@pytest.mark.parametrize(
    ("offset", "length"),
    [(0, 1), (PAGE_BYTES, PAGE_BYTES), (4 * PAGE_BYTES - 1, 2), (SIZE, 1), (12 * PAGE_BYTES, 1)],
)
def test_places_where_no_single_blob_is_are_misuse(
    region: HostVisibleRegion, offset: int, length: int
) -> None:
    with pytest.raises(Misuse, match="no blob is mapped at"):
        region.view(offset, length)


@pytest.mark.parametrize(
    ("resource_id", "offset", "pages", "reason"),
    [
        (3, 0, 1, "blob 3 is mapped already"),
        (9, 100, 1, "inside of a page"),
        (9, SIZE, 1, "beyond the host-visible region"),
        (9, 15 * PAGE_BYTES, 2, "beyond the host-visible region"),
        (9, 1 << 63, 1, "beyond the host-visible region"),
        (9, PAGE_BYTES, 2, "overlaps blob 3"),
        (9, 3 * PAGE_BYTES, 1, "overlaps blob 3"),
        (9, 0, 16, "overlaps blob 3"),
        (9, 8 * PAGE_BYTES, 1, "overlaps blob 7"),
    ],
)
def test_places_that_a_blob_cannot_have_are_refused(
    region: HostVisibleRegion, resource_id: int, offset: int, pages: int, reason: str
) -> None:
    with pytest.raises(CommandFault, match=reason):
        region.map(resource_id, offset, blob(pages))


def test_an_unmapped_place_is_free_again(region: HostVisibleRegion) -> None:
    assert region.unmap(3)
    assert not region.unmap(3)
    region.map(9, PAGE_BYTES, blob(3))
