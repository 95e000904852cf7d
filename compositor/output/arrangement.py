"""How one commit shows an output's surfaces: on planes, or composed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

from compositor.output.plane import PlaneBudget, PlaneKind
from compositor.output.plane_assignment import Assignment, Grant, Wish, assign
from compositor.output.surface import CURSOR_Z, Surface
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.cpu import Layer


class Arrangement(NamedTuple):
    """What becomes of the surfaces.

    Attributes:
        grants: The plane of each surface on the screen, or None, and why.
        direct: The surface on the primary plane; None: that has the composition.
        above: Surfaces on planes above it, bottom to top.
        below: All other visible surfaces, bottom to top: what is composed, where it is on the screen.
    """

    grants: dict[str, Grant]
    direct: Surface | None
    above: list[Surface]
    below: list[Surface]

    def planes(self) -> tuple[Layer, ...]:
        """What the planes above the primary read."""
        return tuple(scanned_out(surface) for surface in self.above)


class Arranger:
    """Arranges the surfaces of one output; works it out anew only when one of them looks different."""

    def __init__(self) -> None:
        self._wishes: list[Wish] = []
        self._setting: object = None
        self._assignment = Assignment((), None)

    def arrange(
        self, surfaces: Sequence[Surface], screen: Rect, planes: PlaneBudget, *, black: bool, direct: bool
    ) -> Arrangement:
        """Give planes to the visible `surfaces`, bottom to top; for the rest see `assign`."""
        wishes = [_wish(surface) for surface in surfaces]
        on_screen = [not wish.bounds.intersect(screen).empty for wish in wishes]
        wishes, shown = list(compress(wishes, on_screen)), list(compress(surfaces, on_screen))
        setting = planes, screen, black, direct
        if wishes != self._wishes or setting != self._setting:
            self._assignment = assign(planes, wishes, screen, black=black, direct=direct)
            self._wishes, self._setting = wishes, setting
        grants, index = self._assignment
        above = [
            surface
            for surface, grant in zip(shown, grants, strict=True)
            if grant.plane is not None and grant.plane.kind is not PlaneKind.PRIMARY
        ]
        return Arrangement(
            {surface.name: grant for surface, grant in zip(shown, grants, strict=True)},
            None if index is None else shown[index],
            above,
            [surface for surface in surfaces if surface not in above],
        )


def scanned_out(surface: Surface) -> Layer:
    """A visible surface's layer, for a plane, which reads the buffer as it is."""
    layer = surface.layer
    if layer.incoming is not None:
        layer.incoming.finish()
    return layer


def _wish(surface: Surface) -> Wish:
    layer = surface.layer
    pixel_format = layer.format if isinstance(layer.format, PixelFormat) else None
    scale = (1.0, 1.0) if surface.plane.is_identity else None
    return Wish(surface.bounds, pixel_format, layer.is_opaque, surface.z >= CURSOR_Z, scale)
