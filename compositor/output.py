"""A monitor: what is shown is decided in one place, by stage -> test -> commit -> present.

`stage` collects what the next frame shall be, `test` is the one check of its validity, `commit` paints
and presents it, wholly or not at all. Changes arrive at any time and only mark damage; nothing is painted
before the commit, and nothing is committed while nothing changed.

Direct scan-out: when one surface alone fills the screen, its buffer becomes the front buffer as it is and
not one byte is composed. Else the surfaces are composed into the output's own framebuffer. That is a
single one: readers (a screen, a screenshot) read it between two commits, never during one, so a second
would only double the memory and the area to repaint. What changed on the screen while a guest's buffer
was scanned out is remembered and repainted when composition resumes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.frame import BACKGROUND, Frame
from compositor.frame_state import FrameEvent, FrameState, advance
from compositor.geometry import Rect
from compositor.mode import Mode
from compositor.pixel import OUTPUT_FORMAT, PixelFormat
from compositor.region import Region
from compositor.render.cpu import Layer, compose
from compositor.render.target import allocate
from compositor.scene import Scene
from compositor.surface import Buffer, Surface

__all__ = ["Frame", "FrameState", "Mode", "Output", "OutputState"]


@dataclass(frozen=True, slots=True)
class OutputState:
    """What an output is set to, beside its scene.

    Attributes:
        mode: Size and refresh rate.
        background: 0xRRGGBB where no surface is.
    """

    mode: Mode
    background: int = 0

    def check(self) -> None:
        """The one validity check, of `test` and of `commit`.

        Raises:
            BadInput: A property is out of range; the message names it.
        """
        self.mode.check()
        if not 0 <= self.background <= 0xFFFFFF:
            raise BadInput(f"background {self.background:#x} is not in 0x000000 to 0xffffff")


class _Front(NamedTuple):
    """What is scanned out."""

    pixels: NDArray[np.uint8]
    format: PixelFormat
    direct: bool

    def same_kind(self, other: _Front | None) -> bool:
        """Whether a reader that follows the damage can go on from `other`."""
        return (
            other is not None
            and self.direct == other.direct
            and self.format is other.format
            and self.pixels.shape == other.pixels.shape
        )


class Output:
    """A monitor with a scene.

    Attributes:
        name: For statistics and messages; the machine numbers outputs that have none.
        scene: Its surfaces.
        state: Where it stands.
        commit_seq: Number of the last commit; commits count from 1.
        on_needs_frame: Called when a repaint is wanted, once until the next commit. A new output wants
            one: look at `state` when setting this.
        direct_scanout: Whether a buffer that fills the screen may be scanned out as it is.
        position: (x, y) in the layout of outputs, pixels; None: to the right of those before it.
        plugged: Whether there is a monitor; else this is a connector that waits for one.
        modes: Those that the monitor has; empty: any.
    """

    def __init__(
        self,
        mode: str | Mode,
        *,
        name: str = "",
        background: int = 0,
        direct_scanout: bool = True,
        position: tuple[int, int] | None = None,
        plugged: bool = True,
        modes: Sequence[Mode] = (),
    ) -> None:
        """A monitor that shows nothing yet.

        Args:
            mode: As `Mode.parse` reads it.
            name: See the attribute.
            background: 0xRRGGBB where no surface is.
            direct_scanout: See the attribute.
            position: See the attribute.
            plugged: See the attribute.
            modes: See the attribute.

        Raises:
            BadInput: The mode or the background makes no sense.
        """
        self.name = name
        self.direct_scanout = direct_scanout
        self.position = position
        self.plugged = plugged
        self.modes = tuple(modes)
        self.on_needs_frame: Callable[[], None] | None = None
        self.commit_seq = 0
        self.state = FrameState.IDLE
        self.scene = Scene(self._changed)
        self._staged = OutputState(Mode.parse(mode) if isinstance(mode, str) else mode, background)
        self.test()
        self.check_mode(self.mode)
        self._front: _Front | None = None
        self._framebuffer: NDArray[np.uint8] | None = None
        self._damage = Region()
        self._stale = Region()  # where the framebuffer is behind the screen
        self.repaint()

    @property
    def mode(self) -> Mode:
        """The mode of the next frame, and of all frames since it was set."""
        return self._staged.mode

    @property
    def background(self) -> int:
        """0xRRGGBB where no surface is."""
        return self._staged.background

    def stage(self, *, mode: Mode | None = None, background: int | None = None) -> OutputState:
        """What the output would be set to with these changes; nothing happens yet."""
        staged = self._staged
        return replace(
            staged,
            mode=staged.mode if mode is None else mode,
            background=staged.background if background is None else background,
        )

    def test(self, state: OutputState | None = None) -> None:
        """Whether a commit of `state` (by default: of what is staged) would succeed; changes nothing.

        Raises:
            BadInput: It would not; the message names the property.
        """
        (self._staged if state is None else state).check()

    def set_mode(self, mode: str | Mode) -> None:
        """Switch mode with the next commit; until then the last frame stays.

        Raises:
            BadInput: No such mode; the output goes on as it was.
        """
        mode = Mode.parse(mode) if isinstance(mode, str) else mode
        self.check_mode(mode)
        self._set(self.stage(mode=mode))

    def check_mode(self, mode: Mode) -> None:
        """Whether the monitor could show `mode`; changes nothing.

        Raises:
            BadInput: It is out of range, or the monitor has not got it.
        """
        mode.check()
        if self.modes and mode not in self.modes:
            raise BadInput(
                f"{self.name or 'this output'} has no mode {mode}; it has {', '.join(map(str, self.modes))}"
            )

    def set_background(self, background: int) -> None:
        """Paint 0xRRGGBB where no surface is, from the next commit on.

        Raises:
            BadInput: Not a colour; the output goes on as it was.
        """
        self._set(self.stage(background=background))

    def _set(self, state: OutputState) -> None:
        self.test(state)
        if state != self._staged:
            self._staged = state
            self.repaint()

    def repaint(self) -> None:
        """Ask for a frame that shows everything anew."""
        self._changed((self.mode.rect,))

    def _changed(self, damage: tuple[Rect, ...]) -> None:
        """The scene or a property changed what these rectangles show."""
        screen = self.mode.rect
        for rect in damage:
            self._damage.add(rect.intersect(screen))
        if self._is_due():
            wanted = self.state is not FrameState.NEEDS_FRAME
            self.state = advance(self.state, FrameEvent.CHANGED)
            if wanted and self.on_needs_frame is not None:
                self.on_needs_frame()

    def _is_due(self) -> bool:
        """Whether a commit has anything to show or anybody to tell."""
        return len(self._damage) > 0 or any(surface.pending for surface in self.scene)

    def commit(self, now_ns: int) -> Frame | None:
        """Paint and present what changed since the last commit.

        The caller says that it was taken (`Frame.latch`), shows it, measures it, then releases it
        (`Frame.release`).

        Args:
            now_ns: When it will be on the screen, on the machine's clock.

        Returns:
            The frame, or None when nothing changed, which costs nothing.
        """
        if self.state is not FrameState.NEEDS_FRAME or not self._is_due():
            self.state = advance(self.state, FrameEvent.SKIPPED)
            return None
        self.test()
        surfaces = self.scene.visible()
        damage = self._damage.clip(self.mode.rect)
        for rect in damage:
            self._stale.add(rect)
        front, composed = self._direct(surfaces) or self._compose(surfaces)
        if not front.same_kind(self._front):
            damage = Region([self.mode.rect])
        self._front, self._damage = front, Region()
        self.state = advance(self.state, FrameEvent.COMMITTED)
        self.commit_seq += 1
        taken = [surface for surface in surfaces if surface.take()]
        return Frame(
            output=self.name,
            commit_seq=self.commit_seq,
            present_time_ns=now_ns,
            damage=tuple(damage),
            direct=front.direct,
            composed=composed,
            frame_ids={s.name: s.buffer.frame_id for s in surfaces if s.buffer is not None},
            pixels=front.pixels,
            format=front.format,
            _taken=[s.on_taken for s in taken if s.on_taken is not None],
            _feedback=[s.on_presented for s in taken if s.on_presented is not None],
        )

    def _direct(self, surfaces: list[Surface]) -> tuple[_Front, dict[str, int]] | None:
        """The buffer that can be scanned out as it is: it fills the screen, and nothing is above it.

        A buffer with alpha qualifies on a black background with nothing in between: premultiplied OVER
        black adds nothing.
        """
        screen = self.mode.rect
        shown = [surface for surface in surfaces if not surface.bounds.intersect(screen).empty]
        if not self.direct_scanout or not shown or shown[-1].bounds != screen:
            return None
        buffer = shown[-1].buffer
        assert buffer is not None
        if buffer.format.has_alpha and (len(shown) > 1 or self.background):
            return None
        if buffer.incoming is not None:
            buffer.incoming.finish()
        pixels = buffer.pixels.view()
        pixels.flags.writeable = False
        return _Front(pixels, buffer.format, direct=True), {shown[-1].name: 0}

    def _compose(self, surfaces: list[Surface]) -> tuple[_Front, dict[str, int]]:
        """Paint what is stale of the framebuffer; also the bytes written, as `Frame.composed` has them."""
        mode = self.mode
        if self._framebuffer is None or self._framebuffer.shape != (mode.height, mode.width, 4):
            self._framebuffer = allocate(mode.width, mode.height)
            self._stale = Region([mode.rect])
        layers = [_layer(s.buffer, s.bounds) for s in surfaces if s.buffer]
        written = compose(self._framebuffer, layers, self._stale, self.background)
        self._stale.clear()
        front = self._framebuffer.view()
        front.flags.writeable = False
        names = [*(surface.name for surface in surfaces), BACKGROUND]
        return _Front(front, OUTPUT_FORMAT, direct=False), dict(zip(names, written, strict=True))


def _layer(buffer: Buffer, bounds: Rect) -> Layer:
    return Layer(buffer.pixels, buffer.format, bounds.x, bounds.y, buffer.incoming)
