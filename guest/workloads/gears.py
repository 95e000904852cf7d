"""`gears`: three meshing gears on a pane of dark glass, with nothing around it.

Pixels are premultiplied ARGB: outside the pane the picture is transparent, and the pane lets some of
what lies behind through, so that the guest can be blended as a window over another one.

The pane and all shadows are made once for each size. A frame copies them and draws the gears over
them: for each pixel of a gear, one look-up in its tables (see `gearing`), one of a colour.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from guest.workloads.compiled import compiled
from guest.workloads.gearing import DISTANCE, PHASES, ROWS_PER_PIXEL, Gear, cut
from guest.workloads.pane import pane
from guest.workloads.stamp import hide_stamp
from guest.workloads.trig import angle, cosine, sine, sine_table

_TURN = 1 << 16
_FRAMES_PER_TURN = 900  # of the great gear
_LIGHT = 0.647  # direction of the light in turns: from the upper left
_RAMP = 768  # brightness: 0 black, 256 the gear's own colour, 512 and above nearly white


class _Place(NamedTuple):
    """Where a gear goes: axle in modules, and how its rotation follows that of the great gear."""

    teeth: int
    holes: int
    x: float
    y: float
    ratio: int  # numerator of the speed, over the own number of teeth
    offset: float  # turns


def _meshed(driver: _Place, teeth: int, holes: int, direction: float) -> _Place:
    """A gear driven by `driver`, at `direction` (turns) from it, its gaps where the other's teeth are."""
    distance = (driver.teeth + teeth) / 2
    along = np.array([direction])
    return _Place(
        teeth,
        holes,
        driver.x + distance * float(cosine(along)[0]),
        driver.y + distance * float(sine(along)[0]),
        -driver.teeth,
        (driver.teeth * direction + teeth * (direction + 0.5) - 0.5) / teeth,
    )


_GREAT = _Place(24, 6, 0.0, 0.0, 24, 0.0)
_TRAIN = (_GREAT, _meshed(_GREAT, 16, 5, -0.05), _meshed(_GREAT, 14, 4, 0.1))
_COLOURS = ((0xFF, 0x6F, 0x61), (0x35, 0xC9, 0xB4), (0xFF, 0xBE, 0x4D))  # coral, teal, amber


class Gears:
    """The workload; see the module.

    Args:
        seed: Turns the gears and deals the colours.
    """

    name = "gears"
    opaque = False

    def __init__(self, seed: int = 0) -> None:
        self._start = seed * 7919
        self._ramps = [_ramp(_COLOURS[(i + seed) % len(_COLOURS)]) for i in range(len(_COLOURS))]
        self._cosines = np.roll(sine_table(1024, 256), -256)
        self._pane = np.empty((0, 0), np.uint32)
        self._sprites: Sequence[Sprite] = ()

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw frame number `frame` into `pixels`, (height, width, 4) uint8, B8G8R8A8 premultiplied."""
        target = pixels.view(np.uint32)[:, :, 0]
        if target.shape != self._pane.shape:
            self._pane, self._sprites = _prepared(*target.shape)
        target[:] = self._pane
        turn = self._start + frame * _TURN // _FRAMES_PER_TURN
        for place, sprite, ramp in zip(_TRAIN, self._sprites, self._ramps, strict=True):
            rotation = turn * place.ratio // place.teeth + round(place.offset * _TURN)
            paint(target, sprite, rotation & 0xFFFF, ramp, self._cosines)
        hide_stamp(pixels, frame)


class Sprite(NamedTuple):
    """The pixels that a gear can cover, and what they need to know that no frame changes.

    Attributes:
        at: (n, 2): row and column of each pixel.
        angle: Direction from the axle to it, 1/65536 turns.
        row: Its row in the gear's tables.
        repeats: How often the pattern at its radius repeats in one turn.
        face: Brightness of the gear's flat face there; 256 is the plain colour.
        depth: The gear's table.
        facing: The gear's table.
        bevel: Width of the rounded edge, in units of `depth`.
    """

    at: NDArray[np.uint16]
    angle: NDArray[np.uint16]
    row: NDArray[np.uint16]
    repeats: NDArray[np.uint8]
    face: NDArray[np.int16]
    depth: NDArray[np.int16]
    facing: NDArray[np.uint16]
    bevel: int


@lru_cache(maxsize=2)  # a suite of tests shows one size again and again
def _prepared(height: int, width: int) -> tuple[NDArray[np.uint32], Sequence[Sprite]]:
    """What all frames of one size have in common, whatever their seed: the pane, the gears."""
    left, right = min(p.x - p.teeth / 2 for p in _TRAIN) - 1, max(p.x + p.teeth / 2 for p in _TRAIN) + 1
    top, bottom = min(p.y - p.teeth / 2 for p in _TRAIN) - 1, max(p.y + p.teeth / 2 for p in _TRAIN) + 1
    margin = min(width, height) * 0.06
    module = min((width - 3.2 * margin) / (right - left), (height - 3.2 * margin) / (bottom - top))
    origin_x = (width - (left + right) * module) / 2
    origin_y = (height - (top + bottom) * module) / 2
    axles = [(origin_x + place.x * module, origin_y + place.y * module) for place in _TRAIN]
    sprites = [
        _sprite(cut(place.teeth, place.holes, module), axle, (height, width))
        for place, axle in zip(_TRAIN, axles, strict=True)
    ]
    discs = [
        (x + 0.5 * module, y + 0.9 * module, place.teeth / 2 * module)
        for place, (x, y) in zip(_TRAIN, axles, strict=True)
    ]
    return pane(width, height, margin, discs).view(np.uint32)[:, :, 0], sprites


def _sprite(gear: Gear, axle: tuple[float, float], shape: tuple[int, int]) -> Sprite:
    across = np.arange(shape[1]) + 0.5 - axle[0]
    along = (np.arange(shape[0]) + 0.5 - axle[1])[:, None]
    radius = np.sqrt(across * across + along * along)
    at = np.argwhere(radius * ROWS_PER_PIXEL < gear.depth.shape[0] - 1)
    turns = angle(along[at[:, 0], 0], across[at[:, 1]])
    row = np.rint(radius[at[:, 0], at[:, 1]] * ROWS_PER_PIXEL).astype(np.uint16)
    # Brushed metal: the grooves around the axle glint towards the light and away from it.
    towards = cosine(turns - _LIGHT)
    glint = 0.92 + 0.12 * cosine(2 * (turns - _LIGHT)) + 0.05 * towards
    face = glint * (0.72 + 0.28 * gear.level[row]) + 0.35 * towards * gear.relief[row]
    return Sprite(
        at.astype(np.uint16),
        (np.rint(turns * _TURN).astype(np.int64) & 0xFFFF).astype(np.uint16),
        row,
        np.where(row >= gear.split * ROWS_PER_PIXEL, gear.teeth, gear.holes).astype(np.uint8),
        np.rint(face * 256).astype(np.int16),
        gear.depth,
        gear.facing,
        max(round(gear.module * 0.3 * DISTANCE), 1),
    )


@cache
def _ramp(colour: tuple[int, int, int]) -> NDArray[np.uint32]:
    """Opaque colours by brightness: black at 0, the colour at 256, nearly white at the end."""
    brightness = np.arange(_RAMP)[:, None]
    channels = np.array(colour)
    dark = channels * brightness // 256
    bright = channels + (255 - channels) * (brightness - 256) * 3 // (4 * (_RAMP - 256))
    red, green, blue = np.where(brightness < 256, dark, bright).astype(np.uint32).T
    return np.asarray(0xFF000000 | red << 16 | green << 8 | blue, np.uint32)


@compiled
def paint(
    target: NDArray[np.uint32],
    sprite: Sprite,
    rotation: int,
    ramp: NDArray[np.uint32],
    cosines: NDArray[np.int32],
) -> None:
    """Draw one gear, turned by `rotation` (1/65536 turns), over `target`, (height, width) uint32."""
    light = int(_LIGHT * _TURN)
    for i in range(sprite.row.size):
        turn, row = int(sprite.angle[i]), sprite.row[i]
        column = ((turn - rotation) * int(sprite.repeats[i]) & 0xFFFF) * PHASES >> 16
        inside = int(sprite.depth[row, column])
        if inside <= -DISTANCE // 2:
            continue
        brightness = int(sprite.face[i])
        if inside < sprite.bevel:
            towards = int(cosines[(int(sprite.facing[row, column]) + turn - light & 0xFFFF) >> 6])
            brightness += towards * (sprite.bevel - max(inside, 0)) // sprite.bevel * 3 // 4
        colour = ramp[min(max(brightness, 0), _RAMP - 1)]
        y, x = sprite.at[i, 0], sprite.at[i, 1]  # no view: those are counted, pixel by pixel
        if inside >= DISTANCE // 2:
            target[y, x] = colour
        else:
            target[y, x] = over(colour, target[y, x], inside * 255 // DISTANCE + 128)


@compiled
def over(colour: int, below: int, alpha: int) -> int:
    """Mix two premultiplied pixels: alpha / 255 of `colour`, the rest of `below`."""
    mixed = 0
    for shift in (0, 8, 16, 24):
        mixed |= (
            (colour >> shift & 255) * alpha + (below >> shift & 255) * (255 - alpha) + 127
        ) // 255 << shift
    return mixed
