"""What the driver needs of an EDID: the preferred timing.

From a DisplayID extension if there is one, which holds what the base block is too narrow for (more than
4095 pixels, fast pixel clocks), else from the base block's first descriptor, as Linux does it.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

_BLOCK = 128
_MAGIC = bytes.fromhex("00ffffffffffff00")
_DETAILED = 54  # byte of the base block where its first detailed timing descriptor is
_DISPLAYID, _TYPE_I_TIMING = 0x70, 0x03  # extension tag, data block tag
_SECTION_DATA = 5  # byte of the extension block where DisplayID's data blocks begin
_KILOHERTZ = 10  # both count the pixel clock in units of 10 kHz


class Timing(NamedTuple):
    """A display mode.

    Attributes:
        width: Visible pixels.
        height: Visible lines.
        refresh_mhz: Refresh rate in thousandths of a hertz.
    """

    width: int
    height: int
    refresh_mhz: int


def preferred_timing(edid: bytes) -> Timing | None:
    """The preferred timing; None when `edid` is not an EDID, is damaged, or names no timing."""
    if len(edid) < _BLOCK or edid[:8] != _MAGIC or sum(edid[:_BLOCK]) % 256:
        return None
    for start in range(_BLOCK, len(edid) - _BLOCK + 1, _BLOCK):
        block = edid[start : start + _BLOCK]
        if block[0] == _DISPLAYID and sum(block) % 256 == 0 and (timing := _displayid(block)):
            return timing
    return _detailed(edid[_DETAILED : _DETAILED + 18])


def _detailed(d: bytes) -> Timing | None:
    """A detailed timing descriptor (VESA E-EDID 1.4, 3.10.2): 12-bit numbers with shared high bits."""
    width, h_blank = d[2] | (d[4] & 0xF0) << 4, d[3] | (d[4] & 0x0F) << 8
    height, v_blank = d[5] | (d[7] & 0xF0) << 4, d[6] | (d[7] & 0x0F) << 8
    return _timing(d[0] | d[1] << 8, width, h_blank, height, v_blank)


def _displayid(block: bytes) -> Timing | None:
    """The first type I detailed timing (VESA DisplayID 1.3, 4.4.1): every number is stored minus one."""
    at, end = _SECTION_DATA, min(_SECTION_DATA + block[2], _BLOCK - 2)
    while at + 3 <= end:
        tag, length = block[at], block[at + 2]
        payload = block[at + 3 : min(at + 3 + length, end)]
        if tag == _TYPE_I_TIMING and len(payload) >= 20:
            clock, width, h_blank, _, _, height, v_blank = struct.unpack_from("<I6H", payload)
            return _timing((clock & 0xFFFFFF) + 1, width + 1, h_blank + 1, height + 1, v_blank + 1)
        at += 3 + length
    return None


def _timing(clock: int, width: int, h_blank: int, height: int, v_blank: int) -> Timing | None:
    total = (width + h_blank) * (height + v_blank)
    if not clock or not total:
        return None
    return Timing(width, height, round(clock * _KILOHERTZ * 1_000_000 / total))
