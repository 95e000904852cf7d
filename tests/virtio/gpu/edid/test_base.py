"""EDID's base block, read back by hand."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virtio.gpu.edid.base import base_block
from virtio.gpu.edid.timing import Timing, reduced_blanking


def block(width: int = 1024, height: int = 768, refresh_mhz: int = 60_000, **changed: object) -> bytes:
    timing = reduced_blanking(width, height, refresh_mhz)
    arguments = {"name": "scanout", "serial": 1, "extensions": 0} | changed
    return base_block(timing, timing, **arguments)  # type: ignore[arg-type]


def descriptors(edid: bytes) -> list[bytes]:
    return [edid[start : start + 18] for start in range(54, 126, 18)]


def read_detailed(data: bytes) -> Timing:
    """A detailed timing descriptor's numbers (E-EDID A2, 3.10.2)."""
    clock, ha, hb, h, va, vb, v, hf, hs, vfs, high = struct.unpack_from("<H10B", data)
    return Timing(
        clock=clock,
        h_active=ha | h >> 4 << 8,
        h_front_porch=hf | high >> 6 << 8,
        h_sync=hs | (high >> 4 & 3) << 8,
        h_blank=hb | (h & 15) << 8,
        v_active=va | v >> 4 << 8,
        v_front_porch=vfs >> 4 | (high >> 2 & 3) << 4,
        v_sync=vfs & 15 | (high & 3) << 4,
        v_blank=vb | (v & 15) << 8,
    )


@given(width=st.integers(1, 4095), height=st.integers(1, 2600), refresh_mhz=st.integers(1_000, 60_000))
def test_the_first_descriptor_is_the_timing(width: int, height: int, refresh_mhz: int) -> None:
    timing = reduced_blanking(width, height, refresh_mhz)
    edid = base_block(timing, timing, name="", serial=1, extensions=0)
    assert read_detailed(descriptors(edid)[0]) == timing
    assert (len(edid), sum(edid) % 256) == (128, 0)


def test_identity() -> None:
    edid = block(serial=7, extensions=1)
    assert edid[:8] == b"\x00\xff\xff\xff\xff\xff\xff\x00"
    assert struct.unpack(">H", edid[8:10])[0] == (19 << 10 | 3 << 5 | 21)  # S, C, U
    assert struct.unpack("<I", edid[12:16])[0] == 7
    assert (edid[18], edid[19], edid[126]) == (1, 4, 1)


def test_range_limits_claim_no_formula_and_enclose_the_preferred_mode() -> None:
    limits = descriptors(block(1920, 1080))[1]
    assert limits[3] == 0xFD
    assert limits[10] == 1
    lowest_hz, highest_hz, lowest_khz, highest_khz, clock = limits[5:10]
    assert lowest_hz <= 59
    assert highest_hz >= 61
    assert lowest_khz <= 31
    assert highest_khz >= 75 or highest_khz >= 68
    assert clock * 10 >= 148.5


@pytest.mark.parametrize(
    ("mode", "offsets"),
    [
        ((1920, 1080, 60_000), 0b0000),
        ((640, 480, 360_000), 0b0010),
        ((300, 300, 300_000), 0b0011),
        ((1920, 1080, 240_000), 0b1000),
        ((400, 900, 300_000), 0b1111),
    ],
)
def test_range_limits_reach_beyond_255_by_offsets(mode: tuple[int, int, int], offsets: int) -> None:
    """E-EDID A2, table 3.26: bits for vertical minimum and maximum, horizontal minimum and maximum."""
    limits = descriptors(block(*mode))[1]
    assert limits[4] == offsets
    lowest_hz, highest_hz, lowest_khz, highest_khz = (
        limit + 255 * (offsets >> bit & 1) for bit, limit in enumerate(limits[5:9])
    )
    timing = reduced_blanking(*mode)
    assert lowest_hz <= timing.refresh_mhz / 1000 <= highest_hz
    assert lowest_khz <= timing.line_khz <= highest_khz


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("scanout", b"scanout\n     "),
        ("thirteen long", b"thirteen long"),
        ("longer than thirteen", b"longer than t"),
        ("Ünï\n\0", b"n\n           "),
        ("", b"\n            "),
    ],
)
def test_the_name_is_thirteen_printable_characters(name: str, stored: bytes) -> None:
    assert descriptors(block(name=name))[2] == b"\0\0\0\xfc\0" + stored


def test_the_serial_number_is_text_too() -> None:
    assert descriptors(block(serial=42))[3] == b"\0\0\0\xff\0" + b"00000042\n    "


@pytest.mark.parametrize(
    ("size", "established", "standard"),
    [
        ((320, 200), b"\x00\x00\x00", 0),
        ((640, 480), b"\x20\x00\x00", 0),
        ((800, 600), b"\x21\x00\x00", 0),
        ((1280, 800), b"\x21\x08\x00", 2),
        ((1920, 1080), b"\x21\x08\x00", 6),
        ((1920, 1200), b"\x21\x08\x00", 7),
    ],
)
def test_common_modes_are_offered_up_to_the_display_s_own(
    size: tuple[int, int], established: bytes, standard: int
) -> None:
    edid = block(*size)
    assert edid[35:38] == established
    places = [edid[start : start + 2] for start in range(38, 54, 2)]
    assert [place != b"\1\1" for place in places] == [True] * standard + [False] * (8 - standard)


@pytest.mark.parametrize(
    ("size", "centimetres", "millimetres"),
    [((1920, 1080), (51, 29), (508, 286)), ((4000, 300), (106, 8), (1058, 79))],
)
def test_the_picture_is_96_dots_per_inch(
    size: tuple[int, int], centimetres: tuple[int, int], millimetres: tuple[int, int]
) -> None:
    edid = block(*size)
    width, height, high = descriptors(edid)[0][12:15]
    assert tuple(edid[21:23]) == centimetres
    assert (width | high >> 4 << 8, height | (high & 15) << 8) == millimetres


def test_a_picture_too_large_for_its_bytes_has_no_size() -> None:
    huge, detailed = reduced_blanking(20_000, 300, 60_000), reduced_blanking(2000, 30, 60_000)
    edid = base_block(huge, detailed, name="", serial=1, extensions=1)
    assert tuple(edid[21:23]) == (0, 0)
    assert tuple(descriptors(edid)[0][12:15]) == (0, 0, 0)


def test_the_colours_are_srgb() -> None:
    """Against the ten bytes that sRGB monitors have."""
    assert block()[25:35].hex() == "ee91a3544c99260f5054"
