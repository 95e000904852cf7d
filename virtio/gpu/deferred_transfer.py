"""A transfer that the next reader of the image carries out.

TRANSFER_TO_HOST_2D copies a frame out of the guest's pages, and the flush behind it makes the compositor
read the copy: two passes over megabytes. Linux sends both in one batch (virtgpu_plane.c,
`virtio_gpu_primary_plane_update`), and then one pass can do both. So a transfer of a whole image is only
noted. A reader of the image copies it on the way; if none reads it, or not all of it, the device does before
it answers the transfer, which is before the driver may draw again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class DeferredTransfer:
    """The newer content of an image, still in the guest's pages.

    Args:
        target: (height, width * 4) uint8, the image's rows.
        source: As `target`: the guest's pages.

    Attributes:
        target: (height, width, 4) uint8, the image, writable.
        source: As `target`, the guest's pages; to be read before `finish`, and not after.
        done: All of it has been copied into the image. A reader that did so sets it.
    """

    __slots__ = ("target", "source", "done")

    def __init__(self, target: NDArray[np.uint8], source: NDArray[np.uint8]) -> None:
        self.target = target.reshape(len(target), -1, 4)
        self.source = source.reshape(len(source), -1, 4)
        self.done = False

    def finish(self) -> None:
        """Copy all of it, unless that has been done."""
        if not self.done:
            self.done = True
            self.target[:] = self.source
