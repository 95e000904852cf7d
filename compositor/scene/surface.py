"""A surface: a node that shows the buffer last submitted to it, on every output that it lies on.

On each output it has a layer. Cropping is a smaller window onto the same pixels, never a copy: a picture that
spans two monitors can be scanned out by both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from compositor.errors import BadInput
from compositor.output.frame import Frame
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE, PlaneState, Rotation, check_size, cropped
from compositor.scene.tree import Area, Inherited, Node


class Viewport(NamedTuple):
    """How a surface appears on one output.

    Attributes:
        position: (x, y) on the output of what is shown, pixels; may lie outside.
        plane: How the buffer is shown.
        crop: The window onto the buffer's pixels that is shown; None: all, or what `plane` takes.
    """

    position: tuple[int, int]
    plane: PlaneState
    crop: Rect | None = None


@dataclass(slots=True)
class _Shown:
    """A surface on an output, as it is now; `buffer` is the surface's, of which the layer may show a part."""

    layer: OutputLayer
    viewport: Viewport
    buffer: Buffer | None = None


class Surface(Node):
    """A node that shows a buffer.

    Args:
        name: For statistics and messages.
        rotation: How buffers are turned, about the upper left corner.
        cursor: See `OutputLayer`.
        on_frame: Called with every frame of every output that it is on.

    Attributes:
        name: As given.
        on_resized: Called when what it covers has changed with its buffer.
        buffer: What it shows; None: nothing.
        plane: How its buffer is turned; the node covers what that gives.
    """

    def __init__(
        self,
        name: str,
        *,
        x: int = 0,
        y: int = 0,
        z: int = 0,
        clip: Rect | None = None,
        outputs: Sequence[int] | None = None,
        alpha: int = OPAQUE,
        rotation: Rotation = Rotation.ROTATE_0,
        cursor: bool = False,
        on_frame: Callable[[Frame], None] | None = None,
    ) -> None:
        super().__init__(x=x, y=y, z=z, clip=clip, outputs=outputs, alpha=alpha)
        self.name = name
        self.plane = PlaneState(rotation=rotation)
        self.buffer: Buffer | None = None
        self.on_resized: Callable[[], None] = _unheard
        self._cursor = cursor
        self._on_frame = on_frame
        self._shown: dict[Output, _Shown] = {}
        self._inherited = Inherited()
        self._areas: Sequence[Area] = ()  # none: it is not part of a tree
        self._level = 0
        self._arrangement = 0  # grows with each

    @property
    def layers(self) -> Mapping[Output, OutputLayer]:
        """Its layer on each output that it is on."""
        return {output: shown.layer for output, shown in self._shown.items()}

    def submit(
        self, buffer: Buffer | None, damage: Rect | None = None, *, at: tuple[int, int] | None = None
    ) -> None:
        """Show `buffer` from the next commits on; where no output shows it, it is discarded at once.

        The one check is here, before anything changes, and for every way in which a surface can be shown: so
        none of its outputs refuses it, now or when the surface moves, turns or fades later.

        Args:
            buffer: The new content. None shows nothing, and is not a submission.
            damage: What differs from the content before, relative to the buffer; None: everything.
            at: Where it lies from then on, as for `move`, of a surface without children; None: where it is.

        Raises:
            BadInput: Planes do not show buffers of this size; nothing has changed.
        """
        if buffer is not None:
            self._check(buffer)
        before, self.buffer = self.buffer, buffer
        moved = at is not None and at != self.position
        self._x, self._y = at or self.position
        if before is None or buffer is None or not buffer.is_like(before):
            self._arrange()
            self.on_resized()
        elif moved:
            self._arrange()
        else:
            arrangement = self._arrangement
            for output, shown in tuple(self._shown.items()):
                position, plane, _ = shown.viewport
                output.show(shown.layer, *self._part(shown, damage), position, plane)
                if arrangement != self._arrangement:  # a repaint within that call changed the outputs
                    break
        if buffer is not None and buffer.submission is not None:
            buffer.submission.handed_out()

    def _check(self, buffer: Buffer) -> None:
        try:
            check_size(*buffer.size)
        except BadInput as error:
            raise BadInput(f'surface "{self.name}": {error}') from None

    def discard(self) -> None:
        """Give up what no output has latched yet."""
        for shown in tuple(self._shown.values()):
            shown.layer.discard()

    def blank(self) -> None:
        """Say that its picture is about to be taken off its outputs."""
        for output in tuple(self._shown):
            output.on_blank()

    def move(self, x: int, y: int) -> None:
        """As `Node.move`; one that has no children moves alone."""
        if not self._areas or self.children:
            super().move(x, y)
        elif (x, y) != self.position:
            self._x, self._y = x, y
            self._arrange()

    def turn(self, rotation: Rotation) -> None:
        """Show the buffer turned, about its upper left corner, which stays where it is."""
        if rotation != self.plane.rotation:
            self.plane = PlaneState(rotation=rotation)
            self._arrange()

    def stack(self, level: int) -> None:
        """Lie at this level of its outputs' layers, which are sorted afterwards."""
        self._level = level
        for shown in self._shown.values():
            shown.layer.z = level

    def place(self, parent: Inherited, areas: Sequence[Area]) -> None:
        """Appear where it lies on the outputs."""
        self._inherited, self._areas = parent, areas
        self._arrange()

    def withdraw(self) -> None:
        """Appear nowhere."""
        self._areas = ()
        self._arrange()

    def _arrange(self) -> None:
        """Have a layer wherever it is to be seen; new ones first, so that no submission loses its last.

        An output may repaint within the call that shows a buffer on it, and a listener to that frame may take
        a monitor away: the arrangement that this brings is newer, and complete.
        """
        self._arrangement += 1
        arrangement = self._arrangement
        viewports = self._viewports() if self._areas else {}
        for output, viewport in viewports.items():
            shown = self._shown.get(output)
            if shown is None:
                shown = self._appear(output, viewport)
            elif shown.viewport == viewport and shown.buffer is self.buffer:
                continue
            shown.viewport = viewport
            output.show(shown.layer, *self._part(shown), viewport.position, viewport.plane)
            if arrangement != self._arrangement:
                return
        for output in [output for output in self._shown if output not in viewports]:
            self._leave(output)

    def _appear(self, output: Output, viewport: Viewport) -> _Shown:
        shown = self._shown[output] = _Shown(
            OutputLayer(self.name, z=self._level, cursor=self._cursor), viewport
        )
        output.add(shown.layer)
        if self._on_frame is not None:
            output.listeners.append(self._on_frame)
        return shown

    def _leave(self, output: Output) -> None:
        if self._on_frame is not None:
            output.listeners.remove(self._on_frame)
        output.remove(self._shown.pop(output).layer)

    def _part(self, shown: _Shown, damage: Rect | None = None) -> tuple[Buffer | None, Rect | None]:
        """The buffer and its damage, or the part of both on an output, which shows it from now on."""
        shown.buffer, crop = self.buffer, shown.viewport.crop
        if self.buffer is None or crop is None:
            return self.buffer, damage
        damage = None if damage is None else damage.intersect(crop).translate(-crop.x, -crop.y)
        return _window(self.buffer, crop), damage

    def _viewports(self) -> dict[Output, Viewport]:
        """How it appears on which outputs.

        What is shown on given outputs is cropped by clips alone: an output shows what lies on it. What lies
        in the layout is cropped to each output, so that both halves of a picture may be scanned out.
        """
        x, y, clip, outputs, alpha = self.inherit(self._inherited)
        size = (0, 0) if self.buffer is None else self.plane.size_of(*self.buffer.size)
        extent = Rect(0, 0, *size)
        if clip is not None:
            clip = extent.intersect(clip.translate(-x, -y))
        viewports = {}
        for output, area in self._areas if outputs is None else [self._areas[index] for index in outputs]:
            left, top = area[:2] if outputs is None else (0, 0)
            part = extent if clip is None else clip
            if outputs is None:
                part = part.intersect(area.translate(-x, -y))
            if output.plugged and not (part.empty and (part != extent or outputs is None)):
                viewports[output] = self._viewport((x - left, y - top), part, extent, alpha)
        return viewports

    def _viewport(self, position: tuple[int, int], part: Rect, extent: Rect, alpha: int) -> Viewport:
        """How `part` of what it covers appears, all of which begins at `position` of an output."""
        plane = self.plane if alpha == self.plane.alpha else replace(self.plane, alpha=alpha)
        if part == extent or self.buffer is None:
            return Viewport(position, plane)
        position = position[0] + part.x, position[1] + part.y
        if plane.is_in_place:
            return Viewport(position, plane, part)
        return Viewport(position, cropped(plane, part, self.buffer.size))


def _unheard() -> None:
    """Not every owner asks."""


def _window(buffer: Buffer, crop: Rect) -> Buffer:
    """A window onto a buffer's pixels."""
    if buffer.incoming is not None:
        buffer.incoming.finish()  # what is outside of the window is wanted elsewhere
    pixels = buffer.pixels[crop.y : crop.bottom, crop.x : crop.right]
    return Buffer(pixels, buffer.format, buffer.zero_copy, buffer.frame_id, submission=buffer.submission)
