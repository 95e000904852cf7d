"""What an output shows of each surface: a buffer, a place and the state of a plane, bottom to top.

A layer is data. `Output` owns its layers, changes them and learns from each change what looks different;
whether a layer is composed or scanned out on a plane is `compositor.output.plane_assignment`'s say.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.output.plane_assignment import Wish
from compositor.output.submission import Submission
from compositor.pixels.format import AnyFormat, PixelFormat, check_layout, size_of
from compositor.pixels.geometry import Rect
from compositor.pixels.incoming import Incoming
from compositor.pixels.plane_state import PlaneState
from compositor.render.layer import AS_IT_IS, Layer


@dataclass(frozen=True, slots=True, eq=False)
class Buffer:
    """Pixels that a surface can show: aliased, never copied, and read only.

    Attributes:
        pixels: (height, width, 4) uint8, at least 1 x 1; pixels of a row adjoin, rows may be padded. Of
            other formats than the eight of a scanout, the first plane as `format.check_layout` has it.
        format: Memory order.
        zero_copy: True when `pixels` are the guest's own pages, False for the host's copy.
        frame_id: The guest's own number of this picture, where it is known.
        incoming: What has to be copied into `pixels` before they are read.
        chroma: The second plane of NV12.
        submission: Hears what becomes of it; None: its owner does not want to know.

    Raises:
        BadInput: A plane has another shape, type or layout than its format.
    """

    pixels: NDArray[np.uint8] = field(repr=False)
    format: AnyFormat
    zero_copy: bool = False
    frame_id: int | None = None
    incoming: Incoming | None = None
    chroma: NDArray[np.uint8] | None = field(default=None, repr=False)
    submission: Submission | None = None

    def __post_init__(self) -> None:
        check_layout(self.pixels, self.format, self.chroma)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height), pixels."""
        return size_of(self.pixels, self.format)

    def is_like(self, other: Buffer) -> bool:
        """Whether size and format are the same, so that damage says where the pictures differ."""
        return self.format is other.format and self.pixels.shape == other.pixels.shape


class OutputLayer:
    """A surface on one output.

    Args:
        name: The surface's, for statistics and messages; unique on the output.
        z: Stacking order; of equals, the one that was added later is above.
        cursor: Whether it moves more often than it changes, and so wants the cursor plane.

    Attributes:
        name: As given.
        cursor: As given.
        buffer: What it shows; None: nothing.
        plane: How it shows the buffer.
        position: (x, y) of its upper left corner on the output, pixels; may lie outside.
    """

    __slots__ = ("name", "cursor", "buffer", "plane", "position", "_z", "_pending", "_layer", "_wish")

    def __init__(self, name: str, *, z: int = 0, cursor: bool = False) -> None:
        self.name = name
        self.cursor = cursor
        self._z = z
        self.buffer: Buffer | None = None
        self.plane: PlaneState = AS_IT_IS
        self.position = (0, 0)
        self._pending: Submission | None = None
        self._layer: Layer | None = None
        self._wish: Wish | None = None

    @property
    def z(self) -> int:
        """Stacking order; `Output.restack` sorts the layers after it was changed."""
        return self._z

    @z.setter
    def z(self, z: int) -> None:
        if z != self._z:
            self._z, self._wish = z, None

    @property
    def pending(self) -> bool:
        """Whether its buffer's submission waits for a frame of this output."""
        return self._pending is not None

    @property
    def bounds(self) -> Rect:
        """What it covers of the output; empty without a buffer."""
        width, height = self.plane.size_of(*self.buffer.size) if self.buffer is not None else (0, 0)
        return Rect(*self.position, width, height)

    @property
    def layer(self) -> Layer:
        """It as renderers take it: the same object as long as it looks the same; only with a buffer."""
        if self._layer is None:
            buffer, (x, y) = self.buffer, self.position
            assert buffer is not None
            self._layer = Layer(
                buffer.pixels, buffer.format, x, y, buffer.incoming, self.plane, buffer.chroma
            )
        return self._layer

    @property
    def wish(self) -> Wish:
        """It as planes are given out: the same object until more of it changes than its content."""
        if self._wish is None:
            layer, plane = self.layer, self.plane
            pixel_format = layer.format if isinstance(layer.format, PixelFormat) else None
            scale = (1.0, 1.0) if plane.is_identity else None
            self._wish = Wish(self.bounds, pixel_format, layer.is_opaque, self.cursor, scale)
        return self._wish

    @property
    def is_arranged(self) -> bool:
        """Whether nothing but its content has changed since `wish` was last asked for."""
        return self._wish is not None

    def show(
        self,
        buffer: Buffer | None,
        damage: Rect | None = None,
        position: tuple[int, int] = (0, 0),
        plane: PlaneState = AS_IT_IS,
    ) -> tuple[Rect, ...]:
        """Show `buffer` at `position`, as `plane` says: all of it in one change.

        Args:
            buffer: The content, which may be the one it has. None shows nothing.
            damage: What differs from the content before, relative to the buffer; None: everything. A
                buffer of another size, format, place or plane differs in everything.
            position: See the attribute.
            plane: See the attribute.

        Returns:
            What of the output looks different now.

        Raises:
            BadInput: `plane` cannot show this buffer; nothing has changed.
        """
        old = self.buffer
        in_place = position == self.position and (plane is self.plane or plane == self.plane)
        if buffer is not None and not (in_place and old is not None and buffer.is_like(old)):
            in_place = False
            self._check(plane, buffer)
        self._replace(None if buffer is None else buffer.submission)
        if in_place and buffer is not None:
            self.buffer, self._layer = buffer, None
            after = self.bounds if self._wish is None else self._wish.bounds
            if damage is None:
                return (after,)
            return (plane.shown(damage, *buffer.size).translate(after.x, after.y).intersect(after),)
        before = self.bounds
        self.buffer, self.position, self.plane = buffer, position, plane
        self._layer = self._wish = None
        return before, self.bounds

    def move(self, position: tuple[int, int]) -> tuple[Rect, ...]:
        """Put it elsewhere; returns what of the output looks different now."""
        before, self.position = self.bounds, position
        self._layer = self._wish = None
        return before, self.bounds

    def _check(self, plane: PlaneState, buffer: Buffer) -> None:
        try:
            plane.check(*buffer.size)
        except BadInput as error:
            raise BadInput(f'surface "{self.name}": {error}') from None

    def _replace(self, submission: Submission | None) -> None:
        """Let `submission` wait for a frame, in place of the one that does."""
        if self.buffer is None or submission is not self.buffer.submission:
            self.discard()
            if submission is not None and submission.waiting:
                submission.join()
                self._pending = submission

    def discard(self) -> None:
        """Give up a submission that no frame shows yet, if there is one."""
        if self._pending is not None:
            submission, self._pending = self._pending, None
            submission.superseded()

    def take(self) -> Submission:
        """For the output's commit, of a layer with a `pending` one: the submission that its frame shows."""
        submission, self._pending = self._pending, None
        assert submission is not None
        return submission
