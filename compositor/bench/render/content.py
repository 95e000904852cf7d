"""Pictures to blend: noise, and what desktops are made of. Premultiplied, and the same in every run."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from compositor.render.words import allocate

Pixels = NDArray[np.uint8]

SHADOW = 24  # pixels around a window
_GLYPH = (8, 12)
_CELL = (9, 20)


def noise(width: int, height: int, seed: int = 1) -> Pixels:
    """Random alpha, random colours below it."""
    picture = allocate(width, height)
    picture[:] = np.random.default_rng(seed).integers(0, 256, picture.shape, np.uint8)
    np.minimum(picture[..., :3], picture[..., 3:], out=picture[..., :3])
    return picture


def opaque(width: int, height: int, seed: int = 1) -> Pixels:
    """Random colours, alpha 255."""
    picture = noise(width, height, seed)
    picture[..., 3] = 255
    return picture


def window(width: int, height: int, seed: int = 1) -> Pixels:
    """An opaque body within a soft shadow."""
    picture = opaque(width, height, seed)
    across, down = (np.minimum(np.arange(size), np.arange(size)[::-1]) for size in (width, height))
    distance = np.minimum(across[np.newaxis], down[:, np.newaxis])
    margin = distance < SHADOW
    picture[margin] = 0
    picture[..., 3][margin] = (distance[margin] * 4).astype(np.uint8)
    return picture


def text(width: int, height: int, seed: int = 1) -> Pixels:
    """Lines of glyphs with soft edges on a clear ground."""
    rng = np.random.default_rng(seed)
    picture = allocate(width, height)
    picture[:] = 0
    glyphs = rng.choice(np.array([0, 0, 0, 0, 90, 255, 255], np.uint8), (64, _GLYPH[1], _GLYPH[0]))
    for top in range(4, height - _GLYPH[1], _CELL[1]):
        for left in range(4, width - _GLYPH[0], _CELL[0]):
            if rng.random() < 0.8:  # else a space
                glyph = glyphs[rng.integers(len(glyphs))]
                place = picture[top : top + _GLYPH[1], left : left + _GLYPH[0]]
                place[..., 3] = glyph
                place[..., :3] = glyph[..., np.newaxis] // 3
    return picture


CONTENT: dict[str, Callable[[int, int, int], Pixels]] = {
    "random": noise,
    "window": window,
    "text": text,
    "opaque": opaque,
}
