"""What the tests of guest memory share."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from virtio.memory import PAGE, GuestMemory, Region, SharedHandle


def _held() -> tuple[int, list[str]]:
    """Open descriptors of this process, and its mappings of shared memory."""
    maps = Path("/proc/self/maps").read_text(encoding="ascii").splitlines()
    return len(os.listdir("/proc/self/fd")), [line for line in maps if "memfd:scanout" in line]  # noqa: PTH208


@pytest.fixture(autouse=True)
def nothing_left_behind() -> Iterator[None]:
    """Every test of this folder gives back all descriptors and all mappings."""
    gc.collect()
    before = _held()
    yield
    gc.collect()
    assert _held() == before


@pytest.fixture
def handle() -> Iterator[SharedHandle]:
    """64 pages; page n is filled with the byte n."""
    with SharedHandle.create(64 * PAGE) as made:
        pages = np.arange(64, dtype=np.uint8).repeat(PAGE)
        os.pwrite(made.fd, pages.tobytes(), 0)
        yield made


@pytest.fixture
def memory(handle: SharedHandle) -> Iterator[GuestMemory]:
    """Guest pages 16-47 in two adjoining regions, whose order in the file is reversed."""
    half = 16 * PAGE
    low = Region(half, half, handle, offset=half, user_address=0x7F00_0000_0000)
    high = Region(2 * half, half, handle, offset=0, user_address=0x7F80_0000_0000)
    with GuestMemory([high, low]) as made:
        yield made


@pytest.fixture
def shrinking() -> Iterator[Callable[[int], SharedHandle]]:
    """A factory of unsealed memory, which its owner may cut short."""
    made: list[SharedHandle] = []

    def create(size: int) -> SharedHandle:
        made.append(SharedHandle.create(size, seal=False))
        return made[-1]

    yield create
    for handle in made:
        handle.close()
