"""Still parts of pictures: gradients, rounded boxes, shadows and text, on a canvas of floats.

All of it is made of exact operations (see `trig`) and rounded once, so it has the same bytes everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.workloads.font import Font

Plane = NDArray[np.floating]
Colour = tuple[int, int, int]
"""Red, green, blue, 0 to 255."""


class Box(NamedTuple):
    """A rectangle, pixels; its edges may lie between pixels."""

    left: float
    top: float
    width: float
    height: float

    def inset(self, by: float) -> Box:
        """Smaller by `by` at each side."""
        return Box(self.left + by, self.top + by, self.width - 2 * by, self.height - 2 * by)


class Canvas:
    """A picture in the making, premultiplied; transparent at first.

    Attributes:
        colour: (height, width, 3) float64, blue, green, red, 0 to 1.
        alpha: (height, width) float64.
    """

    def __init__(self, width: int, height: int) -> None:
        self.colour = np.zeros((height, width, 3))
        self.alpha = np.zeros((height, width))
        self.x, self.y = np.arange(width) + 0.5, (np.arange(height) + 0.5)[:, None]

    def part(self, box: Box, beyond: float) -> Canvas:
        """The part of this canvas within `beyond` pixels of a box: the same pixels, the same places."""
        part = copy(self)
        rows = slice(max(int(box.top - beyond), 0), max(int(box.top + box.height + beyond) + 1, 0))
        columns = slice(max(int(box.left - beyond), 0), max(int(box.left + box.width + beyond) + 1, 0))
        part.colour, part.alpha = self.colour[rows, columns], self.alpha[rows, columns]
        part.x, part.y = self.x[columns], self.y[rows]
        return part

    def fill(self, colour: Plane) -> None:
        """Cover everything with (height, width, 3) or what broadcasts to it: red, green, blue, 0 to 255."""
        self.colour[:] = colour[..., ::-1] / 255
        self.alpha[:] = 1.0

    def paint(self, coverage: Plane, colour: Colour, alpha: float = 1.0) -> None:
        """Lay a colour over the canvas where `coverage` (0 to 1) says."""
        cover = np.broadcast_to(coverage, self.alpha.shape) * alpha
        self.colour *= (1 - cover)[:, :, None]
        self.colour += cover[:, :, None] * (np.array(colour[::-1]) / 255)
        self.alpha *= 1 - cover
        self.alpha += cover

    def inside(self, box: Box, corner: float = 0.0) -> Plane:
        """Distance into a box with rounded corners, pixels; negative outside."""
        across = np.abs(self.x - box.left - box.width / 2) - (box.width / 2 - corner)
        along = np.abs(self.y - box.top - box.height / 2) - (box.height / 2 - corner)
        beyond_x, beyond_y = np.maximum(across, 0.0), np.maximum(along, 0.0)
        outside = np.sqrt(beyond_x * beyond_x + beyond_y * beyond_y)
        return np.asarray(corner - outside - np.minimum(np.maximum(across, along), 0.0))

    def box(self, box: Box, colour: Colour, *, corner: float = 0.0, alpha: float = 1.0) -> None:
        """A filled box."""
        part = self.part(box, 1)
        part.paint(np.clip(part.inside(box, corner) + 0.5, 0, 1), colour, alpha)

    def rim(self, box: Box, *, corner: float, alpha: float) -> None:
        """A box's edge, which catches the light."""
        part = self.part(box, 1)
        part.paint(np.clip(1.2 - np.abs(part.inside(box, corner) - 0.8), 0, 1), (255, 255, 255), alpha)

    def shadow(self, box: Box, *, corner: float, blur: float, alpha: float) -> None:
        """What a box that floats over the canvas darkens."""
        lower = box._replace(top=box.top + blur * 0.35)
        part = self.part(lower, blur)
        part.paint(smooth(part.inside(lower, corner) / (2 * blur) + 0.5), (0, 0, 0), alpha)

    def disc(self, x: float, y: float, radius: float, colour: Colour, alpha: float = 1.0) -> None:
        """A filled circle."""
        part = self.part(Box(x - radius, y - radius, 2 * radius, 2 * radius), 1)
        part.paint(np.clip(radius - part.distance(x, y) + 0.5, 0, 1), colour, alpha)

    def distance(self, x: float, y: float) -> Plane:
        """Distance to a point, pixels."""
        return np.asarray(np.sqrt(np.square(self.x - x) + np.square(self.y - y)))

    def text(self, left: int, top: int, text: str, font: Font, colour: Colour) -> None:
        """One line of text; what does not fit is cut off."""
        part = copy(self)
        rows, columns = slice(top, top + font.height), slice(left, left + len(text) * font.width)
        part.colour, part.alpha = self.colour[rows, columns], self.alpha[rows, columns]
        height, width = part.alpha.shape
        part.paint(font.coverage(text)[:height, :width] / 255, colour)

    def rounded(self) -> NDArray[np.uint8]:
        """The picture: (height, width, 4) uint8, B8G8R8A8 premultiplied."""
        picture = np.empty((*self.alpha.shape, 4))
        picture[:, :, :3] = self.colour
        picture[:, :, 3] = self.alpha
        return np.clip(np.rint(picture * 255), 0, 255).astype(np.uint8)


def smooth(t: Plane) -> Plane:
    """0 below 0, 1 above 1, without a kink between."""
    t = np.clip(t, 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t))


def gradient(t: Plane, stops: Sequence[Colour]) -> Plane:
    """Colours between evenly spaced stops: the shape of `t` and a last axis of red, green, blue."""
    table = np.array(stops, dtype=np.float64)
    position = np.clip(t, 0.0, 1.0) * (len(stops) - 1)
    index = np.minimum(position.astype(np.intp), len(stops) - 2)
    part = (position - index)[..., None]
    return np.asarray(table[index] * (1 - part) + table[index + 1] * part)
