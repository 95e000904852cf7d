"""What the renderers are held to."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.pixels.geometry import Rect
from compositor.render.layer import Layer
from compositor.render.reference import compose

Pixels = NDArray[np.uint8]
Compose = Callable[[Pixels, Sequence[Layer], Iterable[Rect], int], None]


@pytest.fixture
def reference() -> Compose:
    return compose
