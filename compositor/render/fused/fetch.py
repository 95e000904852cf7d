"""Copying an image and converting it for the target in the same pass."""

from __future__ import annotations

from compositor.render.compiled import late_kernel
from compositor.render.fused.arithmetic import opaque, reorder
from compositor.render.fused.vectors import BLOCK, WIDE_BLOCK, load_some, load_wide, store, store_some


@late_kernel(12)
def fetch(
    target: int,
    target_pitch: int,
    copy: int,
    copy_pitch: int,
    source: int,
    source_pitch: int,
    width: int,
    height: int,
    blue: int,
    green: int,
    red: int,
    alpha: int,
) -> None:
    """Copy `source` to `copy` as it is, and to `target` as opaque XRGB8888.

    Args:
        target: Address of the first pixel.
        target_pitch: Bytes from row to row.
        copy: As `target`.
        copy_pitch: As `target_pitch`.
        source: As `target`.
        source_pitch: As `target_pitch`.
        width: Pixels.
        height: Rows.
        blue: Right shift that brings the channel to the lowest byte of a source's word.
        green: As `blue`.
        red: As `blue`.
        alpha: As `blue`; what is there does not matter.
    """
    end = 4 * width
    whole = end // WIDE_BLOCK * WIDE_BLOCK
    for _row in range(height):
        for at in range(0, whole, WIDE_BLOCK):
            pixels = load_wide(source + at)
            store(copy + at, pixels)
            store(target + at, opaque(reorder(pixels, blue, green, red, alpha)))
        for at in range(whole, end, BLOCK):
            count = min(end - at, BLOCK) // 4
            some = load_some(source + at, count)
            store_some(copy + at, some, count)
            store_some(target + at, opaque(reorder(some, blue, green, red, alpha)), count)
        target += target_pitch
        copy += copy_pitch
        source += source_pitch
