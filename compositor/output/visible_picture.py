"""What an output shows, planes and all, as one picture: for screenshots and digests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.cpu import Layer, compose


class VisiblePicture:
    """Puts the planes of an output together when somebody looks; kept and painted on from look to look."""

    def __init__(self) -> None:
        self._pixels = np.empty((0, 0, 4), np.uint8)
        self._seq = 0  # of the frame that it shows

    def of(
        self,
        commit_seq: int,
        damage: tuple[Rect, ...],
        front: NDArray[np.uint8],
        front_format: PixelFormat,
        above: tuple[Layer, ...],
    ) -> NDArray[np.uint8]:
        """The picture of a frame, XRGB8888, read-only; valid until the next frame's is asked for.

        Args:
            commit_seq: Number of the frame.
            damage: What differs from the frame before.
            front: What is on the primary plane.
            front_format: Its memory order; alpha means nothing.
            above: What is on the other planes, bottom to top.
        """
        if commit_seq != self._seq:
            height, width = front.shape[:2]
            if commit_seq != self._seq + 1 or self._pixels.shape != front.shape:
                damage = (Rect(0, 0, width, height),)
            if self._pixels.shape != front.shape:
                self._pixels = np.empty((height, width, 4), np.uint8)
            compose(self._pixels, [Layer(front, front_format.opaque), *above], damage)
            self._seq = commit_seq
        picture = self._pixels.view()
        picture.flags.writeable = False
        return picture
