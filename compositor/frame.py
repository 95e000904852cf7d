"""What one commit put on a monitor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compositor.geometry import Rect
from compositor.pixel import PixelFormat
from compositor.screenshot import to_rgba

BACKGROUND = ""
"""What composition writes where no surface is has this name, which no surface can have."""


@dataclass(slots=True, eq=False)
class Frame:
    """A presented picture and how it came about.

    Whoever shows or measures a frame does so before `release`: under direct scan-out `pixels` are the
    guest's own memory, which the guest may paint over as soon as it hears that the frame was presented.

    Attributes:
        output: Name of the output.
        commit_seq: Number of the commit on this output, from 1.
        present_time_ns: When it was presented, on the machine's clock.
        damage: What changed since the frame before, as disjoint rectangles; never more than the screen.
        direct: Whether a guest's buffer is scanned out as it is, nothing composed.
        composed: Bytes that composition wrote, by surface, and under `BACKGROUND` where none is; when
            direct, the surface that is scanned out, and 0.
        frame_ids: The guests' numbers of the frames that are visible, by surface.
        pixels: (height, width, 4) uint8, read-only, a live view of the front buffer: a later commit
            changes it. `snapshot` lasts.
        upload_bytes: What the screen copied into a texture to show it.
        checksum: Of the picture, where a digest was taken (see `compositor.observe.digest`).
        format: Memory order of `pixels`. The picture is opaque: an alpha byte means nothing here.
    """

    output: str
    commit_seq: int
    present_time_ns: int
    damage: tuple[Rect, ...]
    direct: bool
    composed: Mapping[str, int]
    frame_ids: Mapping[str, int | None]
    pixels: NDArray[np.uint8]
    format: PixelFormat
    upload_bytes: int = 0
    checksum: int | None = None
    _taken: list[Callable[[], None]] = field(default_factory=list, repr=False)
    _feedback: list[Callable[[Frame], None]] = field(default_factory=list, repr=False)

    @property
    def compose_bytes(self) -> int:
        """What composition wrote in all; 0 when direct."""
        return sum(self.composed.values())

    @property
    def copies(self) -> dict[str, int]:
        """Bytes copied or written to make this frame, by hop of the host."""
        return {"compose": self.compose_bytes, "upload": self.upload_bytes}

    def latch(self) -> None:
        """Tell every surface whose new content this frame shows that it was taken; once, after the commit."""
        while self._taken:
            self._taken.pop(0)()

    def release(self) -> None:
        """Tell every surface whose new content this frame shows that it was presented; once."""
        while self._feedback:
            self._feedback.pop(0)(self)

    def snapshot(self) -> NDArray[np.uint8]:
        """A copy of the picture, (height, width, 4) uint8 RGBA, alpha 255."""
        return to_rgba(self.pixels, self.format, opaque=True)
