"""The planes of an output: what its display engine can put together without a composition.

A plane takes one buffer and puts it on the screen at scan-out, over those below it. Hardware has few and
each can do some things only; KMS says which (drm_plane.c: type, IN_FORMATS, zpos; drm_mode_config's
cursor_width; drm_atomic_helper_check_plane_state's min_scale and max_scale). Which layer gets which plane is
decided in `compositor.output.plane_assignment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from compositor.errors import BadInput
from compositor.pixels.format import PixelFormat

MAX_OVERLAYS = 16
CURSOR_SIZE = 256  # pixels; what current display engines have, where virtio-gpu's own has 64

_ANY_FORMAT = frozenset(PixelFormat)


class PlaneKind(StrEnum):
    """DRM's types of planes."""

    PRIMARY = "primary"  # covers the screen: a guest's buffer, or what was composed
    OVERLAY = "overlay"
    CURSOR = "cursor"


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane.

    Attributes:
        name: For statistics and messages.
        kind: What it is for.
        formats: What it can read.
        zpos: Lowest and highest place that it can take; equal where it is fixed. The primary's is 0.
        scale: Smallest and largest factor by which it scales, along each axis.
        max_size: (width, height) on the screen, pixels; None: the whole screen.
    """

    name: str
    kind: PlaneKind
    formats: frozenset[PixelFormat] = _ANY_FORMAT
    zpos: tuple[int, int] = (0, 0)
    scale: tuple[float, float] = (1.0, 1.0)
    max_size: tuple[int, int] | None = None

    def check(self) -> None:
        """Hold the numbers to what makes sense.

        Raises:
            BadInput: One does not; the message names the plane and the number.
        """
        lowest, highest = self.zpos
        least, most = self.scale
        primary = self.kind is PlaneKind.PRIMARY
        if not self.formats:
            raise BadInput(f'plane "{self.name}": formats are empty')
        if not 0 <= lowest <= highest or (lowest == 0) is not primary or (primary and highest):
            where = "is 0 to 0 for the primary plane, and above 0 for all others"
            raise BadInput(f'plane "{self.name}": zpos {lowest} to {highest}: {where}')
        if not 0 < least <= 1 <= most:
            raise BadInput(f'plane "{self.name}": scale {least:g} to {most:g} does not include 1')
        if self.max_size is not None and min(self.max_size) < 1:
            raise BadInput(f'plane "{self.name}": max_size {self.max_size} is not at least 1x1')


@dataclass(frozen=True, slots=True)
class PlaneBudget:
    """All planes of one output.

    Attributes:
        planes: One primary, at most one cursor, any overlays.

    Raises:
        BadInput: They are others, or two have one name; the message says which.
    """

    planes: tuple[Plane, ...]

    def __post_init__(self) -> None:
        for plane in self.planes:
            plane.check()
        for kind, least, most in ((PlaneKind.PRIMARY, 1, 1), (PlaneKind.CURSOR, 0, 1)):
            count = len(self.of(kind))
            if not least <= count <= most:
                raise BadInput(f"planes: {count} of the kind {kind}; there must be {least} to {most}")
        names = [plane.name for plane in self.planes]
        if len(set(names)) < len(names):
            raise BadInput(f"planes: the names {', '.join(names)} are not different")

    @classmethod
    def of_counts(cls, overlays: int = 0, *, cursor: int | None = CURSOR_SIZE) -> PlaneBudget:
        """A usual display engine: any format, no scaling, a fixed order.

        Args:
            overlays: How many, 0 to 16.
            cursor: Largest width and height of the cursor, pixels; None: there is no cursor plane.

        Raises:
            BadInput: There cannot be so many, or such a cursor.
        """
        if not 0 <= overlays <= MAX_OVERLAYS:
            raise BadInput(f"planes: {overlays} overlays are not in 0 to {MAX_OVERLAYS}")
        planes = [Plane("primary", PlaneKind.PRIMARY)]
        for number in range(overlays):
            planes.append(Plane(f"overlay-{number}", PlaneKind.OVERLAY, zpos=(1, MAX_OVERLAYS)))
        if cursor is not None:
            top = (MAX_OVERLAYS + 1, MAX_OVERLAYS + 1)
            alpha = frozenset({PixelFormat.ARGB8888})
            planes.append(Plane("cursor", PlaneKind.CURSOR, alpha, zpos=top, max_size=(cursor, cursor)))
        return cls(tuple(planes))

    def of(self, kind: PlaneKind) -> tuple[Plane, ...]:
        """Those of a kind."""
        return tuple(plane for plane in self.planes if plane.kind is kind)

    @property
    def primary(self) -> Plane:
        """The one that covers the screen."""
        return self.of(PlaneKind.PRIMARY)[0]


DEFAULT_PLANES = PlaneBudget.of_counts()
"""A primary and a cursor: what every display engine has."""
PRIMARY_ONLY = PlaneBudget.of_counts(cursor=None)
"""A screen that shows one picture."""
