"""What a renderer is given: images, bottom to top."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.incoming import Incoming
from compositor.pixel import PixelFormat

Pixels = NDArray[np.uint8]

OPAQUE = 0xFFFF  # of the property "alpha": DRM_BLEND_ALPHA_OPAQUE


class Layer(NamedTuple):
    """An image at a place.

    Attributes:
        pixels: (height, width, 4) uint8, any strides; only read.
        format: Memory order; with alpha the colours are premultiplied.
        x: Target column of its left edge; may be negative.
        y: As `x`.
        incoming: What has to be copied into `pixels` before they are read.
        alpha: Opacity of the whole, 0 to 0xffff, as KMS has it. Blending uses its upper eight bits, as
            pixman does with a mask of one colour.
    """

    pixels: Pixels
    format: PixelFormat
    x: int = 0
    y: int = 0
    incoming: Incoming | None = None
    alpha: int = OPAQUE

    @property
    def bounds(self) -> Rect:
        """The rectangle of the target that it covers."""
        height, width = self.pixels.shape[:2]
        return Rect(self.x, self.y, width, height)

    @property
    def opacity(self) -> int:
        """Opacity of the whole, in 255ths."""
        return self.alpha >> 8

    @property
    def is_opaque(self) -> bool:
        """Whether nothing below it can be seen."""
        return not self.format.has_alpha and self.opacity == OPAQUE >> 8
