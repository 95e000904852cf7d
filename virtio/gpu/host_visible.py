"""The host-visible region: a window onto host memory for a guest that lives in this process.

A VMM would give the guest a PCI BAR here (virtio 1.3, 5.7.6.9, shared memory region 1); vhost-user has no
message for it that real VMMs send. So only a guest in this process, which can hold an array, is offered it.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from virtio.errors import Misuse
from virtio.gpu.errors import invalid_parameter

PAGE_BYTES = 4096
"""Grain of the guest's page tables, and so of offsets in the window."""


class _Window(NamedTuple):
    offset: int
    resource_id: int
    data: NDArray[np.uint8]


class HostVisibleRegion:
    """Which blob lies where in the region.

    Attributes:
        size: Bytes of the region.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._windows: list[_Window] = []  # ordered by offset, which never overlap

    def map(self, resource_id: int, offset: int, data: NDArray[np.uint8]) -> None:
        """Place a blob's memory at `offset`.

        Raises:
            CommandFault: The offset is not a multiple of the page size, or the blob would reach beyond the
                region, overlap another, or be mapped twice (ERR_INVALID_PARAMETER).
        """
        if any(window.resource_id == resource_id for window in self._windows):
            raise invalid_parameter(f"blob {resource_id} is mapped already")
        if offset % PAGE_BYTES:
            raise invalid_parameter(f"blob {resource_id}: offset {offset:#x} is inside of a page")
        if offset + data.size > self.size:
            raise invalid_parameter(f"blob {resource_id} at {offset:#x} is beyond the host-visible region")
        for window in self._windows:
            if offset < window.offset + window.data.size and window.offset < offset + data.size:
                raise invalid_parameter(
                    f"blob {resource_id} at {offset:#x} overlaps blob {window.resource_id}"
                )
        self._windows.append(_Window(offset, resource_id, data))
        self._windows.sort(key=lambda window: window.offset)

    def unmap(self, resource_id: int) -> bool:
        """Take a blob out; False when it was not there."""
        kept = [window for window in self._windows if window.resource_id != resource_id]
        found = len(kept) < len(self._windows)
        self._windows = kept
        return found

    def view(self, offset: int, length: int) -> NDArray[np.uint8]:
        """The guest's side: (length,) uint8, the memory that lies at `offset`, writable.

        Raises:
            Misuse: No single blob is mapped there.
        """
        index = bisect_right(self._windows, offset, key=lambda window: window.offset) - 1
        if index >= 0:
            start, _, data = self._windows[index]
            if offset - start + length <= data.size:
                return data[offset - start : offset - start + length]
        raise Misuse(f"no blob is mapped at {offset:#x} to {offset + length:#x} of the host-visible region")
