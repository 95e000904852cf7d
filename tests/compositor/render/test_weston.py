"""Weston's test of alpha blending: what its renderers have to show of a ramp of alpha.

Its scene (tests/alpha-blending-test.c): over one colour lie 256 blocks of three pixels, with alpha from 0 to
255 and colours premultiplied by it, rounded down. Red must never rise and blue never fall, for an animation
of alpha would be seen to go backwards; and no channel may be further than 1.5 codes from the exact blend, by
codes or by amounts of light. By codes we are held to what rounding to nearest gives: half a code.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import blend, cpu, linear
from compositor.render.layer import Layer

Colours = NDArray[np.float64]

STEPS, BLOCK = 256, 3
BACKGROUND = (0, 128, 255, 255)  # blue, green, red, alpha


def ramp() -> NDArray[np.uint8]:
    alpha = np.arange(STEPS)
    straight = np.stack([np.full(STEPS, 255), 255 - alpha, np.zeros(STEPS, int)], axis=1)
    pixels = np.column_stack([alpha[:, None] * straight // 255, alpha]).astype(np.uint8)
    return np.tile(pixels.repeat(BLOCK, axis=0), (BLOCK, 1, 1))


def shot(compose: Callable[..., object]) -> NDArray[np.uint8]:
    """The middle row of what is on the screen, blue, green and red."""
    below = np.empty((BLOCK, STEPS * BLOCK, 4), np.uint8)
    below[:] = BACKGROUND
    layers = [Layer(below, PixelFormat.XRGB8888), Layer(ramp(), PixelFormat.ARGB8888)]
    target = np.zeros_like(below)
    compose(target, layers, [Rect(0, 0, STEPS * BLOCK, BLOCK)])
    return target[BLOCK // 2, :, :3]


def exact(to_light: Callable[[Colours], Colours], to_code: Callable[[Colours], Colours]) -> Colours:
    """The blend in double precision, in codes."""
    pixels = ramp()[0].astype(float) / 255
    alpha = pixels[:, 3:]
    with np.errstate(invalid="ignore"):
        straight = np.where(alpha > 0, pixels[:, :3] / alpha, 0)
    below = np.array(BACKGROUND[:3]) / 255
    return to_code(alpha * to_light(straight) + (1 - alpha) * to_light(below)) * 255


def srgb_to_light(code: Colours) -> Colours:
    """IEC 61966-2-1."""
    return np.where(code <= 0.04045, code / 12.92, ((code + 0.055) / 1.055) ** 2.4)


def light_to_srgb(light: Colours) -> Colours:
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def is_monotonic(row: NDArray[np.uint8]) -> bool:
    blue, red = np.diff(row[:, 0].astype(int)), np.diff(row[:, 2].astype(int))
    return bool((blue >= 0).all() and (red <= 0).all())


@pytest.mark.parametrize("compiled", [False, True])
def test_by_codes(compiled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if compiled:
        pytest.importorskip("numba")
        assert blend.load() is not None
    else:
        monkeypatch.setattr(blend, "ready", lambda _pixels: None)
        monkeypatch.setattr(blend, "is_decided", lambda: False)
    row = shot(cpu.compose)
    assert is_monotonic(row)
    assert np.abs(row - exact(lambda codes: codes, lambda light: light)).max() <= 0.5


def test_by_amounts_of_light() -> None:
    row = shot(linear.compose)
    assert is_monotonic(row)
    assert np.abs(row - exact(srgb_to_light, light_to_srgb)).max() <= 1.5
