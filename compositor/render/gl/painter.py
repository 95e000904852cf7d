"""Fills, copies and blends pieces of textures into a target."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from compositor.pixels.geometry import Rect
from compositor.render.gl.library import check
from compositor.render.gl.program import Program
from compositor.render.gl.target import Target
from compositor.render.gl.texture import Texture
from compositor.render.layer import Layer


class Painter:
    """The state of OpenGL that painting needs, and its three strokes."""

    def __init__(self, gl: Any) -> None:
        """For the current context.

        Raises:
            ScreenError: The driver does not compile the shader.
        """
        self._gl = gl
        self._program = Program(gl)

    @contextmanager
    def painting(self, target: Target) -> Iterator[None]:
        """Paint into `target` within this."""
        gl = self._gl
        target.bind()
        gl.glEnable(gl.GL_SCISSOR_TEST)
        gl.glDisable(gl.GL_DITHER)
        gl.glBlendFunc(gl.GL_ONE, gl.GL_ONE_MINUS_SRC_ALPHA)
        self._program.use()
        try:
            yield
        finally:
            gl.glDisable(gl.GL_SCISSOR_TEST)

    def fill(self, piece: Rect, colour: int) -> None:
        """Paint a rectangle of the target with 0xRRGGBB."""
        gl = self._gl
        red, green, blue = (colour >> shift & 0xFF for shift in (16, 8, 0))
        gl.glScissor(*piece)
        gl.glClearColor(red / 255, green / 255, blue / 255, 1.0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT)

    def paint(self, texture: Texture, layer: Layer, piece: Rect) -> None:
        """Paint what a plain layer shows in a rectangle of the target.

        An opaque one is copied where its texture allows: a software driver needs a tenth of the time for
        that. All others are blended premultiplied OVER what is there.

        Args:
            texture: The layer's pixels.
            layer: One whose pixels need not be sampled (`Layer.is_plain`).
            piece: Of the target, within the layer's bounds.
        """
        gl = self._gl
        x, y = layer.x, layer.y
        gl.glScissor(*piece)
        if texture.can_blit and layer.is_opaque:
            texture.bind_framebuffer(gl.GL_READ_FRAMEBUFFER)
            gl.glBlitFramebuffer(
                *(piece.x - x, piece.y - y, piece.right - x, piece.bottom - y),
                *(piece.x, piece.y, piece.right, piece.bottom),
                gl.GL_COLOR_BUFFER_BIT,
                gl.GL_NEAREST,
            )
            return
        gl.glBindTexture(gl.GL_TEXTURE_2D, texture.name)
        self._program.place(1.0, 1.0, -x, -y)
        if not layer.is_opaque:
            gl.glEnable(gl.GL_BLEND)
        self._program.draw(layer.opacity, has_alpha=layer.has_pixel_alpha)
        gl.glDisable(gl.GL_BLEND)

    def present(self, texture: Texture, place: Rect, window_height: int) -> None:
        """Show all of `texture` in a rectangle of the window, nearest pixels, alpha ignored.

        Args:
            texture: The picture.
            place: Pixels from the window's left upper corner.
            window_height: Pixels; OpenGL counts a window's rows from the bottom.

        Raises:
            ScreenError: The driver refuses.
        """
        gl = self._gl
        gl.glBindFramebuffer(gl.GL_DRAW_FRAMEBUFFER, 0)
        top = window_height - place.y
        if texture.can_blit:
            texture.bind_framebuffer(gl.GL_READ_FRAMEBUFFER)
            gl.glBlitFramebuffer(
                *(0, 0, texture.width, texture.height),
                *(place.x, top, place.right, top - place.height),
                gl.GL_COLOR_BUFFER_BIT,
                gl.GL_NEAREST,
            )
        else:
            across, down = texture.width / place.width, texture.height / place.height
            gl.glViewport(place.x, top - place.height, place.width, place.height)
            self._program.use()
            self._program.place(across, -down, -place.x * across, top * down)
            gl.glBindTexture(gl.GL_TEXTURE_2D, texture.name)
            self._program.draw()
        check(gl, "drawing a frame")

    def delete(self) -> None:
        """Give the shader back."""
        self._program.delete()
