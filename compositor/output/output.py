"""A monitor: what is shown is decided in one place, by stage -> test -> commit -> present.

`stage` collects what the next frame shall be, `test` is the one check of its validity, `commit` paints
and presents it, wholly or not at all. Changes arrive at any time and only mark damage; nothing is painted
before the commit, and nothing is committed while nothing changed.

Surfaces that a plane can show are not composed (`compositor.output.plane_assignment`): one that fills the
screen is scanned out as it is, and a cursor moves without a repaint. The others are composed into one of the
output's own framebuffers (`compositor.output.framebuffers`), each of which remembers how far it is behind the
screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from compositor.errors import BadInput
from compositor.output.arrangement import Arrangement, Arranger
from compositor.output.frame import Frame
from compositor.output.frame_state import FrameEvent, FrameState, advance
from compositor.output.framebuffers import Framebuffers
from compositor.output.mode import Mode
from compositor.output.pacing import Pacing
from compositor.output.panel import VariableRefresh
from compositor.output.plane import DEFAULT_PLANES, PlaneBudget
from compositor.output.primary_plane import Front, PrimaryPlane
from compositor.output.scene import Scene
from compositor.output.state import OutputState
from compositor.output.surface import Surface
from compositor.output.visible_picture import VisiblePicture
from compositor.pixels.geometry import Rect
from compositor.pixels.region import Region

__all__ = ["Frame", "FrameState", "Mode", "Output", "OutputState"]


class Output:
    """A monitor with a scene.

    Attributes:
        name: For statistics and messages; the machine numbers outputs that have none.
        scene: Its surfaces.
        state: Where it stands.
        commit_seq: Number of the last commit; commits count from 1.
        on_needs_frame: Called when a repaint is wanted, once until the next commit. A new output wants
            one: look at `state` when setting this.
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
            BadInput: The mode, the background or the pacing makes no sense.
        """
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
        self.on_needs_frame: Callable[[], None] | None = None
        self.commit_seq = 0
        self.state = FrameState.IDLE
        self.scene = Scene(self._changed)
        self._staged = OutputState(
            Mode.parse(mode) if isinstance(mode, str) else mode, background, linear_light
        )
        self.test()
        self.check_mode(self.mode)
        self._primary = PrimaryPlane()
        self._front: Front | None = None
        self._damage = Region()
        self._arranger = Arranger()
        self._visible = VisiblePicture()
        self.repaint()

    @property
    def presented_seq(self) -> int:
        """Number of the commit that is on the screen; 0: none yet."""
        return self._primary.shown_seq

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
        """Whether a commit of `state` (by default: of what is staged) and of the scene would succeed.

        Changes nothing.

        Raises:
            BadInput: It would not; the message names the property.
        """
        (self._staged if state is None else state).check()
        for surface in self.scene:
            surface.test()

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

    def set_linear_light(self, linear_light: bool) -> None:
        """Blend by amounts of light, or by the codes of colours, from the next commit on."""
        self._set(replace(self._staged, linear_light=linear_light))

    def _set(self, state: OutputState) -> None:
        self.test(state)
        if state != self._staged:
            self._staged = state
            self.repaint()

    def repaint(self) -> None:
        """Ask for a frame that shows everything anew."""
        self._changed((self.mode.rect,))

    def _changed(self, damage: tuple[Rect, ...], surface: Surface | None = None) -> None:
        """The scene or a property changed what these rectangles show."""
        screen = self.mode.rect
        for rect in damage:
            visible = rect.intersect(screen)
            self._damage.add(visible)
            self._primary.damage(visible, surface)
        if self._is_due():
            wanted = self.state is not FrameState.NEEDS_FRAME
            self.state = advance(self.state, FrameEvent.CHANGED)
            if wanted and self.on_needs_frame is not None:
                self.on_needs_frame()

    def _is_due(self) -> bool:
        """Whether a commit has anything to show or anybody to tell."""
        return len(self._damage) > 0 or any(surface.pending for surface in self.scene)

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
        if self.state is not FrameState.NEEDS_FRAME or not self._is_due():
            self.state = advance(self.state, FrameEvent.SKIPPED)
            return None
        self.test()
        screen = self.mode.rect
        surfaces = self.scene.visible()
        arrangement = self._arrange(surfaces)
        front = self._primary.show(arrangement, self._staged, deferred=deferred)
        damage = self._damage.clip(screen) if front.same_kind(self._front) else Region([screen])
        self._front, self._damage = front, Region()
        self.state = advance(self.state, FrameEvent.COMMITTED)
        self.commit_seq += 1
        self._primary.begin(self.commit_seq, front)
        if not deferred:
            self._primary.end(True)
        return Frame(
            output=self.name,
            commit_seq=self.commit_seq,
            present_time_ns=now_ns,
            damage=tuple(damage),
            direct=front.direct,
            composed=front.composed | {surface.name: 0 for surface in arrangement.above},
            frame_ids={s.name: s.buffer.frame_id for s in surfaces if s.buffer is not None},
            front=front.pixels,
            front_format=front.format,
            above=arrangement.planes(),
            grants=arrangement.grants,
            _visible=self._visible,
            _taken=tuple(taken for surface in surfaces if (taken := surface.take()) is not None),
            _on_end=self._primary.end if deferred else None,
        )

    def _arrange(self, surfaces: Sequence[Surface]) -> Arrangement:
        """Give planes to the surfaces; who leaves the primary plane, or comes back, changes it there."""
        screen = self.mode.rect
        linear_light = self.linear_light  # which planes do not blend in
        planes = PlaneBudget((self.planes.primary,)) if self.one_plane or linear_light else self.planes
        black = not self.background and not linear_light
        arrangement = self._arranger.arrange(
            surfaces, screen, planes, black=black, direct=self.direct_scanout
        )
        if self.screen_composes and arrangement.direct is None and not linear_light:
            arrangement = arrangement._replace(above=list(surfaces), below=[])
        self._primary.rearrange(arrangement, self.scene, surfaces, screen)
        return arrangement
