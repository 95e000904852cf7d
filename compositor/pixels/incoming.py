"""Content that is on its way into a buffer."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Incoming(Protocol):
    """Newer content of a buffer that still lies elsewhere; the first reader of the buffer copies it.

    Attributes:
        source: (height, width, 4) uint8, what the buffer's pixels are to become.
        target: As `source`, the buffer's pixels, writable.
        done: All of it has been copied; a reader that did so sets it.
    """

    source: NDArray[np.uint8]
    target: NDArray[np.uint8]
    done: bool

    def finish(self) -> None:
        """Copy all of it, unless that has been done."""
