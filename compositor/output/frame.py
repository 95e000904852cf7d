"""What one commit put on a monitor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.output.plane_assignment import Grant
from compositor.output.presentation import NO_FLAGS, Discarded, Feedback, PresentationFlags, Presented
from compositor.output.visible_picture import VisiblePicture
from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.screenshot import to_rgba
from compositor.render.cpu import Layer

BACKGROUND = ""
"""What composition writes where no surface is has this name, which no surface can have."""


class Taken(NamedTuple):
    """A commit of a surface that a frame shows first.

    Attributes:
        surface: The surface's name.
        commit: Number of the commit.
        latched: Tells the surface that the frame has been committed.
        answered: Tells it what became of the commit.
    """

    surface: str
    commit: int
    latched: Callable[[], None] | None
    answered: Callable[[Feedback], None]


@dataclass(slots=True, eq=False)
class Frame:
    """A presented picture and how it came about.

    Whoever shows or measures a frame does so before `release`: what is scanned out as it is, is the guest's
    own memory, which the guest may paint over as soon as it hears that the frame was presented.

    Attributes:
        output: Name of the output.
        commit_seq: Number of the commit on this output, from 1.
        present_time_ns: When it was presented, on the machine's clock; until then, when it was painted.
        damage: What changed since the frame before, as disjoint rectangles; never more than the screen.
        direct: Whether a guest's buffer is on the primary plane as it is, nothing composed.
        composed: Bytes that composition wrote, by surface, and under `BACKGROUND` where none is; 0 for
            those that are on planes.
        frame_ids: The guests' numbers of the frames that are visible, by surface.
        front: (height, width, 4) uint8, read-only: what is on the primary plane, a live view.
        front_format: Its memory order; an alpha byte means nothing.
        upload_bytes: What the screen copied into a texture to show it.
        checksum: Of the picture, where a digest was taken (see `compositor.observe.digest`).
        above: What is on the other planes, bottom to top.
        grants: The plane of each surface on the screen, or None, and why.
        refresh_ns: As `Presented` has it; set, like the next two, when the frame is presented.
        refresh_seq: `Presented.seq`.
        flags: `Presented.flags`, but for ZERO_COPY, which depends on the surface.
    """

    output: str
    commit_seq: int
    present_time_ns: int
    damage: tuple[Rect, ...]
    direct: bool
    composed: Mapping[str, int]
    frame_ids: Mapping[str, int | None]
    front: NDArray[np.uint8]
    front_format: PixelFormat
    upload_bytes: int = 0
    checksum: int | None = None
    refresh_ns: int = 0
    refresh_seq: int = 0
    flags: PresentationFlags = NO_FLAGS
    above: tuple[Layer, ...] = ()
    grants: Mapping[str, Grant] = field(default_factory=dict)
    _visible: VisiblePicture = field(default_factory=VisiblePicture, repr=False)
    _taken: tuple[Taken, ...] = field(default=(), repr=False)
    _on_end: Callable[[bool], None] | None = field(default=None, repr=False)
    _latched: bool = field(default=False, repr=False)
    _answered: bool = field(default=False, repr=False)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 4) uint8, read-only: what one sees, all planes together.

        A live view, which a later commit changes; `snapshot` lasts. Where more planes than the primary are in
        use they are put together when somebody looks.
        """
        if not self.above:
            return self.front
        return self._visible.of(self.commit_seq, self.damage, self.front, self.front_format, self.above)

    @property
    def format(self) -> PixelFormat:
        """Memory order of `pixels`. The picture is opaque: an alpha byte means nothing here."""
        return OUTPUT_FORMAT if self.above else self.front_format

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
        if not self._latched:
            self._latched = True
            for taken in self._taken:
                if taken.latched is not None:
                    taken.latched()

    def release(self) -> None:
        """The frame is on the screen: tell every surface whose new content it shows; once."""
        if self._answered:
            return
        self._answered = True
        if self._on_end is not None:
            self._on_end(True)
        for taken in self._taken:
            taken.answered(self._presented(taken))

    def discard(self) -> None:
        """The frame will never be on the screen: tell the same; once."""
        if not self._answered:
            self._answered = True
            if self._on_end is not None:
                self._on_end(False)
            for taken in self._taken:
                taken.answered(Discarded(taken.commit))

    def _presented(self, taken: Taken) -> Presented:
        grant = self.grants.get(taken.surface)
        scanned_out = grant is not None and grant.plane is not None and not self.upload_bytes
        as_it_is = PresentationFlags.ZERO_COPY if scanned_out else NO_FLAGS
        return Presented(
            taken.commit,
            self.present_time_ns,
            self.refresh_ns,
            self.refresh_seq,
            self.flags | as_it_is,
            self.commit_seq,
        )

    def snapshot(self) -> NDArray[np.uint8]:
        """A copy of the picture, (height, width, 4) uint8 RGBA, alpha 255."""
        return to_rgba(self.pixels, self.format, opaque=True)
