"""pyglet's own way to show a picture, for `compositor.bench.gl` to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


class PygletPicture:
    """An `ImageData` put into a `Texture`, and that blitted: pyglet as it comes."""

    def __init__(self, width: int, height: int) -> None:
        """For pictures of one size, in the current context.

        Args:
            width: Pixels.
            height: Pixels.
        """
        from pyglet import graphics, image, math  # noqa: PLC0415 - where it is drawn

        self._image_data: Any = image.ImageData
        self._texture = image.Texture.create(width, height)
        # What a pyglet window sets up for itself.
        self._block = graphics.get_default_blit_shader().uniform_blocks["WindowBlock"].create_ubo()
        with self._block as window:
            window.projection[:] = math.Mat4.orthogonal_projection(0, width, 0, height, -1, 1)
            window.view[:] = math.Mat4()

    def draw(self, pixels: NDArray[np.uint8]) -> None:
        """Draw a picture into what is bound.

        Args:
            pixels: (height, width, 4) uint8, B, G, R, A in memory, contiguous.
        """
        height, width = pixels.shape[:2]
        self._texture.blit_into(self._image_data(width, height, "BGRA", pixels.tobytes(), 4 * width), 0, 0, 0)
        self._texture.blit(0, 0)

    def delete(self) -> None:
        """Give the texture back."""
        self._texture.delete()
