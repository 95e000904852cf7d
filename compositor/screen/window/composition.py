"""Composition by OpenGL: the layers of a frame, drawn on the display's side.

The CPU then composes nothing for the window, and what changed of the guests' buffers is uploaded in place of
what changed of the picture. The frame still has its exact picture, which the CPU puts together when a digest,
a screenshot or a recording asks for it.
"""

from __future__ import annotations

import time
from typing import Any

from compositor.output.frame import Frame
from compositor.output.primary_plane import BACKGROUND
from compositor.pixels.geometry import Rect
from compositor.render.gl import GlRenderer, Target
from compositor.render.gl.texture import Texture


class Composition:
    """The picture of an output, composed by OpenGL. Its GL context must be current.

    Attributes:
        renderer: What draws it.
    """

    def __init__(self, gl: Any) -> None:
        """No picture yet; measures how the driver takes pixels.

        Raises:
            ScreenError: The driver lacks what a renderer needs.
        """
        self.renderer = GlRenderer(gl, time.perf_counter)
        self._gl = gl
        self._target: Target | None = None

    @property
    def upload_bytes(self) -> int:
        """Copied into textures so far."""
        return self.renderer.textures.upload_bytes

    def paint(self, frame: Frame, background: int, *, whole: bool) -> Texture:
        """Draw what a frame changed, and note in the frame what that wrote.

        Args:
            frame: One whose layers are all above the primary plane.
            background: 0xRRGGBB below them.
            whole: Whether all of it has to be drawn, not the damage alone.

        Returns:
            The picture.

        Raises:
            ScreenError: The driver refuses.
        """
        height, width = frame.front.shape[:2]
        target = self._target
        if target is None or (target.width, target.height) != (width, height):
            self._forget()
            target = self._target = Target(self._gl, width, height)
            whole = True
        damage = [Rect(0, 0, width, height)] if whole else frame.damage
        written = self.renderer.compose(target, frame.above, damage, background)
        names = [name for name in frame.composed if name != BACKGROUND]
        frame.composed = dict(zip([*names, BACKGROUND], written, strict=True))
        return target.texture

    def _forget(self) -> None:
        if self._target is not None:
            self._target.delete()
            self._target = None

    def delete(self) -> None:
        """Give everything back."""
        self._forget()
        self.renderer.close()
