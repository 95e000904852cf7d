"""What one commit put on a monitor."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from compositor.output.plane_assignment import Grant
from compositor.output.submission import NO_FLAGS, PresentationFlags, Presented, Submission
from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.screenshot import to_rgba
from compositor.render.cpu import compose
from compositor.render.layer import Layer


class VisiblePicture:
    """The planes of an output put together, for looks at it; kept, and painted on from look to look.

    Attributes:
        readback_bytes: What all looks have written: compositions of planes, and copies of pictures.
    """

    def __init__(self) -> None:
        self.readback_bytes = 0
        self._pixels = np.empty((0, 0, 4), np.uint8)
        self._seq = 0  # of the frame that it shows

    def of(
        self,
        commit_seq: int,
        damage: tuple[Rect, ...],
        front: NDArray[np.uint8],
        front_format: PixelFormat,
        above: tuple[Layer, ...],
    ) -> NDArray[np.uint8]:
        """The picture of a frame, XRGB8888, read-only; valid until the next frame's is asked for.

        Args:
            commit_seq: Number of the frame.
            damage: What differs from the frame before.
            front: What is on the primary plane.
            front_format: Its memory order; alpha means nothing.
            above: What is on the other planes, bottom to top.
        """
        if commit_seq != self._seq:
            height, width = front.shape[:2]
            if commit_seq != self._seq + 1 or self._pixels.shape != front.shape:
                damage = (Rect(0, 0, width, height),)
            if self._pixels.shape != front.shape:
                self._pixels = np.empty((height, width, 4), np.uint8)
            compose(self._pixels, [Layer(front, front_format.opaque), *above], damage)
            self.readback_bytes += 4 * sum(rect.area for rect in damage)
            self._seq = commit_seq
        picture = self._pixels.view()
        picture.flags.writeable = False
        return picture


@dataclass(slots=True, eq=False, repr=False)
class Frame:
    """A presented picture and how it came about.

    Show or measure a frame before `release`: what is scanned out as it is, is the guest's own memory, which
    the guest may paint over as soon as it hears that the frame was presented.

    Attributes:
        output: Name of the output.
        commit_seq: Number of the commit on this output, from 1.
        present_time_ns: When it was presented, on the machine's clock; until then, when it was painted.
        damage: What changed since the frame before, as disjoint rectangles; never more than the screen.
        direct: Whether a guest's buffer is on the primary plane as it is, nothing composed.
        composed: Bytes that composition wrote, by surface, and under `primary_plane.BACKGROUND` where none
            is; 0 for those that are on planes.
        frame_ids: The guests' numbers of the frames that are visible, by surface.
        front: (height, width, 4) uint8, read-only: what is on the primary plane, a live view.
        front_format: Its memory order; an alpha byte means nothing.
        upload_bytes: What the screen copied into a texture to show it.
        checksum: Of the picture, where a digest was taken (see `compositor.observe.digest`).
        above: What is on the other planes, bottom to top.
        grants: The plane of each surface on the screen, or None, and why.
        submissions: Those that this frame shows first.
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
    submissions: tuple[Submission, ...] = ()
    _visible: VisiblePicture = field(default_factory=VisiblePicture, repr=False)
    _on_end: Callable[[bool], None] | None = field(default=None, repr=False)
    _latched: bool = field(default=False, repr=False)
    _answered: bool = field(default=False, repr=False)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(height, width, 4) uint8, read-only: what one sees, all planes together.

        A live view, which a later commit changes; `snapshot` lasts. Where more planes than the primary are in
        use, the first look puts them together.
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

    def __repr__(self) -> str:
        height, width = self.front.shape[:2]
        seen = ", ".join(f"{name} {number}" for name, number in self.frame_ids.items()) or "no guest"
        when = f"{self.present_time_ns / 1e9:.6f} s"
        return f"<frame {self.commit_seq} of {self.output} at {when}, {width}x{height}, showing {seen}>"

    def latch(self) -> None:
        """Tell every submission that this frame shows that it was latched; once, after the commit."""
        if not self._latched:
            self._latched = True
            for submission in self.submissions:
                submission.latched()

    def release(self) -> None:
        """The frame is on the screen: tell every submission that it shows; once."""
        if not self._end(shown=True):
            return
        for submission in self.submissions:
            submission.presented(
                Presented(
                    submission.number,
                    self.present_time_ns,
                    self.refresh_ns,
                    self.refresh_seq,
                    self._flags_of(submission),
                    self.commit_seq,
                )
            )

    def discard(self) -> None:
        """The frame will never be on the screen: tell the same; once."""
        if self._end(shown=False):
            for submission in self.submissions:
                submission.discarded()

    def _end(self, *, shown: bool) -> bool:
        """Whether this is the first that is heard of its end."""
        if self._answered:
            return False
        self._answered = True
        if not self._latched:
            self.latch()
        if self._on_end is not None:
            self._on_end(shown)
        return True

    def _flags_of(self, submission: Submission) -> PresentationFlags:
        """`flags`, and whether the submission's pixels reached the screen as they are."""
        grant = self.grants.get(submission.surface)
        if grant is None or grant.plane is None or self.upload_bytes:
            return self.flags
        return self.flags | PresentationFlags.ZERO_COPY

    def read_back(self, written_bytes: int) -> None:
        """Count what a look at this frame has written."""
        self._visible.readback_bytes += written_bytes

    def snapshot(self) -> NDArray[np.uint8]:
        """A copy of the picture, (height, width, 4) uint8 RGBA, alpha 255."""
        pixels = self.pixels
        self.read_back(pixels.size)
        return to_rgba(pixels, self.format, opaque=True)
