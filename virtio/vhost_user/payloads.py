"""What is inside the messages: the payloads as types, and how many descriptors belong to which.

Names and layouts are those of "Message Specification", in the machine's byte order. Each `unpack` takes the
whole message and raises a `ProtocolFault` when its payload has the wrong size.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, Self

from virtio.errors import ProtocolFault
from virtio.vhost_user.messages import Message, Request, request_name

CONFIG_LIMIT = 256
# SET_MEM_TABLE carries at most 8 regions; more need ADD_MEM_REG.
TABLE_LIMIT = 8

VRING_INDEX_MASK = 0xFF
VRING_NO_FD = 0x100


def _unpack(layout: struct.Struct, message: Message) -> tuple[int, ...]:
    if len(message.payload) != layout.size:
        name = request_name(message.request)
        raise ProtocolFault(f"{name}: payload of {len(message.payload)} bytes, expected {layout.size}")
    return layout.unpack(message.payload)


_U64 = struct.Struct("=Q")


def pack_u64(value: int) -> bytes:
    """A single 64-bit integer."""
    return _U64.pack(value)


def unpack_u64(message: Message) -> int:
    """A single 64-bit integer."""
    return _unpack(_U64, message)[0]


def unpack_vring_fd(message: Message) -> tuple[int, bool]:
    """SET_VRING_KICK, CALL and ERR: the vring's index, and whether a descriptor comes along."""
    value = unpack_u64(message)
    return value & VRING_INDEX_MASK, not value & VRING_NO_FD


class VringState(NamedTuple):
    """A "vring state description": a queue and a number (a size, a base, an enable)."""

    queue: int
    number: int = 0

    def pack(self) -> bytes:
        """The payload."""
        return _VRING_STATE.pack(*self)

    @classmethod
    def unpack(cls, message: Message) -> Self:
        """From the payload."""
        return cls(*_unpack(_VRING_STATE, message))


class VringAddress(NamedTuple):
    """A "vring address description". The three addresses are the VMM's own, not the guest's."""

    queue: int
    flags: int
    descriptor_table: int
    used_ring: int
    available_ring: int
    log: int

    def pack(self) -> bytes:
        """The payload."""
        return _VRING_ADDRESS.pack(*self)

    @classmethod
    def unpack(cls, message: Message) -> Self:
        """From the payload."""
        return cls(*_unpack(_VRING_ADDRESS, message))


class RegionDescription(NamedTuple):
    """One region of a "Memory regions description".

    Attributes:
        guest_address: Guest physical address.
        size: Bytes.
        user_address: Where the VMM has it mapped; ring addresses are given in these.
        offset: Where it begins in its file.
    """

    guest_address: int
    size: int
    user_address: int
    offset: int


_VRING_STATE = struct.Struct("=II")
_VRING_ADDRESS = struct.Struct("=IIQQQQ")
_TABLE_HEAD = struct.Struct("=I4x")
_REGION = struct.Struct("=QQQQ")
_SINGLE_REGION = struct.Struct("=8xQQQQ")
_CONFIG_HEAD = struct.Struct("=III")


def pack_memory_table(regions: Sequence[RegionDescription]) -> bytes:
    """The payload of SET_MEM_TABLE."""
    return _TABLE_HEAD.pack(len(regions)) + b"".join(_REGION.pack(*region) for region in regions)


def unpack_memory_table(message: Message) -> list[RegionDescription]:
    """The regions of SET_MEM_TABLE; bytes after the last are legal (older UML kernels send two slots)."""
    payload = message.payload
    count = _TABLE_HEAD.unpack_from(payload)[0] if len(payload) >= _TABLE_HEAD.size else 0
    needed = _TABLE_HEAD.size + count * _REGION.size
    if not 0 < count <= TABLE_LIMIT:
        raise ProtocolFault(f"SET_MEM_TABLE: {count} regions, expected 1 to {TABLE_LIMIT}")
    if len(payload) < needed:
        raise ProtocolFault(f"SET_MEM_TABLE: payload of {len(payload)} bytes, {count} regions need {needed}")
    return [RegionDescription(*fields) for fields in _REGION.iter_unpack(payload[_TABLE_HEAD.size : needed])]


def pack_region(region: RegionDescription) -> bytes:
    """The payload of ADD_MEM_REG and REM_MEM_REG."""
    return _SINGLE_REGION.pack(*region)


def unpack_region(message: Message) -> RegionDescription:
    """The region of ADD_MEM_REG or REM_MEM_REG."""
    return RegionDescription(*_unpack(_SINGLE_REGION, message))


class ConfigAccess(NamedTuple):
    """A "virtio device config space" access: GET_CONFIG and SET_CONFIG, and the former's reply.

    Attributes:
        offset: Into the config space.
        size: Bytes to read or to write.
        flags: 0 for a driver's write, 1 for a migration's.
        data: `size` bytes; in a GET_CONFIG request their content means nothing.
    """

    offset: int
    size: int
    flags: int
    data: bytes

    def pack(self) -> bytes:
        """The payload."""
        return _CONFIG_HEAD.pack(self.offset, self.size, self.flags) + self.data

    @classmethod
    def unpack(cls, message: Message) -> Self:
        """From the payload."""
        payload = message.payload
        name = request_name(message.request)
        if len(payload) < _CONFIG_HEAD.size:
            raise ProtocolFault(
                f"{name}: payload of {len(payload)} bytes, expected at least {_CONFIG_HEAD.size}"
            )
        offset, size, flags = _CONFIG_HEAD.unpack_from(payload)
        if len(payload) != _CONFIG_HEAD.size + size:
            raise ProtocolFault(
                f"{name}: payload of {len(payload)} bytes, expected {_CONFIG_HEAD.size} + {size}"
            )
        if offset + size > CONFIG_LIMIT:
            raise ProtocolFault(
                f"{name}: bytes {offset} to {offset + size} of a config space of {CONFIG_LIMIT}"
            )
        return cls(offset, size, flags, payload[_CONFIG_HEAD.size :])


_ONE_FD = frozenset({Request.ADD_MEM_REG, Request.SET_BACKEND_REQ_FD, Request.GPU_SET_SOCKET})
_VRING_FD = frozenset({Request.SET_VRING_KICK, Request.SET_VRING_CALL, Request.SET_VRING_ERR})


def check_fds(message: Message) -> None:
    """Compare the number of descriptors with what the message is meant to carry.

    Raises:
        ProtocolFault: They differ. The message still owns its descriptors.
    """
    expected = 0
    if message.request in _ONE_FD:
        expected = 1
    elif message.request in _VRING_FD:
        expected = int(unpack_vring_fd(message)[1])
    elif message.request == Request.SET_MEM_TABLE:
        expected = len(unpack_memory_table(message))
    elif message.request == Request.REM_MEM_REG:
        expected = min(len(message.fds), 1)  # "the back-end MAY accept messages with one file descriptor"
    if len(message.fds) != expected:
        name = request_name(message.request)
        raise ProtocolFault(f"{name}: came with {len(message.fds)} file descriptors, expected {expected}")
