from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.errors import ProtocolFault
from virtio.vhost_user.messages import Message, Request
from virtio.vhost_user.payloads import (
    ConfigAccess,
    RegionDescription,
    VringAddress,
    VringState,
    check_fds,
    pack_memory_table,
    pack_region,
    pack_u64,
    unpack_memory_table,
    unpack_region,
    unpack_u64,
    unpack_vring_fd,
)

u32 = st.integers(0, 2**32 - 1)
u64 = st.integers(0, 2**64 - 1)
regions = st.builds(RegionDescription, u64, u64, u64, u64)


@given(u64)
def test_integers_round_trip(value: int) -> None:
    assert unpack_u64(Message(2, pack_u64(value))) == value


@given(st.builds(VringState, u32, u32))
def test_vring_states_round_trip(state: VringState) -> None:
    assert VringState.unpack(Message(8, state.pack())) == state


@given(st.builds(VringAddress, u32, u32, u64, u64, u64, u64))
def test_vring_addresses_round_trip(address: VringAddress) -> None:
    assert VringAddress.unpack(Message(9, address.pack())) == address
    assert len(address.pack()) == 40


@given(st.lists(regions, min_size=1, max_size=8))
def test_memory_tables_round_trip(table: list[RegionDescription]) -> None:
    payload = pack_memory_table(table)
    assert len(payload) == 8 + 32 * len(table)
    assert unpack_memory_table(Message(5, payload)) == table
    assert unpack_memory_table(Message(5, payload + bytes(32))) == table, "older UML sends two slots for one"


@given(regions)
def test_single_regions_round_trip(region: RegionDescription) -> None:
    assert unpack_region(Message(37, pack_region(region))) == region


@given(st.integers(0, 100), st.binary(max_size=100))
def test_config_accesses_round_trip(offset: int, data: bytes) -> None:
    access = ConfigAccess(offset, len(data), 0, data)
    assert ConfigAccess.unpack(Message(24, access.pack())) == access
    assert len(access.pack()) == 12 + len(data)


def test_the_order_of_ring_addresses_is_descriptor_used_available() -> None:
    assert struct.unpack("=IIQQQQ", VringAddress(1, 0, 2, 3, 4, 5).pack()) == (1, 0, 2, 3, 4, 5)
    assert VringAddress(1, 0, 2, 3, 4, 5).used_ring == 3


def test_bit_8_says_that_no_descriptor_comes() -> None:
    assert unpack_vring_fd(Message(12, pack_u64(3))) == (3, True)
    assert unpack_vring_fd(Message(12, pack_u64(0x103))) == (3, False)


@pytest.mark.parametrize(
    ("request_", "payload", "line"),
    [
        (2, bytes(7), "SET_FEATURES: payload of 7 bytes, expected 8"),
        (8, bytes(9), "SET_VRING_NUM: payload of 9 bytes, expected 8"),
        (9, bytes(39), "SET_VRING_ADDR: payload of 39 bytes, expected 40"),
        (37, b"", "ADD_MEM_REG: payload of 0 bytes, expected 40"),
        (5, b"", "SET_MEM_TABLE: 0 regions, expected 1 to 8"),
        (5, struct.pack("=II", 9, 0) + bytes(9 * 32), "SET_MEM_TABLE: 9 regions, expected 1 to 8"),
        (5, struct.pack("=II", 2, 0) + bytes(32), "SET_MEM_TABLE: payload of 40 bytes, 2 regions need 72"),
        (24, bytes(11), "GET_CONFIG: payload of 11 bytes, expected at least 12"),
        (24, struct.pack("=III", 0, 8, 0), "GET_CONFIG: payload of 12 bytes, expected 12 \\+ 8"),
        (
            25,
            struct.pack("=III", 250, 8, 0) + bytes(8),
            "SET_CONFIG: bytes 250 to 258 of a config space of 256",
        ),
    ],
)
def test_payloads_of_a_wrong_size_are_refused(request_: int, payload: bytes, line: str) -> None:
    unpack = {
        2: unpack_u64,
        8: VringState.unpack,
        9: VringAddress.unpack,
        37: unpack_region,
        5: unpack_memory_table,
        24: ConfigAccess.unpack,
        25: ConfigAccess.unpack,
    }[request_]
    with pytest.raises(ProtocolFault, match=f"^{line}$"):
        unpack(Message(request_, payload))


TWO = pack_memory_table([RegionDescription(0, 1, 0, 0), RegionDescription(1, 1, 1, 0)])


@pytest.mark.parametrize(
    ("request_", "payload", "expected"),
    [
        (Request.GET_FEATURES, b"", {0}),
        (Request.SET_MEM_TABLE, TWO, {2}),
        (Request.SET_VRING_CALL, pack_u64(0), {1}),
        (Request.SET_VRING_KICK, pack_u64(0x100), {0}),
        (Request.SET_VRING_ERR, pack_u64(1), {1}),
        (Request.SET_BACKEND_REQ_FD, b"", {1}),
        (Request.GPU_SET_SOCKET, b"", {1}),
        (Request.ADD_MEM_REG, b"", {1}),
        (Request.REM_MEM_REG, b"", {0, 1}),
    ],
)
def test_a_wrong_number_of_descriptors_is_refused_by_name(
    request_: Request, payload: bytes, expected: set[int]
) -> None:
    for count in range(4):
        message = Message(request_, payload, fds=[os.eventfd(0) for _ in range(count)])
        if count in expected:
            check_fds(message)
        else:
            with pytest.raises(
                ProtocolFault, match=rf"^{request_.name}: came with {count} file descriptors, ex"
            ):
                check_fds(message)
        assert len(message.fds) == count, "they are still the message's"
        message.close()
