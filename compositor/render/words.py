"""Pictures of 32-bit words in memory, as the compiled kernels are given them, and memory to draw into."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from compositor.render.fused.tables import address_of
from compositor.render.layer import Pixels

Words = NDArray[np.uint32]

_CACHE_LINE = 64  # bytes; writes that straddle two lines cost a tenth more


class Scratch(threading.local):
    """Room for what is drawn and soon forgotten; grows, and is kept, on each thread by itself."""

    def __init__(self) -> None:
        self._rooms: dict[str, Words] = {}

    def words(self, name: str, height: int, width: int) -> Words:
        """(height, width) words of any content, until the next call with the same name."""
        room = self._rooms.get(name)
        if room is None or room.size < height * width:
            room = self._rooms[name] = np.empty(height * width, np.uint32)
        return room[: height * width].reshape(height, width)


scratch = Scratch()


def words_of(image: Pixels) -> Words | None:
    """(height, width) words that alias `image`, or None when its pixels are not words."""
    row, pixel, byte = image.strides
    aligned = address_of(image) % 4 == 0
    return image.view(np.uint32)[..., 0] if (pixel, byte, row % 4) == (4, 1, 0) and aligned else None


def image_of(words: Words) -> tuple[int, int, int, int]:
    """The first four arguments of all kernels: address, pitch in bytes, width and height."""
    height, width = words.shape
    return address_of(words), words.strides[0], width, height


def allocate(width: int, height: int) -> NDArray[np.uint8]:
    """A picture of so many pixels, (height, width, 4) uint8, undefined, that begins at a cache line."""
    size = height * width * 4
    memory = np.empty(size + _CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % _CACHE_LINE
    return memory[start : start + size].reshape(height, width, 4)
