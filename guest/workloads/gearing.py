"""The shape of a gear, as tables that a pixel can look itself up in.

A gear looks the same after each tooth, and its web the same after each hole. In polar coordinates
that turn with it, everything is thus known from two numbers: the radius, and the phase within one
tooth (near the rim) or within one hole (near the axle). `Gear` holds, for each such pair, how deep
inside the material the point lies and where the nearest edge faces; drawing is then a table look-up
for each pixel, in integers, and antialiasing is the distance to the edge.

Lengths in the interface are in pixels, or in modules: the pitch circle of a gear with n teeth has a
radius of n / 2 modules, and gears of one module mesh.
"""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.workloads.trig import angle, cosine, sine

PHASES = 512  # table columns: one period of the gear's pattern
ROWS_PER_PIXEL = 4  # table rows: radius
DISTANCE = 32  # table units per pixel of distance

_ADDENDUM = 0.9  # tip above the pitch circle, modules
_DEDENDUM = 1.25  # root below it
_SLOPE = 0.3  # tangent of the angle between flanks and the tooth's middle
_HALF_TOOTH = 0.74  # half a tooth's thickness on the pitch circle; pi / 4 less some play
_FILLET = 0.26  # rounding where tooth and tip, tooth and root meet


class Gear(NamedTuple):
    """One gear at one size.

    Attributes:
        teeth: Number of teeth.
        holes: Number of holes in the web.
        module: Pixels.
        split: Radius, pixels, that parts the toothed rim from the web with its holes.
        depth: (rows, PHASES) int16: distance to the nearest edge in 1/DISTANCE pixels, positive
            inside the material. Row: radius times ROWS_PER_PIXEL.
        facing: (rows, PHASES) uint16: direction in which that edge faces, in 1/65536 turns, relative
            to the direction from the axle to the point.
        relief: (rows,) float64: slope of the face, +1 rising outwards to -1 falling outwards.
        level: (rows,) float64: 1 on the rim and the hub, 0 on the sunken web.
    """

    teeth: int
    holes: int
    module: float
    split: float
    depth: NDArray[np.int16]
    facing: NDArray[np.uint16]
    relief: NDArray[np.float64]
    level: NDArray[np.float64]


def cut(teeth: int, holes: int, module: float) -> Gear:
    """Make a gear whose module measures `module` pixels."""
    pitch = teeth / 2
    root, tip = pitch - _DEDENDUM, pitch + _ADDENDUM
    rim, hub, bore = root - 1.1, 0.3 * root + 0.4, 0.14 * root + 0.15
    split = (root + rim) / 2
    radius = np.arange(int((tip * module + 2) * ROWS_PER_PIXEL)) / (ROWS_PER_PIXEL * module)
    phase = np.arange(PHASES) / PHASES
    phase = np.where(phase > 0.5, phase - 1.0, phase)  # a tooth's, a hole's middle has phase 0

    outline = _teeth(radius[:, None], phase / teeth, root, tip, pitch)
    web = _holes(radius[:, None], phase / holes, (rim + hub) / 2, 0.36 * (rim - hub), bore)
    toothed = (radius >= split)[:, None]
    depth = np.where(toothed, outline, web)
    turns = np.where(toothed, 1 / teeth, 1 / holes)
    step = _step(radius, rim, 0.3) - _step(radius, hub, 0.3)
    return Gear(
        teeth,
        holes,
        module,
        split * module,
        np.clip(np.rint(depth * (module * DISTANCE)), -30_000, 30_000).astype(np.int16),
        _facing(depth, radius, turns),
        np.gradient(step) * (ROWS_PER_PIXEL * module * 0.3),
        1 + step,
    )


def _teeth(
    radius: NDArray[np.float64], turns: NDArray[np.float64], root: float, tip: float, pitch: float
) -> NDArray[np.float64]:
    """Distance to the outline: the union of the root circle and a tooth with straight flanks."""
    across, along = radius * np.abs(sine(turns)), radius * cosine(turns)
    scale = sqrt(1 + _SLOPE * _SLOPE)
    flank = (_HALF_TOOTH - across + (pitch - along) * _SLOPE) / scale
    tooth = _smooth_min(flank, tip - radius, _FILLET)
    return -_smooth_min(-tooth, radius - root, _FILLET)


def _holes(
    radius: NDArray[np.float64], turns: NDArray[np.float64], middle: float, size: float, bore: float
) -> NDArray[np.float64]:
    """Distance to the edges of the bore and of a ring of round holes."""
    across, along = radius * sine(turns), radius * cosine(turns) - middle
    return np.minimum(np.sqrt(across * across + along * along) - size, radius - bore)


def _facing(
    depth: NDArray[np.float64], radius: NDArray[np.float64], turns: NDArray[np.float64]
) -> NDArray[np.uint16]:
    """Direction against the gradient of `depth`, which is in polar coordinates."""
    outwards = np.gradient(depth, axis=0) / (radius[1] - radius[0])
    column = turns * (2 * np.pi / PHASES) * np.maximum(radius, radius[1])[:, None]
    around = (np.roll(depth, -1, axis=1) - np.roll(depth, 1, axis=1)) / (2 * column)
    return (np.rint(angle(-around, -outwards) * 65536).astype(np.int64) & 0xFFFF).astype(np.uint16)


def _smooth_min(a: NDArray[np.float64], b: NDArray[np.float64], k: float) -> NDArray[np.float64]:
    """The lesser of both, with the kink rounded over a distance of `k`."""
    h = np.maximum(k - np.abs(a - b), 0.0) / k
    return np.minimum(a, b) - h * h * (k / 4)


def _step(x: NDArray[np.float64], edge: float, width: float) -> NDArray[np.float64]:
    """0 below `edge`, 1 above it, smooth over `width`."""
    t = np.clip((x - edge) / width + 0.5, 0.0, 1.0)
    return t * t * (3 - 2 * t)
