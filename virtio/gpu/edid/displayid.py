"""DisplayID inside an EDID: a timing whose numbers the base block is too narrow for.

VESA DisplayID 1.3, carried as an EDID extension block. Linux reads it (drm_edid.c,
`add_displayid_detailed_modes`), other readers see the base block's fallback timing.
"""

from __future__ import annotations

import struct

from virtio.gpu.edid.base import MANUFACTURER, MODEL_YEAR, PRODUCT
from virtio.gpu.edid.block import BLOCK_BYTES, checksum, sealed
from virtio.gpu.edid.timing import Timing

_EXTENSION_TAG = 0x70
_VERSION_1_3 = 0x13
_STANDALONE_MONITOR = 0x03
_PRODUCT_IDENTIFICATION, _DISPLAY_PARAMETERS, _TYPE_I_TIMING, _INTERFACE_FEATURES = 0x00, 0x01, 0x03, 0x0F
_GAMMA_2_2 = 120  # (gamma * 100) - 100
_8_BIT = 0x77  # bits per component minus one, of the display and of its native mode
_DISPLAYPORT_4_LANES, _DISPLAYPORT_1_2, _RGB_8_BIT = 0xA4, 0x12, 0x02
_PREFERRED, _ASPECT_UNDEFINED = 0x80, 0x08
_POSITIVE = 0x8000

_SECTION_HEADER_BYTES = 4
# Extension tag, section header, data, the section's checksum and the block's fill the block.
_DATA_BYTES = BLOCK_BYTES - 1 - _SECTION_HEADER_BYTES - 1 - 1


def displayid_block(timing: Timing, *, serial: int) -> bytes:
    """A 128-byte extension block with one preferred timing; `serial` as in the base block."""
    section = bytes([_VERSION_1_3, _DATA_BYTES, _STANDALONE_MONITOR, 0])
    blocks = _product(serial) + _parameters(timing) + _interface() + _type_1_timing(timing)
    section += blocks.ljust(_DATA_BYTES, b"\0")
    return sealed(bytes([_EXTENSION_TAG]) + section + bytes([checksum(section)]))


def _product(serial: int) -> bytes:
    """A product identification data block (DisplayID 1.3, 4.1), which a base section must have."""
    date = (0, MODEL_YEAR - 2000)  # no week; DisplayID counts from 2000
    payload = MANUFACTURER.encode("ascii") + struct.pack("<HI3B", PRODUCT, serial, *date, 0)
    return _data_block(_PRODUCT_IDENTIFICATION, payload)


def _parameters(timing: Timing) -> bytes:
    """A display parameters data block (4.2): no size in millimetres, the native format, and its depth."""
    aspect = max(timing.h_active, timing.v_active) / min(timing.h_active, timing.v_active)
    size = (min(timing.h_active, 0xFFFF), min(timing.v_active, 0xFFFF))
    aspect_code = min(round(aspect * 100) - 100, 0xFF)
    return _data_block(
        _DISPLAY_PARAMETERS, struct.pack("<4H4B", 0, 0, *size, 0, _GAMMA_2_2, aspect_code, _8_BIT)
    )


def _interface() -> bytes:
    """A display interface features data block (4.11): the same connector as in the base block."""
    payload = bytes([_DISPLAYPORT_4_LANES, _DISPLAYPORT_1_2, _RGB_8_BIT]).ljust(10, b"\0")
    return _data_block(_INTERFACE_FEATURES, payload)


def _type_1_timing(timing: Timing) -> bytes:
    """A Type I detailed timing data block (DisplayID 1.3, 4.4.1): every number is stored minus one."""
    payload = struct.pack(
        "<I8H",
        (timing.clock - 1) | (_PREFERRED | _ASPECT_UNDEFINED) << 24,
        timing.h_active - 1,
        timing.h_blank - 1,
        (timing.h_front_porch - 1) | _POSITIVE,
        timing.h_sync - 1,
        timing.v_active - 1,
        timing.v_blank - 1,
        timing.v_front_porch - 1,
        timing.v_sync - 1,
    )
    return _data_block(_TYPE_I_TIMING, payload)


def _data_block(tag: int, payload: bytes) -> bytes:
    """A data block, revision 0."""
    return bytes([tag, 0, len(payload)]) + payload
