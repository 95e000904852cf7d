"""What a renderer is given: images, bottom to top."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import EllipsisType

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import AnyFormat, PixelFormat, size_of
from compositor.pixels.geometry import Rect
from compositor.pixels.incoming import Incoming
from compositor.pixels.plane_state import OPAQUE, BlendMode, PlaneState
from compositor.render.fused import tables
from compositor.render.fused.tables import Record

Pixels = NDArray[np.uint8]

AS_IT_IS = PlaneState()

_255TH = OPAQUE // 255


@dataclass(slots=True, eq=False)
class Layer:
    """An image at a place, which both stay as they are: what renderers find out about it is kept with it.

    Attributes:
        pixels: (height, width, 4) uint8, any strides; only read. Of a format that is sampled, as
            `compositor.pixels.format.check_layout` says.
        format: Memory order; with alpha the colours are premultiplied, unless `plane` says otherwise.
        x: Target column of its left edge; may be negative.
        y: As `x`.
        incoming: What has to be copied into `pixels` before they are read.
        plane: How the image is shown; checked before the layer was made.
        chroma: The second plane of NV12.
    """

    pixels: Pixels = field(repr=False)
    format: AnyFormat
    x: int = 0
    y: int = 0
    incoming: Incoming | None = None
    plane: PlaneState = AS_IT_IS
    chroma: Pixels | None = field(default=None, repr=False)
    _record: Record | EllipsisType | None = field(default=..., init=False, repr=False)

    @property
    def bounds(self) -> Rect:
        """The rectangle of the target that it covers."""
        return Rect(self.x, self.y, *self.plane.size_of(*self.image_size))

    @property
    def image_size(self) -> tuple[int, int]:
        """(width, height) of the image, before its plane's state."""
        return size_of(self.pixels, self.format)

    @property
    def is_opaque(self) -> bool:
        """Whether nothing below it can be seen."""
        return self.plane.alpha == OPAQUE and not self.has_pixel_alpha

    @property
    def has_pixel_alpha(self) -> bool:
        """Whether the image has an alpha channel that counts."""
        return self.format.has_alpha and self.plane.blend_mode is not BlendMode.NONE

    @property
    def record(self) -> Record | None:
        """It as the fused kernel takes it; None of one that has to be drawn in another way."""
        if self._record is ...:
            self._record = None
            if self.is_plain and tables.can_take(self.pixels):
                assert isinstance(self.format, PixelFormat)
                self._record = tables.record(
                    self.pixels, self.format, self.has_pixel_alpha, self.x, self.y, self.opacity
                )
        return self._record

    @property
    def is_plain(self) -> bool:
        """Whether its pixels can be blended as they are in memory, with `opacity`."""
        return (
            isinstance(self.format, PixelFormat)
            and self.plane.is_in_place
            and self.plane.blend_mode is not BlendMode.COVERAGE
            and self.plane.alpha % _255TH == 0
        )

    @property
    def opacity(self) -> int:
        """The plane's alpha, in 255ths, of a layer that is plain: as pixman's masks have it."""
        return self.plane.alpha // _255TH
