"""A guest's memory for checks: two regions of one file, mapped here, and handed out piece by piece.

The regions are apart in every address space (guest, user, file), so that a device which mixes them up, or
leaves the file offset out, finds nothing.
"""

from __future__ import annotations

import mmap
import os
from typing import NamedTuple

from compositor.conform.verdict import Failed
from virtio.vhost_user.payloads import RegionDescription

PAGE = 4096
_LOW = 4 << 20
_HIGH = 28 << 20
_HIGH_GUEST = 1 << 32
_LOW_USER, _HIGH_USER = 0x7F10_0000_0000, 0x7E00_0000_0000


class Piece(NamedTuple):
    """Contiguous guest memory.

    Attributes:
        address: Guest physical.
        length: Bytes.
    """

    address: int
    length: int


class Memory:
    """Guest memory, zeroed.

    Attributes:
        fd: The file.
        low: The region in which rings lie.
        high: The region of everything else; it lies behind the other in the file.
    """

    def __init__(self) -> None:
        self.low = RegionDescription(0, _LOW, _LOW_USER, 0)
        self.high = RegionDescription(_HIGH_GUEST, _HIGH, _HIGH_USER, _LOW)
        self.fd = os.memfd_create("conform", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, _LOW + _HIGH)
        self._bytes = mmap.mmap(self.fd, _LOW + _HIGH)
        self._next = {self.low: PAGE, self.high: 0}  # guest address 0 stays free: it looks unset

    @property
    def regions(self) -> list[RegionDescription]:
        """Both regions, as SET_MEM_TABLE describes them."""
        return [self.low, self.high]

    def take(self, length: int, *, low: bool = False, align: int = 64) -> Piece:
        """Memory that nothing else uses.

        Args:
            length: Bytes.
            low: Of the lower region.
            align: To so many bytes.
        """
        region = self.low if low else self.high
        start = -(-self._next[region] // align) * align
        assert start + length <= region.size, "a check takes more memory than there is"
        self._next[region] = start + length
        return Piece(region.guest_address + start, length)

    def high_piece(self, length: int) -> Piece:
        """The first bytes of the upper region, in use or not."""
        return Piece(self.high.guest_address, length)

    def put(self, data: bytes, *, low: bool = False, align: int = 64) -> Piece:
        """Memory with `data` in it."""
        piece = self.take(len(data), low=low, align=align)
        self.write(piece.address, data)
        return piece

    def write(self, address: int, data: bytes) -> None:
        """Store bytes at a guest address."""
        start = self._place(address)
        self._bytes[start : start + len(data)] = data

    def read(self, address: int, length: int) -> bytes:
        """Bytes at a guest address."""
        start = self._place(address)
        return self._bytes[start : start + length]

    def _place(self, address: int) -> int:
        for region in self.regions:
            if region.guest_address <= address < region.guest_address + region.size:
                return address - region.guest_address + region.offset
        raise Failed(f"guest address {address:#x} lies outside of the memory")

    def user_address(self, address: int) -> int:
        """Where the front end claims to have a guest address."""
        for region in self.regions:
            if region.guest_address <= address < region.guest_address + region.size:
                return address - region.guest_address + region.user_address
        raise Failed(f"guest address {address:#x} lies outside of the memory")

    def close(self) -> None:
        """Give the memory back; the device may still have it mapped."""
        self._bytes.close()
        os.close(self.fd)
