"""The reference renderer: slow, obvious, from the definitions; it shares no line with the fast ones."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.render.cpu import Layer

Pixels = NDArray[np.uint8]
Compose = Callable[[Pixels, Sequence[Layer], Iterable[Rect], int], None]


def reference_compose(
    target: Pixels, layers: Sequence[Layer], damage: Iterable[Rect], background: int = 0
) -> None:
    """What `compositor.render.cpu.compose` shall do to `target`, all layers blended in full."""
    height, width = target.shape[:2]
    picture = np.zeros((height, width, 3), np.int64)  # red, green, blue
    picture[:] = (background >> 16 & 255, background >> 8 & 255, background & 255)
    for layer in layers:
        image = layer.pixels.astype(np.int64)
        for y in range(max(0, layer.y), min(height, layer.y + image.shape[0])):
            for x in range(max(0, layer.x), min(width, layer.x + image.shape[1])):
                pixel = image[y - layer.y, x - layer.x]
                colour = pixel[[layer.format.red, layer.format.green, layer.format.blue]]
                alpha = pixel[layer.format.alpha] if layer.format.has_alpha else 255
                # d * (255 - a) / 255, rounded to the nearest integer, and a sum that saturates.
                kept = (2 * picture[y, x] * (255 - alpha) + 255) // 510
                picture[y, x] = np.minimum(colour + kept, 255)
    for rect in damage:
        inside = rect.intersect(Rect(0, 0, width, height))
        rows, columns = slice(inside.y, inside.bottom), slice(inside.x, inside.right)
        target[rows, columns, :3] = picture[rows, columns, ::-1]
        target[rows, columns, 3] = 255


@pytest.fixture
def reference() -> Compose:
    return reference_compose
