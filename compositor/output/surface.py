"""Buffers, and the surfaces that show them.

A surface is where one scanout of a guest, or one cursor, appears. Guests *submit* buffers to it; a
submission is presented by the output's next commit, or discarded when something takes its place before.
Exactly one of the two happens to every submission, and `Surface.on_feedback` hears which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.output.frame import Taken
from compositor.output.presentation import Discarded, Feedback, Presented
from compositor.pixels.format import AnyFormat, check_layout, size_of
from compositor.pixels.geometry import Rect
from compositor.pixels.incoming import Incoming
from compositor.pixels.plane_state import PlaneState
from compositor.render.layer import Layer

CURSOR_Z = 1_000_000  # a cursor is a surface above all others


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Pixels that a surface can show: aliased, never copied, and read only.

    Attributes:
        pixels: (height, width, 4) uint8, at least 1 x 1; pixels of a row adjoin, rows may be padded. Of
            other formats than the eight of a scanout, the first plane as `pixel.check_layout` has it.
        format: Memory order.
        zero_copy: True when `pixels` are the guest's own pages, False for the host's copy.
        frame_id: The guest's own number of this picture, where it is known.
        incoming: What has to be copied into `pixels` before they are read.
        chroma: The second plane of NV12.

    Raises:
        BadInput: A plane has another shape, type or layout than its format.
    """

    pixels: NDArray[np.uint8]
    format: AnyFormat
    zero_copy: bool = False
    frame_id: int | None = None
    incoming: Incoming | None = None
    chroma: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        check_layout(self.pixels, self.format, self.chroma)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return size_of(self.pixels, self.format)

    def is_like(self, other: Buffer) -> bool:
        """Whether size and format are the same, so that damage says where the pictures differ."""
        return self.format is other.format and self.size == other.size


class Surface:
    """A place on an output that shows the buffer last submitted to it.

    Attributes:
        name: For statistics and messages.
        buffer: What it shows; None: nothing.
        hotspot: The point of the buffer that lies at (x, y); (0, 0) for all but cursors.
        on_taken: Called when a frame with a new submission has been committed: the submission cannot be
            overtaken any more, and it will be presented.
        on_feedback: Called once for every submission: `Presented` when the first frame that shows it is on
            the screen, `Discarded` when none will ever be. Submissions are numbered from 1.
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
        plane: PlaneState | None = None,
        on_taken: Callable[[], None] | None = None,
        on_feedback: Callable[[Feedback], None] | None = None,
    ) -> None:
        self.name = name
        self._plane = replace(plane or PlaneState(), zpos=z)
        self.buffer: Buffer | None = None
        self.hotspot = (0, 0)
        self.on_taken = on_taken
        self.on_feedback = on_feedback
        self.submitted = self.presented = self.discarded = 0
        self._x, self._y = x, y
        self._visible = visible
        self._pending = False
        self._layer: Layer | None = None  # None with `_bounds`: not known since something changed
        self._bounds: Rect | None = None
        self.on_changed: Callable[[tuple[Rect, ...]], None] | None = None

    @property
    def position(self) -> tuple[int, int]:
        """(x, y) on the output, pixels; may lie outside."""
        return self._x, self._y

    @property
    def plane(self) -> PlaneState:
        """How it shows its buffer."""
        return self._plane

    @property
    def z(self) -> int:
        """Stacking order; among equals, the later one in the scene is above."""
        return self._plane.zpos

    @z.setter
    def z(self, z: int) -> None:
        """Its scene is sorted anew by whoever sets this."""
        self._plane = replace(self._plane, zpos=z)
        self._forget()

    @property
    def visible(self) -> bool:
        """Whether it is shown, once it has a buffer."""
        return self._visible

    @property
    def pending(self) -> bool:
        """Whether its last submission is neither taken by a frame nor discarded yet."""
        return self._pending

    @property
    def bounds(self) -> Rect:
        """What it covers of the output; empty without a buffer."""
        if self._bounds is None:
            width, height = self._plane.size_of(*self.buffer.size) if self.buffer is not None else (0, 0)
            self._bounds = Rect(self._x - self.hotspot[0], self._y - self.hotspot[1], width, height)
        return self._bounds

    @property
    def layer(self) -> Layer:
        """It as renderers take it: the same object as long as it looks the same; only with a buffer."""
        if self._layer is None:
            buffer, bounds = self.buffer, self.bounds
            assert buffer is not None
            self._layer = Layer(
                buffer.pixels, buffer.format, bounds.x, bounds.y, buffer.incoming, self._plane, buffer.chroma
            )
        return self._layer

    def submit(
        self, buffer: Buffer | None, damage: Rect | None = None, *, hotspot: tuple[int, int] = (0, 0)
    ) -> None:
        """Show `buffer` from the next commit on. On a surface that nobody can see it is discarded at once.

        Args:
            buffer: The new content. None shows nothing, and is not a submission.
            damage: What differs from the content before, relative to the buffer; None: everything. A
                buffer of another size, format or hotspot differs in everything.
            hotspot: See the attribute.

        Raises:
            BadInput: The plane's state cannot show this buffer; the surface stays as it was.
        """
        if buffer is not None:
            self._check(self._plane, buffer)
        self.discard()
        old, before = self.buffer, self.bounds
        self.buffer, self.hotspot = buffer, hotspot
        self._forget()
        after = self.bounds
        if buffer is not None:
            self.submitted += 1
            self._pending = True
        if self.on_changed is None or not self._visible:
            self.discard()
        elif old is None or buffer is None or before != after or not old.is_like(buffer):
            self.on_changed((before, after))
        elif damage is None:
            self.on_changed((after,))
        else:
            shown = self._plane.shown(damage, *buffer.size)
            self.on_changed((shown.translate(after.x, after.y).intersect(after),))

    def move(self, x: int, y: int) -> None:
        """Put it at (x, y) of the output; a cursor's hotspot comes to lie there."""
        if (x, y) != (self._x, self._y):
            before = self.bounds
            self._x, self._y = x, y
            self._forget()
            self._changed(before, self.bounds)

    def set_plane(self, plane: PlaneState) -> None:
        """Show the buffer in another way, from the next commit on.

        Raises:
            BadInput: The state makes no sense, or not with this buffer; the surface stays as it was.
        """
        if self.buffer is not None:
            self._check(plane, self.buffer)
        if plane != self._plane:
            before = self.bounds
            self._plane = plane
            self._forget()
            self._changed(before, self.bounds)

    def test(self) -> None:
        """Whether the plane's state can show the buffer, for the output's test.

        Raises:
            BadInput: It cannot; the message names surface and property.
        """
        if self.buffer is not None:
            self._check(self._plane, self.buffer)

    def _check(self, plane: PlaneState, buffer: Buffer) -> None:
        try:
            plane.check(*buffer.size)
        except BadInput as error:
            raise BadInput(f'surface "{self.name}": {error}') from None

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
            self._answered(Discarded(self.submitted))

    def take(self) -> Taken | None:
        """For the output's commit: the submission that its frame shows first, if there is one."""
        taken, self._pending = self._pending, False
        return Taken(self.name, self.submitted, self.on_taken, self._answered) if taken else None

    def _answered(self, feedback: Feedback) -> None:
        if isinstance(feedback, Presented):
            self.presented += 1
        else:
            self.discarded += 1
        if self.on_feedback is not None:
            self.on_feedback(feedback)

    def _forget(self) -> None:
        """It looks different, or elsewhere, from now on."""
        self._layer = self._bounds = None

    def _changed(self, *damage: Rect) -> None:
        if self.on_changed is not None and self._visible:
            self.on_changed(damage)
