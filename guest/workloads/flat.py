"""One colour a frame: a workload that costs next to nothing, for runs of a hundred thousand frames."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from guest.workloads.stamp import write_stamp


class Flat:
    """Grey, another one in every frame, and a stamp; see `guest.workloads.workload.Workload`."""

    name = "flat"
    opaque = True

    def draw(self, frame: int, pixels: NDArray[np.uint8]) -> None:
        """Draw one frame."""
        pixels.fill(64 + frame * 29 % 128)
        write_stamp(pixels, frame)
