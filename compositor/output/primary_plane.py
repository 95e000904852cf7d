"""What an output's primary plane reads: a surface's buffer as it is, or a composition in a framebuffer.

An `Arrangement` says which layers are on planes above this one, and so are not composed. A framebuffer is
busy until its frame is on the screen and another one after it, and remembers what changed since it was
painted. Layers that move to a plane above, or come back, change what is to be composed, though not what one
sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compositor.output.layers import OutputLayer
from compositor.output.mode import OutputState
from compositor.output.plane import PlaneBudget, PlaneKind
from compositor.output.plane_assignment import Grant, assign
from compositor.pixels.format import OUTPUT_FORMAT, PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.region import Region
from compositor.render import cpu, linear
from compositor.render.layer import Layer
from compositor.render.words import allocate

BACKGROUND = ""
"""What composition writes where no surface is has this name, which no surface can have."""


class Arrangement(NamedTuple):
    """What becomes of an output's layers. It holds until one of them changes more than its content.

    Attributes:
        grants: The plane of each layer on the screen, or None, and why; by the layer's name.
        direct: The layer on the primary plane; None: that has the composition.
        above: Layers on planes above it, bottom to top.
        below: All other layers with a buffer, bottom to top: what is composed, where it is on the screen.
        shown: All layers with a buffer, bottom to top.
    """

    grants: dict[str, Grant]
    direct: OutputLayer | None
    above: list[OutputLayer]
    below: list[OutputLayer]
    shown: list[OutputLayer]

    def planes(self) -> tuple[Layer, ...]:
        """What the planes above the primary read."""
        return tuple([scanned_out(layer) for layer in self.above]) if self.above else ()


def arrange(
    layers: Sequence[OutputLayer], screen: Rect, planes: PlaneBudget, *, black: bool, direct: bool
) -> Arrangement:
    """Give planes to the layers that have a buffer, bottom to top; for the rest see `assign`."""
    shown = [layer for layer in layers if layer.buffer is not None]
    wishes = [layer.wish for layer in shown]
    on_screen = [not wish.bounds.intersect(screen).empty for wish in wishes]
    wished = list(compress(shown, on_screen))
    grants, index = assign(planes, list(compress(wishes, on_screen)), screen, black=black, direct=direct)
    above = [
        layer
        for layer, grant in zip(wished, grants, strict=True)
        if grant.plane is not None and grant.plane.kind is not PlaneKind.PRIMARY
    ]
    return Arrangement(
        {layer.name: grant for layer, grant in zip(wished, grants, strict=True)},
        None if index is None else wished[index],
        above,
        [layer for layer in shown if layer not in above],
        shown,
    )


def scanned_out(layer: OutputLayer) -> Layer:
    """What a plane reads of a layer: the buffer as it is."""
    read = layer.layer
    if read.incoming is not None:
        read.incoming.finish()
    return read


class Framebuffer:
    """One picture of an output's own.

    Attributes:
        pixels: (height, width, 4) uint8, XRGB8888.
        view: The same, read-only.
        stale: What the screen shows otherwise since this was painted: what a buffer's age
            (EGL_EXT_buffer_age) stands for, to the rectangle.
    """

    __slots__ = ("pixels", "view", "stale")

    def __init__(self, width: int, height: int) -> None:
        self.pixels: NDArray[np.uint8] = allocate(width, height)
        self.view = self.pixels.view()
        self.view.flags.writeable = False
        self.stale = Region([Rect(0, 0, width, height)])


class Framebuffers:
    """All pictures of one output, made when they are needed.

    A frame that waits for its vblank must not be painted over, and neither must the one that is on the screen
    until then; so there are up to three. Where frames are shown as soon as they are painted one is enough:
    readers look between two commits, never during one.
    """

    def __init__(self) -> None:
        self._all: list[Framebuffer] = []

    def __len__(self) -> int:
        return len(self._all)

    def damage(self, rect: Rect) -> None:
        """What the screen shows here has changed, for all of them."""
        for framebuffer in self._all:
            framebuffer.stale.add(rect)

    def acquire(self, width: int, height: int, busy: Collection[Framebuffer | None]) -> Framebuffer:
        """One to paint: of those that are not busy, the one that is behind the least."""
        self._all = [each for each in self._all if each.pixels.shape == (height, width, 4)]
        free = [each for each in self._all if each not in busy] if busy else self._all
        if not free:
            free = [Framebuffer(width, height)]
            self._all += free
        return free[0] if len(free) == 1 else min(free, key=lambda each: each.stale.area)


FrontKind = tuple[bool, PixelFormat, tuple[int, ...]]


class Front(NamedTuple):
    """What is on the primary plane in one frame.

    Attributes:
        pixels: (height, width, 4) uint8, read-only.
        format: Memory order.
        composed: Bytes that composition wrote, by layer; 0 for layers on planes.
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

    @property
    def kind(self) -> FrontKind:
        """Equal for two between which a reader that follows the damage can go on."""
        return self.direct, self.format, self.pixels.shape


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
        self._above: set[OutputLayer] = set()  # those that were on planes above this one

    def damage(self, visible: Rect, layer: OutputLayer | None) -> None:
        """A layer has changed what one sees here, or a property of the output has."""
        if layer not in self._above:
            self.framebuffers.damage(visible)

    def rearrange(self, arrangement: Arrangement, layers: Sequence[OutputLayer], screen: Rect) -> None:
        """Layers that leave this plane for one above it, or come back, change the composition there.

        Args:
            arrangement: Of the layers that have a buffer.
            layers: All layers.
            screen: The output's rectangle.
        """
        # A layer without a buffer, or beside the screen, is not on this plane: it returns without a repaint.
        away = self._above.intersection(layers).difference(arrangement.shown)
        for layer in arrangement.above:
            if layer not in self._above:
                self.framebuffers.damage(layer.bounds.intersect(screen))
        for layer in arrangement.below:
            if layer in self._above:
                visible = layer.bounds.intersect(screen)
                self.framebuffers.damage(visible)
                if visible.empty:
                    away.add(layer)
        self._above = away.union(arrangement.above)

    def show(self, arrangement: Arrangement, state: OutputState, *, deferred: bool) -> Front:
        """What it reads in the next frame, painted where it was stale.

        Args:
            arrangement: Of the layers that have a buffer.
            state: What the output is set to.
            deferred: Until the frame is on the screen, the one before stays there.
        """
        if arrangement.direct is None:
            return self._compose(arrangement, state, deferred)
        layer = scanned_out(arrangement.direct)
        assert isinstance(layer.format, PixelFormat), "planes read no other formats"
        pixels = layer.pixels.view()
        pixels.flags.writeable = False
        composed = {arrangement.direct.name: 0} | {layer.name: 0 for layer in arrangement.above}
        return Front(pixels, layer.format, composed, None)

    def begin(self, commit_seq: int, front: Front, *, deferred: bool) -> None:
        """A frame is on its way to the screen; when it is not deferred, it is there."""
        self._waiting.append((commit_seq, front.framebuffer))
        if not deferred:
            self.end(True)

    def end(self, shown: bool) -> None:
        """The oldest frame on its way is on the screen, or will never be."""
        commit_seq, framebuffer = self._waiting.popleft()
        if shown:
            self.shown_seq, self._on_screen = commit_seq, framebuffer

    def _compose(self, arrangement: Arrangement, state: OutputState, deferred: bool) -> Front:
        """Paint what is stale of a framebuffer."""
        busy = [framebuffer for _, framebuffer in self._waiting]
        if deferred:
            busy.append(self._on_screen)
        framebuffer = self.framebuffers.acquire(state.mode.width, state.mode.height, busy)
        layers = arrangement.below
        written = [0] * (len(layers) + 1)
        if framebuffer.stale:
            compose = linear.compose if state.linear_light else cpu.compose
            pictures = [layer.layer for layer in layers]
            written = compose(framebuffer.pixels, pictures, framebuffer.stale, state.background)
            framebuffer.stale.clear()
        composed = {layer.name: 0 for layer in arrangement.above}
        for layer, count in zip(layers, written, strict=False):
            composed[layer.name] = count
        composed[BACKGROUND] = written[-1]
        return Front(framebuffer.view, OUTPUT_FORMAT, composed, framebuffer)
