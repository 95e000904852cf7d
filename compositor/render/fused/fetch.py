"""Copying an image and converting it for the target in the same pass."""

from __future__ import annotations

from compositor.render.compiled import late_kernel
from compositor.render.fused.arithmetic import opaque, reorder
from compositor.render.fused.vectors import BLOCK, load, load_some, store, store_some


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
    whole = width * 4 // BLOCK * BLOCK
    rest = width - whole // 4
    for _row in range(height):
        for at in range(0, whole, BLOCK):
            pixels = load(source + at)
            store(copy + at, pixels)
            store(target + at, opaque(reorder(pixels, blue, green, red, alpha)))
        if rest:
            pixels = load_some(source + whole, rest)
            store_some(copy + whole, pixels, rest)
            store_some(target + whole, opaque(reorder(pixels, blue, green, red, alpha)), rest)
        target += target_pitch
        copy += copy_pitch
        source += source_pitch
