"""What an output's primary plane reads: a surface's buffer as it is, or a composition of our own.

A composition is painted into one of the output's framebuffers (`compositor.output.framebuffers`), which is
busy until the frame is on the screen and another one after it. Surfaces that move to a plane above this one,
or come back, change what is to be composed, though not what one sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.output.arrangement import Arrangement, scanned_out
from compositor.output.frame import BACKGROUND
from compositor.output.framebuffers import Framebuffer, Framebuffers
from compositor.output.state import OutputState
from compositor.output.surface import Surface
from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render import cpu, linear


class Front(NamedTuple):
    """What is on the primary plane in one frame.

    Attributes:
        pixels: (height, width, 4) uint8.
        format: Memory order.
        composed: Bytes that composition wrote, by surface.
        framebuffer: Where; None: it is a guest's buffer.
    """

    pixels: NDArray[np.uint8]
    format: PixelFormat
    composed: dict[str, int]
    framebuffer: Framebuffer | None

    @property
    def direct(self) -> bool:
        """Whether nothing was composed."""
        return self.framebuffer is None

    def same_kind(self, other: Front | None) -> bool:
        """Whether a reader that follows the damage can go on from `other`."""
        return (
            other is not None
            and self.direct == other.direct
            and self.format is other.format
            and self.pixels.shape == other.pixels.shape
        )


class PrimaryPlane:
    """The primary plane of one output.

    Attributes:
        framebuffers: The output's own pictures; as many as frames are under way.
        shown_seq: Number of the commit that is on the screen; 0: none yet.
    """

    def __init__(self) -> None:
        self.framebuffers = Framebuffers()
        self.shown_seq = 0
        self._on_screen: Framebuffer | None = None
        # Frames that are committed and not on the screen.
        self._waiting: deque[tuple[int, Framebuffer | None]] = deque()
        self._above: set[Surface] = set()  # those that were on planes above this one

    def damage(self, visible: Rect, surface: Surface | None) -> None:
        """A surface has changed what one sees here, or a property of the output has."""
        if surface not in self._above:
            self.framebuffers.damage(visible)

    def rearrange(
        self, arrangement: Arrangement, scene: Iterable[Surface], surfaces: Sequence[Surface], screen: Rect
    ) -> None:
        """Who leaves this plane for one above it, or comes back, changes the composition there.

        Args:
            arrangement: Of the visible surfaces.
            scene: All surfaces.
            surfaces: Those that are visible.
            screen: The output's rectangle.
        """
        # Who is hidden, or beside the screen, is not on the primary plane, and needs no repaint to return.
        away = self._above.intersection(scene).difference(surfaces)
        for surface in arrangement.above:
            if surface not in self._above:
                self.framebuffers.damage(surface.bounds.intersect(screen))
        for surface in arrangement.below:
            if surface in self._above:
                visible = surface.bounds.intersect(screen)
                self.framebuffers.damage(visible)
                if visible.empty:
                    away.add(surface)
        self._above = away.union(arrangement.above)

    def show(self, arrangement: Arrangement, state: OutputState, *, deferred: bool) -> Front:
        """What it reads in the next frame, painted where it was stale.

        Args:
            arrangement: Of the visible surfaces.
            state: What the output is set to.
            deferred: Until the frame is on the screen, the one before stays there.
        """
        if arrangement.direct is not None:
            return _scan_out(arrangement.direct)
        return self._compose(arrangement.below, state, deferred)

    def begin(self, commit_seq: int, front: Front) -> None:
        """A frame is on its way to the screen."""
        self._waiting.append((commit_seq, front.framebuffer))

    def end(self, shown: bool) -> None:
        """The oldest frame on its way is on the screen, or will never be."""
        commit_seq, framebuffer = self._waiting.popleft()
        if shown:
            self.shown_seq, self._on_screen = commit_seq, framebuffer

    def _compose(self, surfaces: Sequence[Surface], state: OutputState, deferred: bool) -> Front:
        """Paint what is stale of a framebuffer."""
        busy = [framebuffer for _, framebuffer in self._waiting]
        if deferred:
            busy.append(self._on_screen)
        framebuffer = self.framebuffers.acquire(state.mode.width, state.mode.height, busy)
        written = [0] * (len(surfaces) + 1)
        if framebuffer.stale:
            layers = [surface.layer for surface in surfaces]
            compose = linear.compose if state.linear_light else cpu.compose
            written = compose(framebuffer.pixels, layers, framebuffer.stale, state.background)
            framebuffer.stale.clear()
        front = framebuffer.pixels.view()
        front.flags.writeable = False
        names = [*(surface.name for surface in surfaces), BACKGROUND]
        return Front(front, OUTPUT_FORMAT, dict(zip(names, written, strict=True)), framebuffer)


def _scan_out(surface: Surface) -> Front:
    """A surface's buffer on the primary plane, as it is."""
    layer = scanned_out(surface)
    assert isinstance(layer.format, PixelFormat), "planes read no other formats"
    pixels = layer.pixels.view()
    pixels.flags.writeable = False
    return Front(pixels, layer.format, {surface.name: 0}, None)
