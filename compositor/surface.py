"""Buffers, and the surfaces that show them.

A surface is where one scanout of a guest, or one cursor, appears. Guests *submit* buffers to it; a
submission is presented by the output's next commit, or discarded when something takes its place before.
Exactly one of the two happens to every submission.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.frame import Frame
from compositor.geometry import Rect
from compositor.incoming import Incoming
from compositor.pixel import PixelFormat

CURSOR_Z = 1_000_000  # a cursor is a surface above all others


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Pixels that a surface can show: aliased, never copied, and read only.

    Attributes:
        pixels: (height, width, 4) uint8, at least 1 x 1; pixels of a row adjoin, rows may be padded.
        format: Memory order.
        zero_copy: True when `pixels` are the guest's own pages, False for the host's copy.
        frame_id: The guest's own number of this picture, where it is known.
        incoming: What has to be copied into `pixels` before they are read.

    Raises:
        BadInput: `pixels` has another shape, type or layout.
    """

    pixels: NDArray[np.uint8]
    format: PixelFormat
    zero_copy: bool = False
    frame_id: int | None = None
    incoming: Incoming | None = None

    def __post_init__(self) -> None:
        pixels = self.pixels
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 4 or not pixels.size:
            raise BadInput(f"a buffer is (height, width, 4) uint8, not {pixels.shape} {pixels.dtype}")
        if pixels.strides[1:] != (4, 1) or pixels.strides[0] < 4 * pixels.shape[1]:
            raise BadInput(f"a buffer's rows must be contiguous and apart, not strides {pixels.strides}")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        height, width = self.pixels.shape[:2]
        return width, height


class Surface:
    """A place on an output that shows the buffer last submitted to it.

    Attributes:
        name: For statistics and messages.
        z: Stacking order; among equals, the later one in the scene is above.
        buffer: What it shows; None: nothing.
        hotspot: The point of the buffer that lies at (x, y); (0, 0) for all but cursors.
        on_taken: Called when a frame with a new submission has been committed: the submission cannot be
            overtaken any more, and it will be presented.
        on_presented: Called with the first frame that shows a submission, when the frame is released.
        on_discarded: Called when a submission will never be shown.
        on_changed: Set by the scene it is in: called with rectangles of the output that look different
            from now on, once the surface is in its new state; a commit may happen within the call.
        submitted: Submissions so far.
        presented: Submissions that reached a frame.
        discarded: Submissions that were replaced or hidden first.
    """

    def __init__(
        self,
        name: str,
        *,
        x: int = 0,
        y: int = 0,
        z: int = 0,
        visible: bool = True,
        on_taken: Callable[[], None] | None = None,
        on_presented: Callable[[Frame], None] | None = None,
        on_discarded: Callable[[], None] | None = None,
    ) -> None:
        self.name = name
        self.z = z
        self.buffer: Buffer | None = None
        self.hotspot = (0, 0)
        self.on_taken = on_taken
        self.on_presented = on_presented
        self.on_discarded = on_discarded
        self.submitted = self.presented = self.discarded = 0
        self._x, self._y = x, y
        self._visible = visible
        self._pending = False
        self.on_changed: Callable[[tuple[Rect, ...]], None] | None = None

    @property
    def position(self) -> tuple[int, int]:
        """(x, y) on the output, pixels; may lie outside."""
        return self._x, self._y

    @property
    def visible(self) -> bool:
        """Whether it is shown, once it has a buffer."""
        return self._visible

    @property
    def pending(self) -> bool:
        """Whether its last submission is neither presented nor discarded yet."""
        return self._pending

    @property
    def bounds(self) -> Rect:
        """What it covers of the output; empty without a buffer."""
        width, height = self.buffer.size if self.buffer is not None else (0, 0)
        return Rect(self._x - self.hotspot[0], self._y - self.hotspot[1], width, height)

    def submit(
        self, buffer: Buffer | None, damage: Rect | None = None, *, hotspot: tuple[int, int] = (0, 0)
    ) -> None:
        """Show `buffer` from the next commit on. On a surface that nobody can see it is discarded at once.

        Args:
            buffer: The new content. None shows nothing, and is not a submission.
            damage: What differs from the content before, relative to the buffer; None: everything. A
                buffer of another size, format or hotspot differs in everything.
            hotspot: See the attribute.
        """
        self.discard()
        old, before = self.buffer, self.bounds
        self.buffer, self.hotspot = buffer, hotspot
        after = self.bounds
        if buffer is not None:
            self.submitted += 1
            self._pending = True
        if self.on_changed is None or not self._visible:
            self.discard()
        elif old is None or buffer is None or old.format is not buffer.format or before != after:
            self.on_changed((before, after))
        elif damage is None:
            self.on_changed((after,))
        else:
            self.on_changed((damage.translate(after.x, after.y).intersect(after),))

    def move(self, x: int, y: int) -> None:
        """Put it at (x, y) of the output; a cursor's hotspot comes to lie there."""
        if (x, y) != (self._x, self._y):
            before = self.bounds
            self._x, self._y = x, y
            self._changed(before, self.bounds)

    def show(self) -> None:
        """Make it visible."""
        if not self._visible:
            self._visible = True
            self._changed(self.bounds)

    def hide(self) -> None:
        """Make it invisible; it keeps its buffer, and discards what was not yet presented."""
        if self._visible:
            self.discard()
            self._visible = False
            if self.on_changed is not None:
                self.on_changed((self.bounds,))

    def discard(self) -> None:
        """Give up a submission that was not presented yet, if there is one."""
        if self._pending:
            self._pending = False
            self.discarded += 1
            if self.on_discarded is not None:
                self.on_discarded()

    def take(self) -> bool:
        """For the output's commit: whether there is a submission, which counts as presented from now on."""
        taken, self._pending = self._pending, False
        self.presented += taken
        return taken

    def _changed(self, *damage: Rect) -> None:
        if self.on_changed is not None and self._visible:
            self.on_changed(damage)
