"""EDID's base block (VESA E-EDID release A2, EDID 1.4): what one monitor says about itself."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from virtio.gpu.edid.block import sealed
from virtio.gpu.edid.timing import CLOCK_HZ, Timing

_HEADER = bytes.fromhex("00ffffffffffff00")
MANUFACTURER = "SCU"  # three letters that the PNP registry has not given away
PRODUCT = 0x0010  # virtio's device id of a GPU
MODEL_YEAR = 2025
_VERSION, _REVISION = 1, 4
_DIGITAL_8_BIT_DISPLAYPORT = 0x80 | 0x20 | 0x05  # section 3.6.1
_GAMMA_2_2 = 120  # (gamma * 100) - 100
_SRGB_AND_NATIVE_PREFERRED = 0x04 | 0x02  # section 3.6.4; no continuous frequencies

# sRGB's primaries and white point, x and y (IEC 61966-2-1), in 1/1024: section 3.7.
_RED, _GREEN, _BLUE, _WHITE = (0.640, 0.330), (0.300, 0.600), (0.150, 0.060), (0.3127, 0.3290)

_MM_PER_INCH, _DOTS_PER_INCH = 25.4, 96
_LARGEST_MM = 2554  # 255 cm, in the byte that the base block has for it


class _Common(NamedTuple):
    """A mode that many displays offer, with the rates that the range limits must then cover."""

    width: int
    height: int
    line_khz: float
    clock_mhz: float


# Established timings I and II at 60 Hz (section 3.8) by (byte, bit), and standard timings (3.9) at 60 Hz.
# Rates are those of VESA's Display Monitor Timings; their frame rates lie within half a hertz of 60.
_COMMON_HZ = 60
_ESTABLISHED = {
    (0, 0x20): _Common(640, 480, 31.469, 25.175),
    (0, 0x01): _Common(800, 600, 37.879, 40.0),
    (1, 0x08): _Common(1024, 768, 48.363, 65.0),
}
_STANDARD = (
    _Common(1280, 720, 45.0, 74.25),
    _Common(1280, 800, 49.702, 83.5),
    _Common(1280, 1024, 63.981, 108.0),
    _Common(1440, 900, 55.935, 106.5),
    _Common(1680, 1050, 65.29, 146.25),
    _Common(1600, 1200, 75.0, 162.0),
    _Common(1920, 1080, 67.5, 148.5),
)
_ASPECTS = {(16, 10): 0, (4, 3): 1, (5, 4): 2, (16, 9): 3}


def base_block(native: Timing, detailed: Timing, *, name: str, serial: int, extensions: int) -> bytes:
    """The first 128 bytes of an EDID.

    Args:
        native: The display's own timing. No common mode beyond it is offered, and the picture is as large
            as it at 96 dots per inch.
        detailed: The preferred timing as far as this block goes: `native`, or one that fits a detailed
            timing descriptor where that does not.
        name: Monitor name; the first 13 printable ASCII characters count.
        serial: Tells the monitors of one device apart.
        extensions: Number of blocks that follow.
    """
    established = {place: mode for place, mode in _ESTABLISHED.items() if _within(mode, native)}
    standard = [mode for mode in _STANDARD if _within(mode, native)]
    picture_mm = _picture_mm(native)
    return sealed(
        _HEADER
        + struct.pack(">H", _letters(MANUFACTURER))
        + struct.pack("<HIBB", PRODUCT, serial, 0, MODEL_YEAR - 1990)
        + bytes(
            [
                _VERSION,
                _REVISION,
                _DIGITAL_8_BIT_DISPLAYPORT,
                *(round(mm / 10) for mm in picture_mm),
                _GAMMA_2_2,
            ]
        )
        + bytes([_SRGB_AND_NATIVE_PREFERRED])
        + _chromaticity()
        + bytes(sum(bit for byte, bit in established if byte == index) for index in range(3))
        + b"".join(_standard_timing(mode) for mode in standard).ljust(16, b"\x01")
        + _detailed_timing(detailed, picture_mm)
        + _range_limits([native, detailed], [*established.values(), *standard])
        + _text(0xFC, name)
        + _text(0xFF, f"{serial:08d}")
        + bytes([extensions])
    )


def _within(mode: _Common, native: Timing) -> bool:
    return mode.width <= native.h_active and mode.height <= native.v_active


def _picture_mm(native: Timing) -> tuple[int, int]:
    """The picture's size in millimetres; 0, 0 (unknown) when it is beyond what the block can say."""
    width, height = (round(p * _MM_PER_INCH / _DOTS_PER_INCH) for p in (native.h_active, native.v_active))
    return (width, height) if max(width, height) <= _LARGEST_MM else (0, 0)


def _letters(code: str) -> int:
    """Three letters in five bits each, A being 1 (section 3.4.1)."""
    first, second, third = (ord(letter) - ord("A") + 1 for letter in code)
    return first << 10 | second << 5 | third


def _chromaticity() -> bytes:
    """Ten bytes: the low two bits of the eight coordinates, then their high eight bits (section 3.7)."""
    coordinates = [round(value * 1024) for point in (_RED, _GREEN, _BLUE, _WHITE) for value in point]
    low = [value & 3 for value in coordinates]
    packed = [a << 6 | b << 4 | c << 2 | d for a, b, c, d in (low[:4], low[4:])]
    return bytes(packed + [value >> 2 for value in coordinates])


def _standard_timing(mode: _Common) -> bytes:
    """Two bytes: (width / 8) - 31, aspect ratio, and rate - 60 (section 3.9)."""
    aspect = next(code for (x, y), code in _ASPECTS.items() if mode.width * y == mode.height * x)
    return bytes([mode.width // 8 - 31, aspect << 6])


def _detailed_timing(timing: Timing, picture_mm: Sequence[int]) -> bytes:
    """The 18-byte descriptor of a timing (section 3.10.2)."""
    width_mm, height_mm = picture_mm
    return struct.pack(
        "<H16B",
        timing.clock,
        timing.h_active & 0xFF,
        timing.h_blank & 0xFF,
        timing.h_active >> 8 << 4 | timing.h_blank >> 8,
        timing.v_active & 0xFF,
        timing.v_blank & 0xFF,
        timing.v_active >> 8 << 4 | timing.v_blank >> 8,
        timing.h_front_porch & 0xFF,
        timing.h_sync & 0xFF,
        (timing.v_front_porch & 0xF) << 4 | timing.v_sync & 0xF,
        timing.v_front_porch >> 4 << 2,
        width_mm & 0xFF,
        height_mm & 0xFF,
        width_mm >> 8 << 4 | height_mm >> 8,
        0,
        0,
        0x18 | 0x02,  # digital separate sync, vertical negative, horizontal positive
    )


def _range_limits(timings: Sequence[Timing], common: Sequence[_Common]) -> bytes:
    """Which rates the display takes (section 3.10.3.3), so that each offered mode lies inside.

    Byte 10 is 1, range limits only: 0 would claim the GTF formula, which EDID 1.4 allows to displays with
    continuous frequencies alone (libdisplay-info says so to every guest's log).
    """
    frames = [timing.refresh_mhz / 1000 for timing in timings] + [_COMMON_HZ] * bool(common)
    lines = [timing.line_khz for timing in timings] + [mode.line_khz for mode in common]
    clocks = [timing.clock * CLOCK_HZ / 1e6 for timing in timings] + [mode.clock_mhz for mode in common]
    vertical, vertical_offset = _limits(min(frames), max(frames))
    horizontal, horizontal_offset = _limits(min(lines), max(lines))
    offsets = horizontal_offset << 2 | vertical_offset
    clock = min(int(max(clocks)) // 10 + 1, 0xFF)
    return bytes([0, 0, 0, 0xFD, offsets, *vertical, *horizontal, clock, 0x01, 0x0A]) + b" " * 6


def _limits(lowest: float, highest: float) -> tuple[tuple[int, int], int]:
    """Two bytes that enclose a range, and the offset code by which 255 is added to one or both."""
    low, high = max(int(lowest - 0.5), 1), int(highest + 0.5) + 1
    code = 0b11 if low > 0xFF else 0b10 if high > 0xFF else 0b00
    low, high = low - (0xFF if code == 0b11 else 0), high - (0xFF if code else 0)
    return (min(low, 0xFF), min(high, 0xFF)), code


def _text(tag: int, text: str) -> bytes:
    """A display descriptor of up to 13 characters, ended by a line feed when shorter (section 3.10.3)."""
    printable = "".join(letter for letter in text if " " <= letter <= "~").encode("ascii")[:13]
    ended = printable if len(printable) == 13 else (printable + b"\n").ljust(13)
    return bytes([0, 0, 0, tag, 0]) + ended
