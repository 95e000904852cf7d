"""Turned pictures: where a part of one lies on the screen, and which part of it a crop of the screen shows.

`compositor.pixels.plane_state` says how a surface is turned; here are both directions of that for whole
pixels, in which nothing is rounded.
"""

from __future__ import annotations

from dataclasses import replace

from compositor.errors import BadInput
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import ONE, PlaneState, Rotation, SourceRect

TRANSFORMS = {
    "normal": Rotation.ROTATE_0,
    "90": Rotation.ROTATE_90,
    "180": Rotation.ROTATE_180,
    "270": Rotation.ROTATE_270,
    "flipped": Rotation.ROTATE_0 | Rotation.REFLECT_X,
    "flipped-90": Rotation.ROTATE_90 | Rotation.REFLECT_X,
    "flipped-180": Rotation.ROTATE_180 | Rotation.REFLECT_X,
    "flipped-270": Rotation.ROTATE_270 | Rotation.REFLECT_X,
}
"""wl_output's names (wayland.xml, wl_output.transform): counter-clockwise, after the flip."""


def parse_transform(name: str) -> Rotation:
    """The rotation of that name.

    Raises:
        BadInput: There is none.
    """
    if name not in TRANSFORMS:
        raise BadInput(f'there is no transform "{name}"; there are {", ".join(TRANSFORMS)}')
    return TRANSFORMS[name]


def turned(part: Rect, plane: PlaneState, size: tuple[int, int]) -> Rect:
    """Where a part of a picture of `size` (width, height) lies when all of it is turned; maybe outside."""
    back_x, back_y = plane.reverses
    x = size[0] - part.right if back_x else part.x
    y = size[1] - part.bottom if back_y else part.y
    if plane.rotation.swaps_axes:
        return Rect(y, x, part.height, part.width)
    return Rect(x, y, part.width, part.height)


def cropped(plane: PlaneState, crop: Rect, size: tuple[int, int]) -> PlaneState:
    """The state that shows `crop`, of the turned picture, of a buffer of `size` (width, height)."""
    back_x, back_y = plane.reverses
    across, down = (crop.y, crop.x) if plane.rotation.swaps_axes else (crop.x, crop.y)
    width, height = (crop.height, crop.width) if plane.rotation.swaps_axes else (crop.width, crop.height)
    x = size[0] - across - width if back_x else across
    y = size[1] - down - height if back_y else down
    return replace(plane, source=SourceRect(x * ONE, y * ONE, width * ONE, height * ONE))
