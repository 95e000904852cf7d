"""Memory that pictures are painted into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_CACHE_LINE = 64  # bytes; writes that straddle two lines cost a tenth more


def allocate(width: int, height: int) -> NDArray[np.uint8]:
    """A picture of so many pixels, (height, width, 4) uint8, undefined, that begins at a cache line."""
    size = height * width * 4
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].reshape(height, width, 4)
