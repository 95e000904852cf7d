"""The state of a plane: what KMS lets a driver do with a buffer on its way to the screen.

The properties, their names, ranges and order of work are the kernel's: drivers/gpu/drm/drm_blend.c
(rotation, alpha, pixel blend mode), drm_plane.c (SRC_*, CRTC_W and CRTC_H, SCALING_FILTER) and
drm_color_mgmt.c (COLOR_ENCODING, COLOR_RANGE). The order is: take the source rectangle out of the buffer,
reflect it, rotate it, scale it to its size on the screen, multiply it by the plane's alpha, blend it.

How a position of the screen becomes one of the buffer is said in `compositor.render.axis`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum, IntFlag
from typing import NamedTuple

from compositor.errors import BadInput
from compositor.pixels.geometry import Rect

ONE = 1 << 16  # 1.0 in 16.16 fixed point
OPAQUE = 0xFFFF  # of the property "alpha": DRM_BLEND_ALPHA_OPAQUE
MAX_SCALE = 32  # times larger or smaller, along each axis
MAX_SIZE = 32767  # pixels; a position in 16.16 has a sign


class BlendMode(Enum):
    """The property "pixel blend mode", with DRM's names of the values."""

    NONE = "None"  # the pixels' alpha is ignored
    PREMULTIPLIED = "Pre-multiplied"
    COVERAGE = "Coverage"  # colours are not multiplied by alpha yet


class Rotation(IntFlag):
    """The property "rotation", DRM_MODE_ROTATE_* and DRM_MODE_REFLECT_*: one rotation and any reflections.

    Rotations go counter clockwise, after the reflections; reflect-x exchanges left and right.
    """

    ROTATE_0 = 1
    ROTATE_90 = 2
    ROTATE_180 = 4
    ROTATE_270 = 8
    REFLECT_X = 16
    REFLECT_Y = 32

    @property
    def swaps_axes(self) -> bool:
        """Whether the picture's rows become columns."""
        return self.value & _TURNS != 0


_TURNS = 0b001010  # of DRM_MODE_ROTATE_0, _90, _180 and _270 those that exchange width and height
_ROTATE_BITS = 0b001111
_ALL_BITS = 0b111111


class Filter(Enum):
    """The property "SCALING_FILTER"; DRM has Default and Nearest Neighbor, and leaves the rest to drivers."""

    NEAREST = "nearest"
    BILINEAR = "bilinear"  # pixman's: weights of 7 bits
    BOX = "box"  # the mean over all that a pixel of the screen covers; for reduced pictures


class ColorEncoding(Enum):
    """The property "COLOR_ENCODING" of YUV buffers, with DRM's names of the values."""

    BT601 = "ITU-R BT.601 YCbCr"
    BT709 = "ITU-R BT.709 YCbCr"
    BT2020 = "ITU-R BT.2020 YCbCr"


class ColorRange(Enum):
    """The property "COLOR_RANGE" of YUV buffers, with DRM's names of the values."""

    LIMITED = "YCbCr limited range"
    FULL = "YCbCr full range"


class SourceRect(NamedTuple):
    """The properties SRC_X, SRC_Y, SRC_W and SRC_H: a rectangle of a buffer, in 16.16 fixed point."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of_pixels(cls, x: float, y: float, width: float, height: float) -> SourceRect:
        """From pixels; fractions are rounded to the nearest 65536th."""
        return cls(*(round(value * ONE) for value in (x, y, width, height)))

    @property
    def pixels(self) -> Rect:
        """The whole pixels that it touches; no filter looks beyond them."""
        x, y = self.x >> 16, self.y >> 16
        return Rect(x, y, -(-(self.x + self.width) >> 16) - x, -(-(self.y + self.height) >> 16) - y)


@dataclass(frozen=True, slots=True)
class PlaneState:
    """How a surface shows its buffer; the defaults show it as it is.

    Attributes:
        source: The part of the buffer that is shown; None: all.
        rotation: How it is turned.
        size: (width, height) on the output, in pixels, after the rotation; None: that of `source`, rounded
            up. The position is the surface's.
        scaling_filter: How it is scaled.
        blend_mode: What the pixels' alpha means.
        alpha: Opacity of the whole, 0 to 0xffff.
        color_encoding: The matrix of a YUV buffer. DRM has no default; BT.601 is that of vkms.
        color_range: As `color_encoding`.
        is_in_place: Whether each pixel of the output shows one of the buffer, in the same order.
        is_identity: Whether a premultiplied buffer is shown as it is.
    """

    source: SourceRect | None = None
    rotation: Rotation = Rotation.ROTATE_0
    size: tuple[int, int] | None = None
    scaling_filter: Filter = Filter.NEAREST
    blend_mode: BlendMode = BlendMode.PREMULTIPLIED
    alpha: int = OPAQUE
    color_encoding: ColorEncoding = ColorEncoding.BT601
    color_range: ColorRange = ColorRange.LIMITED
    # Asked several times a frame, so worked out once.
    is_in_place: bool = field(init=False, repr=False, compare=False)
    is_identity: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        in_place = self.source is None and self.rotation == Rotation.ROTATE_0 and self.size is None
        as_it_is = self.alpha == OPAQUE and self.blend_mode is BlendMode.PREMULTIPLIED
        object.__setattr__(self, "is_in_place", in_place)
        object.__setattr__(self, "is_identity", in_place and as_it_is)

    @property
    def reverses(self) -> tuple[bool, bool]:
        """Whether the screen runs backwards through the buffer's columns, and through its rows.

        Turned by 90 degrees the buffer's right edge is on top, by 270 degrees its lower edge is on the left.
        """
        back_x = bool(self.rotation & (Rotation.ROTATE_90 | Rotation.ROTATE_180))
        back_y = bool(self.rotation & (Rotation.ROTATE_180 | Rotation.ROTATE_270))
        return back_x ^ bool(self.rotation & Rotation.REFLECT_X), back_y ^ bool(
            self.rotation & Rotation.REFLECT_Y
        )

    def source_of(self, width: int, height: int) -> SourceRect:
        """What is shown of a buffer of this size."""
        return self.source or SourceRect(0, 0, width * ONE, height * ONE)

    def size_of(self, width: int, height: int) -> tuple[int, int]:
        """(width, height) on the output, of a buffer of this size."""
        if self.is_in_place:
            return width, height
        if self.size is not None:
            return self.size
        across, down = width, height
        if self.source is not None:
            across, down = -(-self.source.width >> 16), -(-self.source.height >> 16)
        return (down, across) if self.rotation.swaps_axes else (across, down)

    def shown(self, part: Rect, width: int, height: int) -> Rect:
        """What can look different on the output when `part` of a buffer does.

        Args:
            part: A rectangle of the buffer, pixels.
            width: The buffer's.
            height: As `width`.

        Returns:
            A rectangle relative to the surface's upper left corner; with a pixel's margin where a filter
            looks at neighbours.
        """
        if self.is_in_place:
            return part
        source, (across, down) = self.source_of(width, height), self.size_of(width, height)
        if self.rotation.swaps_axes:
            across, down = down, across
        back_x, back_y = self.reverses
        x, right = _shown_span(part.x, part.right, source.x, source.width, across, back_x)
        y, bottom = _shown_span(part.y, part.bottom, source.y, source.height, down, back_y)
        if self.rotation.swaps_axes:
            x, y, right, bottom = y, x, bottom, right
        return Rect(x, y, right - x, bottom - y)

    def check(self, width: int, height: int) -> None:
        """Whether a buffer of this size, in pixels, can be shown so.

        Raises:
            BadInput: It cannot; the message begins with the property's name in KMS.
        """
        if self.is_identity:
            return
        if not 0 <= self.alpha <= OPAQUE:
            raise BadInput(f"alpha {self.alpha:#x} is not in 0 to 0xffff")
        bits = self.rotation.value
        if bits & ~_ALL_BITS or (bits & _ROTATE_BITS).bit_count() != 1:
            raise BadInput(f"rotation {bits:#x} is not one rotation and any reflections")
        check_size(width, height)
        source = self.source_of(width, height)
        _check_crop("SRC_X", source.x, "SRC_W", source.width, width)
        _check_crop("SRC_Y", source.y, "SRC_H", source.height, height)
        across, down = source.width, source.height
        if self.rotation.swaps_axes:
            across, down = down, across
        shown_width, shown_height = self.size_of(width, height)
        _check_scale("CRTC_W", shown_width, across)
        _check_scale("CRTC_H", shown_height, down)


def check_size(width: int, height: int) -> None:
    """Whether a buffer of this size, in pixels, can be turned, cropped and translucent; any can be as it is.

    Raises:
        BadInput: It cannot.
    """
    for name, size in (("width", width), ("height", height)):
        if size > MAX_SIZE:
            raise BadInput(f"FB_ID: a buffer of {name} {size} is beyond {MAX_SIZE}")


def _shown_span(begin: int, end: int, start: int, length: int, size: int, reverse: bool) -> tuple[int, int]:
    """Which of `size` pixels of the screen look at the pixels `begin` to `end` or at their neighbours."""
    first = ((begin - 1) * ONE - start) * size // length - 1
    last = -(((start - (end + 1) * ONE) * size) // length) + 1
    first, last = max(0, min(first, size)), max(0, min(last, size))
    return (size - last, size - first) if reverse else (first, last)


def _check_crop(start_name: str, start: int, size_name: str, size: int, limit: int) -> None:
    if size <= 0:
        raise BadInput(f"{size_name} {size / ONE:g} is not above 0")
    if start < 0:
        raise BadInput(f"{start_name} {start / ONE:g} is below 0")
    if start + size > limit * ONE:
        raise BadInput(
            f"{size_name}: {start_name} {start / ONE:g} + {size_name} {size / ONE:g} is beyond the"
            f" buffer's {limit}"
        )


def _check_scale(name: str, size: int, source: int) -> None:
    if not 0 < size <= MAX_SIZE:
        raise BadInput(f"{name} {size} is not in 1 to {MAX_SIZE}")
    if size * ONE > source * MAX_SCALE or size * ONE * MAX_SCALE < source:
        raise BadInput(
            f"{name} {size} scales {source / ONE:g} pixels by more than {MAX_SCALE} times, up or down"
        )


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
