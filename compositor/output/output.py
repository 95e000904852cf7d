"""A monitor: what is shown is decided in one place, by stage -> test -> commit -> present.

`stage` collects what the next frame shall be, `test` is the one check of its validity, `commit` paints
and presents it, wholly or not at all. Changes arrive at any time and only mark damage; the first one after a
commit asks for a frame (`on_needs_frame`), and that is the only way to get one.

Layers that a plane can show are not composed (`compositor.output.plane_assignment`): one that fills the
screen is scanned out as it is, and a cursor moves without a repaint. The others are composed into one of the
output's own framebuffers (`compositor.output.primary_plane`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from compositor.errors import BadInput, Misuse
from compositor.output.frame import Frame, VisiblePicture
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.mode import Mode, OutputState
from compositor.output.pacing import Pacing
from compositor.output.panel import VariableRefresh, VblankGrid
from compositor.output.plane import DEFAULT_PLANES, PlaneBudget
from compositor.output.primary_plane import Arrangement, Framebuffers, FrontKind, PrimaryPlane, arrange
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import PlaneState
from compositor.pixels.region import Region
from compositor.render.layer import AS_IT_IS

__all__ = ["Frame", "Mode", "Output", "OutputState"]


class Output:
    """A monitor and the layers on it.

    Attributes:
        name: For statistics and messages; the machine numbers outputs that have none.
        commit_seq: Number of the last commit; commits count from 1.
        grid: The vblanks of its mode's refresh rate.
        on_needs_frame: Called when the output differs from the screen, once until the next commit, which may
            happen within the call; and once more when that cannot wait any longer. An output that is not
            plugged in does not call it.
        can_wait: Whether nothing has changed since the last commit but cursors.
        on_blank: Called before a guest takes its picture off the output.
        listeners: Called with every frame that is presented, in order, before its buffers are released.
        planes: What its display engine can do.
        one_plane: The screen shows one picture, whatever `planes` has: a window.
        screen_composes: Frames carry their layers, all of them in `Frame.above`, for a screen that composes
            them, and the CPU puts their pixels together when they are asked for. Not in linear light.
        direct_scanout: Whether a buffer that fills the screen may be scanned out as it is.
        pacing: When frames are begun; None leaves that to the machine. Set it before the run.
        variable_refresh: The panel's limits, if it waits for frames; None: it has a fixed rate, the mode's.
            Set it before the run.
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
        planes: PlaneBudget = DEFAULT_PLANES,
        direct_scanout: bool = True,
        pacing: str | Pacing | None = None,
        variable_refresh: VariableRefresh | None = None,
        position: tuple[int, int] | None = None,
        plugged: bool = True,
        modes: Sequence[Mode] = (),
        linear_light: bool = False,
    ) -> None:
        """A monitor that shows nothing yet.

        Args:
            mode: As `Mode.parse` reads it.
            name: See the attribute.
            background: 0xRRGGBB where no surface is.
            planes: See the attribute.
            direct_scanout: See the attribute.
            pacing: See the attribute; a text as `Pacing.parse` reads it.
            variable_refresh: See the attribute.
            position: See the attribute.
            plugged: See the attribute.
            modes: See the attribute.
            linear_light: See `OutputState`.

        Raises:
            BadInput: The mode, the name, the position, the background or the pacing makes no sense.
        """
        if not isinstance(name, str):
            raise BadInput(f"an output's name is a text, and {name!r} is none")
        if position is not None and (not isinstance(position, tuple | list) or len(position) != 2):
            raise BadInput(f"position {position!r} is not of the form (x, y)")
        self.name = name
        self.planes = planes
        self.one_plane = False
        self.screen_composes = False
        self.direct_scanout = direct_scanout
        self.pacing = Pacing.parse(pacing) if isinstance(pacing, str) else pacing
        self.variable_refresh = variable_refresh
        self.position = position
        self.plugged = plugged
        self.modes = tuple(modes)
        self.on_needs_frame: Callable[[], None] = _nothing
        self.on_blank: Callable[[], None] = _nothing
        self.listeners: list[Callable[[Frame], None]] = []
        self.commit_seq = 0
        self._layers: list[OutputLayer] = []
        self._staged = OutputState(
            mode if isinstance(mode, Mode) else Mode.parse(mode), background, linear_light
        )
        self.test()
        self.check_mode(self.mode)
        self.grid = VblankGrid(self.mode.refresh_mhz)
        self._primary = PrimaryPlane()
        self._front_kind: FrontKind | None = None  # no more of it: it may be memory of a guest that goes
        self._damage = Region([self.mode.rect])
        self._asked = False  # for a frame, and no commit since
        self.can_wait = True
        self._arrangement: Arrangement | None = None  # None: not known since more than a content changed
        self._arranged_for: object = None
        self._visible = VisiblePicture()

    def __repr__(self) -> str:
        name, state = self.name or "without a name", "" if self.plugged else ", unplugged"
        return f"<output {name} {self.mode}: {self.presented_seq} frames presented{state}>"

    @property
    def presented_seq(self) -> int:
        """Number of the commit that is on the screen; 0: none yet."""
        return self._primary.shown_seq

    @property
    def readback_bytes(self) -> int:
        """What looks at its frames have written: planes put together, snapshots, conversions."""
        return self._visible.readback_bytes

    @property
    def framebuffers(self) -> Framebuffers:
        """Its own pictures; as many as frames are under way."""
        return self._primary.framebuffers

    @property
    def mode(self) -> Mode:
        """The mode of the next frame, and of all frames since it was set."""
        return self._staged.mode

    @property
    def background(self) -> int:
        """0xRRGGBB where no surface is."""
        return self._staged.background

    @property
    def linear_light(self) -> bool:
        """Whether surfaces are blended by amounts of light."""
        return self._staged.linear_light

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

        A layer's buffer and plane are tested when they are shown.

        Raises:
            BadInput: It would not; the message names the property.
        """
        (self._staged if state is None else state).check()

    def set_mode(self, mode: str | Mode) -> None:
        """Switch mode with the next commit; until then the last frame stays.

        Raises:
            BadInput: No such mode; the output goes on as it was.
        """
        mode = mode if isinstance(mode, Mode) else Mode.parse(mode)
        self.check_mode(mode)
        self.grid.refresh_mhz = mode.refresh_mhz
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

    def set_linear_light(self, linear_light: bool) -> None:
        """Blend by amounts of light, or by the codes of colours, from the next commit on."""
        self._set(replace(self._staged, linear_light=linear_light))

    def _set(self, state: OutputState) -> None:
        self.test(state)
        if state != self._staged:
            self._staged, self._damage = state, Region()
            self.repaint()

    def plug(self) -> None:
        """A monitor is plugged in: show everything on it, anew."""
        self.plugged = True
        self._asked = False
        self.repaint()

    def unplug(self) -> None:
        """The monitor is gone."""
        self.plugged = False

    def repaint(self) -> None:
        """Ask for a frame that shows everything anew."""
        self._changed((self.mode.rect,))

    # Layers.

    @property
    def layers(self) -> Sequence[OutputLayer]:
        """Its layers, bottom to top."""
        return self._layers

    def add(self, layer: OutputLayer) -> None:
        """Put a layer that shows nothing yet on top of those with the same or a smaller z."""
        self._layers.append(layer)
        self._layers.sort(key=_z)
        self._arrangement = None

    def remove(self, layer: OutputLayer) -> None:
        """Take `layer` off; a submission that no frame shows yet is superseded.

        Raises:
            Misuse: It is not on this output.
        """
        if layer not in self._layers:
            raise Misuse(f'surface "{layer.name}" is not on {self.name or "this output"}')
        self._layers.remove(layer)
        self._arrangement = None
        layer.discard()
        self._changed((layer.bounds,), layer)

    def show(
        self,
        layer: OutputLayer,
        buffer: Buffer | None,
        damage: Rect | None = None,
        position: tuple[int, int] = (0, 0),
        plane: PlaneState = AS_IT_IS,
    ) -> None:
        """Show a buffer in one of its layers from the next commit on; see `OutputLayer.show`.

        Raises:
            BadInput: `plane` cannot show this buffer; nothing has changed.
        """
        self._changed(layer.show(buffer, damage, position, plane), layer)

    def move(self, layer: OutputLayer, x: int, y: int) -> None:
        """Put one of its layers at (x, y)."""
        if (x, y) != layer.position:
            self._changed(layer.move((x, y)), layer)

    def restack(self) -> None:
        """Sort the layers by their z again, after it was changed; equals keep their order."""
        before, self._layers = self._layers, sorted(self._layers, key=_z)
        self._arrangement = None
        visible = False
        for was, layer in zip(before, self._layers, strict=True):
            if was is not layer:
                visible |= self._damaged((layer.bounds,), layer)
        self._ask(visible=visible)

    def _changed(self, damage: Sequence[Rect], layer: OutputLayer | None = None) -> None:
        """A layer or a property changed what these rectangles show."""
        visible = self._damaged(damage, layer)
        if layer is None or not layer.is_arranged:
            self._arrangement = None
        pending = layer is not None and layer.pending
        self._ask(visible=visible or pending, waits=layer is not None and layer.cursor and not pending)

    def _ask(self, *, visible: bool, waits: bool = False) -> None:
        """Ask for a frame that shows a change, once until the next commit, or twice: the second is urgent."""
        if visible and (not self._asked or (self.can_wait and not waits)):
            self._asked, self.can_wait = True, self.can_wait and waits
            if self.plugged:
                self.on_needs_frame()

    def _damaged(self, damage: Sequence[Rect], layer: OutputLayer | None) -> bool:
        """Note what looks different; returns whether any of it is on the screen."""
        any_visible, screen = False, self.mode.rect
        for rect in damage:
            visible = rect.intersect(screen)
            if not visible.empty:
                any_visible = True
                self._damage.add(visible)
                self._primary.damage(visible, layer)
        return any_visible

    @property
    def needs_frame(self) -> bool:
        """Whether the screen differs from the layers, or a submission waits to be latched."""
        return bool(self._damage) or any(layer.pending for layer in self._layers)

    @property
    def frame_is_due(self) -> bool:
        """Whether a frame was asked for, or is on its way to the screen."""
        return self.plugged and (self._asked or self.commit_seq > self.presented_seq)

    def commit(self, now_ns: int, *, deferred: bool = False) -> Frame | None:
        """Paint what changed since the last commit.

        The caller says that it was taken (`Frame.latch`), shows it, measures it, then releases it
        (`Frame.release`).

        Args:
            now_ns: When it is painted, or will be on the screen, on the machine's clock.
            deferred: It will be on the screen later, when it is released; until then the one before stays.

        Returns:
            The frame, or None when nothing changed, which costs nothing.
        """
        self._asked, self.can_wait = False, True
        if not self.needs_frame:
            return None
        arrangement = self._arrange()
        front = self._primary.show(arrangement, self._staged, deferred=deferred)
        damage = self._damage if front.kind == self._front_kind else Region([self.mode.rect])
        self._front_kind, self._damage = front.kind, Region()
        self.commit_seq += 1
        self._primary.begin(self.commit_seq, front, deferred=deferred)
        return Frame(
            output=self.name,
            commit_seq=self.commit_seq,
            present_time_ns=now_ns,
            damage=tuple(damage),
            direct=front.direct,
            composed=front.composed,
            frame_ids={
                layer.name: layer.buffer.frame_id for layer in arrangement.shown if layer.buffer is not None
            },
            front=front.pixels,
            front_format=front.format,
            above=arrangement.planes(),
            grants=arrangement.grants,
            submissions=tuple([layer.take() for layer in arrangement.shown if layer.pending]),
            _visible=self._visible,
            _on_end=self._primary.end if deferred else None,
        )

    def _arrange(self) -> Arrangement:
        """Give planes to the layers, anew when more than a content has changed since the last time."""
        linear_light = self.linear_light  # which planes do not blend in
        black = not self.background and not linear_light
        setting = (
            self.planes, self.one_plane or linear_light, black, self.direct_scanout, self.screen_composes,
        )  # fmt: skip
        if self._arrangement is None or setting != self._arranged_for:
            screen = self.mode.rect
            planes = PlaneBudget((self.planes.primary,)) if setting[1] else self.planes
            arrangement = arrange(self._layers, screen, planes, black=black, direct=self.direct_scanout)
            if self.screen_composes and arrangement.direct is None and not linear_light:
                arrangement = arrangement._replace(above=arrangement.shown, below=[])
            self._arrangement, self._arranged_for = arrangement, setting
            self._primary.rearrange(self._arrangement, self._layers, screen)
        return self._arrangement


def _nothing() -> None:
    """No listener is set."""


def _z(layer: OutputLayer) -> int:
    return layer.z
