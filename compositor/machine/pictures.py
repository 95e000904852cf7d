"""The pictures that may be asked for when a run is over.

A front buffer is the guest's own memory under direct scan-out, so a picture is copied only when it is
about to be lost, or when it is asked for.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compositor.errors import Misuse
from compositor.output.frame import Frame

Picture = NDArray[np.uint8]


class Pictures:
    """The last picture of every output, and one frame that was asked for by number."""

    def __init__(self) -> None:
        self._last: dict[str, Frame] = {}
        self._kept: dict[str, Picture] = {}
        self._wanted: tuple[str, int] | None = None

    def __repr__(self) -> str:
        names = ", ".join(sorted({*self._last, *self._kept})) or "no output"
        return f"<pictures of {names}>"

    def want(self, output: str, commit_seq: int) -> None:
        """Keep that frame of that output, whatever comes after it."""
        self._wanted = output, commit_seq

    def presented(self, frame: Frame) -> None:
        """A frame is on its output; called before the guest may paint over it."""
        self._last[frame.output] = frame
        if self._wanted is None:
            if frame.frame_ids:
                self._kept.pop(frame.output, None)
        elif self._wanted == (frame.output, frame.commit_seq):
            self._kept[frame.output] = frame.snapshot()

    def keep(self, output: str) -> None:
        """A guest is about to take its picture off the output: what it shows now is the last of it."""
        frame = self._last.get(output)
        if frame is not None and frame.frame_ids and self._wanted is None:
            self._kept[output] = frame.snapshot()

    def settle(self) -> None:
        """Copy what is still memory of a guest: no frame is held any more."""
        for output in list(self._last):
            if self.has(output):
                self._kept[output] = self.get(output)
        self._last.clear()

    def has(self, output: str) -> bool:
        """Whether `get` has something to return."""
        return output in self._kept or (self._wanted is None and output in self._last)

    def get(self, output: str) -> Picture:
        """(height, width, 4) uint8 RGBA, alpha 255: the frame asked for, else the last with a guest in it.

        Raises:
            Misuse: There was none.
        """
        if not self.has(output):
            raise Misuse(f"{output}: there is no picture; no such frame was presented")
        return self._kept[output] if output in self._kept else self._last[output].snapshot()
