"""Trigonometry that gives the same bits on every machine.

The C library's sine and arctangent differ in the last bit from machine to machine, and a last bit
can move a pixel. Everything here is made of +, -, *, / and rounding alone, which IEEE 754 defines to
the bit; one NumPy call is one operation, so no compiler can contract two into one.

Angles are in turns: 1.0 is the full circle.
"""

from __future__ import annotations

from functools import cache
from math import factorial, pi

import numpy as np
from numpy.typing import NDArray

_SINE_SERIES = [(-1) ** n / factorial(2 * n + 1) for n in range(10)]  # Taylor, good to 1e-13 up to pi/2
_ARCTANGENT_SERIES = [(-1) ** n / (2 * n + 1) for n in range(14)]  # good to 1e-12 up to tan(pi/8)
_TAN_PI_8 = 0.41421356237309503


def sine(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sine of angles given in turns."""
    x = turns - np.rint(turns)
    x = np.where(np.abs(x) > 0.25, np.copysign(0.5, x) - x, x) * (2 * pi)
    return _odd_series(x, _SINE_SERIES)


def cosine(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosine of angles given in turns."""
    return sine(turns + 0.25)


@cache
def sine_table(size: int, amplitude: int) -> NDArray[np.int32]:
    """One period of a sine, rounded to integers: `size` entries from `-amplitude` to `amplitude`.

    All who ask for the same one share it: read only.
    """
    return np.rint(sine(np.arange(size) / size) * amplitude).astype(np.int32)


def angle(y: NDArray[np.floating], x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Direction of the vectors (x, y) in turns, 0 <= angle <= 1, from the x axis towards the y axis.

    The null vector has direction 0.
    """
    far, near = np.maximum(np.abs(x), np.abs(y)), np.minimum(np.abs(x), np.abs(y))
    ratio = near / np.where(far == 0, 1.0, far)
    steep = ratio > _TAN_PI_8  # atan(r) = pi/4 + atan((r - 1) / (r + 1)) keeps the series short
    turns = _odd_series(np.where(steep, (ratio - 1) / (ratio + 1), ratio), _ARCTANGENT_SERIES) / (2 * pi)
    turns = np.where(steep, turns + 0.125, turns)
    turns = np.where(np.abs(y) > np.abs(x), 0.25 - turns, turns)
    turns = np.where(x < 0, 0.5 - turns, turns)
    return np.where(y < 0, 1.0 - turns, turns)


def _odd_series(x: NDArray[np.float64], coefficients: list[float]) -> NDArray[np.float64]:
    square = x * x
    total = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        total = total * square + coefficient
    return total * x
