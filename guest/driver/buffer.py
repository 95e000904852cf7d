"""Memory for pictures, wherever it lies: what a framebuffer is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guest.memory import GuestRam
from virtio.fence import Reservation
from virtio.memory import GuestMemory, Run


class BufferMemory(Protocol):
    """Some pages of a guest.

    Attributes:
        runs: The pages by guest physical address, as the host knows them.
        memory: Where those addresses mean something.
        reservation: The fences of the jobs that use them.
    """

    runs: Sequence[Run]
    memory: GuestMemory
    reservation: Reservation

    def release(self) -> None:
        """Give the pages back; no device may use them any more."""


class DumbBuffer:
    """Scattered system memory, allocated by the display driver itself (DRM_IOCTL_MODE_CREATE_DUMB).

    Args:
        ram: Where from.
        size: Bytes.
    """

    def __init__(self, ram: GuestRam, size: int) -> None:
        self.runs: Sequence[Run] = ram.allocate(size)
        self.memory = ram.memory
        self.reservation = Reservation()
        self._ram = ram

    def release(self) -> None:
        """Give the pages back."""
        self._ram.free(self.runs)
