"""What the tests of the rings share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from virtio.memory import GuestMemory, Region, SharedHandle

HALF = 0x1_0000


@pytest.fixture
def memory() -> Iterator[GuestMemory]:
    """128 KiB from guest address 0 on, in two adjoining regions that meet at 0x10000."""
    with SharedHandle.create(2 * HALF) as handle:
        regions = [Region(0, HALF, handle, offset=HALF), Region(HALF, HALF, handle)]
        with GuestMemory(regions) as made:
            yield made
