"""Timings of display modes: VESA Coordinated Video Timings 1.2, reduced blanking version 2.

Version 2 rather than 1: its pixel clock comes in small steps, so that a 60 Hz mode is 60.00 Hz and not
59.87 Hz. Guests derive their vblank timer from this clock (Linux: `drm_calc_timestamping_constants`),
so an error here becomes a beat between the guest's frames and the host's.
"""

from __future__ import annotations

from typing import NamedTuple

from virtio.gpu.display import DisplayMode

# CVT 1.2, table 4-1 (reduced blanking version 2). Lines and pixels.
_H_FRONT_PORCH, _H_SYNC, _H_BLANK = 8, 32, 80
_V_SYNC, _V_BACK_PORCH, _MIN_V_FRONT_PORCH = 8, 6, 1
_MIN_V_BLANK_US = 460

_LARGEST = 0x10000
_SLOWEST_MHZ, _FASTEST_MHZ = 1_000, 1_000_000
_LARGEST_CLOCK = 1 << 24  # DisplayID's field
CLOCK_HZ = 10_000
"""Unit of the pixel clock in EDID and DisplayID."""


class Timing(NamedTuple):
    """A mode as a display receives it; horizontal sync is positive, vertical sync negative (CVT-RB).

    Attributes:
        clock: Pixel clock in units of 10 kHz.
        h_active: Pixels; then front porch, sync and all blanking of a line.
        v_active: Lines; then front porch, sync and all blanking of a frame.
    """

    clock: int
    h_active: int
    h_front_porch: int
    h_sync: int
    h_blank: int
    v_active: int
    v_front_porch: int
    v_sync: int
    v_blank: int

    @property
    def refresh_mhz(self) -> float:
        """Frames per second, in thousandths of a hertz, that the rounded clock really gives."""
        total = (self.h_active + self.h_blank) * (self.v_active + self.v_blank)
        return self.clock * CLOCK_HZ * 1000 / total

    @property
    def line_khz(self) -> float:
        """Lines per second, in kilohertz."""
        return self.clock * CLOCK_HZ / (self.h_active + self.h_blank) / 1000

    @property
    def fits_detailed(self) -> bool:
        """Whether EDID's 18-byte descriptor can hold it: 12-bit sizes, 6-bit porch, 16-bit clock."""
        return (
            self.clock <= 0xFFFF
            and max(self.h_active, self.v_active, self.v_blank) <= 0xFFF
            and self.v_front_porch <= 0x3F
        )


def reduced_blanking(width: int, height: int, refresh_mhz: int) -> Timing:
    """The timing of a mode by CVT 1.2, section 5.4, in whole numbers.

    Sizes and rates that no display has are brought to the nearest possible value: 1 to 65536 pixels,
    1 to 1000 Hz. The clock is rounded to the nearest 10 kHz, the unit of EDID (CVT rounds down to 1 kHz).
    """
    width = min(max(width, 1), _LARGEST)
    height = min(max(height, 1), _LARGEST)
    refresh_mhz = min(max(refresh_mhz, _SLOWEST_MHZ), _FASTEST_MHZ)
    # The period of a line is (frame - 460 us) / height; the blanking takes as many lines as fill 460 us.
    frame_us_scaled = 1_000_000_000 - _MIN_V_BLANK_US * refresh_mhz
    blank_lines = _MIN_V_BLANK_US * height * refresh_mhz // frame_us_scaled + 1
    v_blank = max(blank_lines, _MIN_V_FRONT_PORCH + _V_SYNC + _V_BACK_PORCH)
    total = (width + _H_BLANK) * (height + v_blank)
    clock = (refresh_mhz * total + 500 * CLOCK_HZ) // (1000 * CLOCK_HZ)
    return Timing(
        clock=min(max(clock, 1), _LARGEST_CLOCK),
        h_active=width,
        h_front_porch=_H_FRONT_PORCH,
        h_sync=_H_SYNC,
        h_blank=_H_BLANK,
        v_active=height,
        v_front_porch=v_blank - _V_SYNC - _V_BACK_PORCH,
        v_sync=_V_SYNC,
        v_blank=v_blank,
    )


def preferred(mode: DisplayMode) -> Timing:
    """The timing of a display's own mode."""
    return reduced_blanking(mode.width, mode.height, mode.refresh_mhz)


def fallback(native: Timing) -> Timing:
    """The largest timing, at 60 Hz or less, of a timing's shape that a detailed timing descriptor holds.

    What readers of plain EDID get from a display whose own mode needs DisplayID.
    """
    refresh_mhz = min(round(native.refresh_mhz), 60_000)
    divisor = 1
    while True:
        timing = reduced_blanking(native.h_active // divisor, native.v_active // divisor, refresh_mhz)
        if timing.fits_detailed:
            return timing
        divisor += 1
