"""A node on one output: a surface there, which shows the node's buffer, or a part of it.

Cropping is a smaller window onto the same pixels, never a copy: a picture that spans two monitors can be
scanned out by both.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol

from compositor.output.frame import Frame
from compositor.output.presentation import Feedback, Presented
from compositor.output.surface import Buffer, Surface
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE, PlaneState
from compositor.pixels.transform import cropped
from compositor.presenter import Presenter
from compositor.scene.submission import Submission


class Spot(NamedTuple):
    """Where a node appears on one output.

    Attributes:
        x: Of the node's left edge on the output, pixels; may lie outside.
        y: As `x`, of its top edge.
        crop: What is shown of the node, in its own coordinates; None: all of it.
        alpha: How opaque it is, 0 to 0xffff.
    """

    x: int
    y: int
    crop: Rect | None = None
    alpha: int = OPAQUE


class Content(Protocol):
    """What a view shows; see `compositor.scene.surface.SurfaceNode`.

    Attributes:
        name: For statistics and messages.
        buffer: The pixels; None: nothing.
        plane: How they are turned.
        on_frame: Called with every frame of the output.
    """

    name: str
    buffer: Buffer | None
    plane: PlaneState
    on_frame: Callable[[Frame], None]


class View:
    """A node on one output.

    Args:
        node: The node.
        presenter: The output's.
        spot: Where.
        z: Stacking order there.
    """

    def __init__(self, node: Content, presenter: Presenter, spot: Spot, z: int) -> None:
        self.presenter = presenter
        self._node = node
        self._spot = spot
        self._pending: tuple[int, Submission] | None = None  # with its number on the surface
        self._taken: dict[int, Submission] = {}  # not presented yet, by the same number
        self.surface = Surface(node.name, z=z, on_taken=self._on_taken, on_feedback=self._on_feedback)
        self._move()
        presenter.output.scene.add(self.surface)
        presenter.listeners.append(node.on_frame)

    def place(self, spot: Spot) -> None:
        """Show it elsewhere; a submission that waits is not lost."""
        if spot == self._spot:
            return
        before, self._spot = self._spot, spot
        if (spot.crop, spot.alpha) != (before.crop, before.alpha):
            self.renew()
        self._move()
        self.presenter.schedule()

    def renew(self) -> None:
        """Show the node's buffer in its present state; a submission that waits is not lost."""
        if self._node.buffer is not None:
            waiting, self._pending = self._pending, None
            self.surface.discard()
            self.submit(self._node.buffer, None, None if waiting is None else waiting[1])

    def submit(self, buffer: Buffer | None, damage: Rect | None, submission: Submission | None) -> None:
        """Show its part of `buffer`; nobody hears of it without a `submission`."""
        crop, plane = self._spot.crop, self._node.plane
        if buffer is not None and crop is not None:
            if plane.is_in_place:
                buffer = _part(buffer, crop)
                damage = None if damage is None else damage.intersect(crop).translate(-crop.x, -crop.y)
            else:
                plane = cropped(plane, crop, buffer.size)
        self.surface.discard()
        if submission is not None:
            self._pending = self.surface.submitted + 1, submission
        self.surface.submit(buffer, damage)
        self.surface.set_plane(replace(plane, alpha=self._spot.alpha, zpos=self.surface.z))

    def close(self) -> None:
        """Take it off the output."""
        self.presenter.listeners.remove(self._node.on_frame)
        self.presenter.output.scene.remove(self.surface)
        while self._taken:
            self._taken.pop(next(iter(self._taken))).dropped(taken=True)
        self.presenter.schedule()

    def _move(self) -> None:
        x, y, crop, _ = self._spot
        self.surface.move(x + crop.x, y + crop.y) if crop is not None else self.surface.move(x, y)

    def _on_taken(self) -> None:
        pending, self._pending = self._pending, None
        if pending is not None:
            number, submission = pending
            self._taken[number] = submission
            submission.taken()

    def _on_feedback(self, feedback: Feedback) -> None:
        submission = self._taken.pop(feedback.commit, None)
        if submission is not None:
            if isinstance(feedback, Presented):
                submission.presented(feedback)
            else:
                submission.dropped(taken=True)
        elif self._pending is not None and self._pending[0] == feedback.commit:
            _, submission = self._pending
            self._pending = None
            submission.dropped(taken=False)


def _part(buffer: Buffer, crop: Rect) -> Buffer:
    """A window onto a buffer's pixels."""
    if buffer.incoming is not None:
        buffer.incoming.finish()  # what is outside of the window is wanted elsewhere
    pixels = buffer.pixels[crop.y : crop.bottom, crop.x : crop.right]
    return Buffer(pixels, buffer.format, buffer.zero_copy, buffer.frame_id)
