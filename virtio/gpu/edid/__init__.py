"""EDIDs for the monitors that a host's display shows to its guest."""

from __future__ import annotations

from functools import lru_cache

from virtio.gpu.display import DisplayMode
from virtio.gpu.edid.base import base_block
from virtio.gpu.edid.displayid import displayid_block
from virtio.gpu.edid.timing import fallback, preferred

__all__ = ["make_edid"]


@lru_cache(maxsize=64)
def make_edid(mode: DisplayMode, scanout_id: int = 0) -> bytes:
    """The EDID of a monitor whose preferred mode is `mode`: 128 or 256 bytes.

    A mode beyond EDID's detailed timing descriptor (more than 4095 pixels or lines, a pixel clock above
    655.35 MHz, a front porch above 63 lines) comes in a DisplayID extension, and the base block then
    prefers the nearest smaller mode. Every mode gives an EDID: see `timing.reduced_blanking` for sizes
    that no display has.

    Args:
        mode: What the scanout is connected to.
        scanout_id: Makes the serial number.
    """
    native = preferred(mode)
    serial = scanout_id + 1
    if native.fits_detailed:
        return base_block(native, native, name=mode.name, serial=serial, extensions=0)
    base = base_block(native, fallback(native), name=mode.name, serial=serial, extensions=1)
    return base + displayid_block(native, serial=serial)
