"""The wallpaper behind windows: hills in the evening light."""

from __future__ import annotations

from random import Random

import numpy as np

from guest.workloads.shapes import Canvas, Colour, Plane, gradient
from guest.workloads.trig import sine

# Sky from the top, hills from the farthest, in two moods.
_SKIES: tuple[tuple[Colour, ...], ...] = (
    ((24, 20, 62), (66, 41, 110), (168, 74, 128), (246, 140, 112), (255, 206, 150)),
    ((10, 28, 58), (22, 66, 108), (58, 128, 158), (150, 200, 190), (250, 232, 190)),
)
_HILLS: tuple[tuple[Colour, ...], ...] = (
    ((176, 92, 128), (122, 62, 118), (78, 42, 98), (44, 28, 72), (22, 16, 44)),
    ((104, 160, 168), (64, 120, 142), (38, 86, 112), (22, 54, 82), (10, 28, 50)),
)
_SUN: Colour = (255, 240, 206)


def wallpaper(width: int, height: int, seed: int) -> Canvas:
    """Draw it; the seed chooses mood and hills."""
    random = Random(seed)
    canvas = Canvas(width, height)
    mood = seed % len(_SKIES)
    horizon = 0.74
    sky = gradient(canvas.y / (height * horizon), _SKIES[mood])
    sun = canvas.distance(width * (0.62 + 0.1 * random.random()), height * 0.5) / height
    glow = (np.square(np.clip(1 - sun / 0.55, 0, 1)) * 0.55)[:, :, None]
    canvas.fill(sky * (1 - glow) + np.array(_SUN) * glow)
    canvas.paint(np.clip((0.085 - sun) * height + 0.5, 0, 1), _SUN)
    for depth, colour in enumerate(_HILLS[mood]):
        top = _ridge(canvas.x / width, depth, random) * height
        canvas.paint(np.clip(canvas.y - top + 0.5, 0, 1), colour)
        mist = np.clip(1 - (canvas.y - top) / (height * 0.16), 0, 1) * (canvas.y > top)
        canvas.paint(mist, _SKIES[mood][-2], 0.22 - 0.04 * depth)
    return canvas


def _ridge(x: Plane, depth: int, random: Random) -> Plane:
    """Height of a row of hills at each column, as a part of the picture, from its top."""
    base: Plane = np.full(x.shape, 0.56 + 0.085 * depth)
    height = 0.075 - 0.006 * depth
    waves = [(0.7 + 0.5 * depth, 1.0), (1.9 + 0.4 * depth, 0.45), (4.3, 0.2), (9.7, 0.07)]
    for turns, part in waves:
        base = base - height * part * sine(np.asarray(x * turns + random.random(), np.float64))
    return base
