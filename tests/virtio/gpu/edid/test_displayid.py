"""The DisplayID extension, read back by hand."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.edid.displayid import displayid_block
from virtio.gpu.edid.timing import Timing, reduced_blanking


def data_blocks(block: bytes) -> dict[int, bytes]:
    """Payloads of a section's data blocks by tag."""
    found, position = {}, 5
    while position < 126 and block[position : position + 3] != b"\0\0\0":
        tag, _, length = block[position : position + 3]
        found[tag] = block[position + 3 : position + 3 + length]
        position += 3 + length
    return found


@given(width=st.integers(1, 65_536), height=st.integers(1, 65_536), refresh_mhz=st.integers(1_000, 1_000_000))
def test_it_holds_any_timing_and_prefers_it(width: int, height: int, refresh_mhz: int) -> None:
    timing = reduced_blanking(width, height, refresh_mhz)
    payload = data_blocks(displayid_block(timing, serial=1))[0x03]
    clock, h_active, h_blank, h_front, h_sync, v_active, v_blank, v_front, v_sync = struct.unpack(
        "<I8H", payload
    )
    assert clock >> 24 & 0x80
    assert h_front & 0x8000
    assert not v_front & 0x8000
    assert timing == Timing(
        clock=(clock & 0xFF_FFFF) + 1,
        h_active=h_active + 1,
        h_front_porch=(h_front & 0x7FFF) + 1,
        h_sync=h_sync + 1,
        h_blank=h_blank + 1,
        v_active=v_active + 1,
        v_front_porch=v_front + 1,
        v_sync=v_sync + 1,
        v_blank=v_blank + 1,
    )


def test_both_checksums_hold() -> None:
    block = displayid_block(reduced_blanking(7680, 4320, 60_000), serial=3)
    assert (len(block), block[0], block[2]) == (128, 0x70, 121)
    assert sum(block) % 256 == 0
    assert sum(block[1:127]) % 256 == 0


def test_it_names_the_product_as_the_base_block_does() -> None:
    product = data_blocks(displayid_block(reduced_blanking(7680, 4320, 60_000), serial=3))[0x00]
    assert product[:3] == b"SCU"
    assert struct.unpack("<HI", product[3:9]) == (0x10, 3)


def test_it_states_the_native_size() -> None:
    parameters = data_blocks(displayid_block(reduced_blanking(7680, 4320, 60_000), serial=3))[0x01]
    assert struct.unpack("<4H", parameters[:8]) == (0, 0, 7680, 4320)
    assert parameters[10] == 78
