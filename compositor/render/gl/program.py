"""The shader that draws a layer: every pixel of the target asks for its pixel of the layer.

Pixels are fetched by whole numbers (`gl_FragCoord`, `texelFetch`), not sampled, so no filter has a say in
which one it is. A triangle covers the whole target and a scissor cuts it down to the piece, so there are no
vertices to keep.
"""

from __future__ import annotations

import ctypes
from typing import Any

from compositor.errors import ScreenError

_VERTEX = """#version 330 core
void main() {
    gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}
"""

_FRAGMENT = """#version 330 core
uniform sampler2D image;
uniform mat2 turn;
uniform vec2 shift;
uniform float opacity;
uniform bool has_alpha;
out vec4 colour;
void main() {
    vec4 pixel = texelFetch(image, ivec2(floor(turn * gl_FragCoord.xy + shift)), 0);
    pixel.a = has_alpha ? pixel.a : 1.0;
    colour = floor(pixel * opacity + 0.5) / 255.0;
}
"""


class Program:
    """The compiled shaders, and the one vertex array that core profiles insist on."""

    def __init__(self, gl: Any) -> None:
        """Compile.

        Raises:
            ScreenError: The driver does not; OpenGL 3.3 is needed.
        """
        self._gl = gl
        self._program = gl.glCreateProgram()
        for kind, source in ((gl.GL_VERTEX_SHADER, _VERTEX), (gl.GL_FRAGMENT_SHADER, _FRAGMENT)):
            shader = self._compile(kind, source)
            gl.glAttachShader(self._program, shader)
            gl.glDeleteShader(shader)  # lives as long as the program
        gl.glLinkProgram(self._program)
        done = gl.GLint()
        gl.glGetProgramiv(self._program, gl.GL_LINK_STATUS, ctypes.byref(done))
        if not done:
            raise ScreenError("the display's OpenGL driver does not link the shaders; OpenGL 3.3 is needed")
        self._turn = gl.glGetUniformLocation(self._program, b"turn")
        self._shift = gl.glGetUniformLocation(self._program, b"shift")
        self._opacity = gl.glGetUniformLocation(self._program, b"opacity")
        self._has_alpha = gl.glGetUniformLocation(self._program, b"has_alpha")
        self._vertices = gl.GLuint()
        gl.glGenVertexArrays(1, ctypes.byref(self._vertices))

    def _compile(self, kind: int, source: str) -> int:
        gl = self._gl
        shader: int = gl.glCreateShader(kind)
        text = ctypes.c_char_p(source.encode())
        gl.glShaderSource(shader, 1, ctypes.cast(ctypes.byref(text), _TEXTS), None)
        gl.glCompileShader(shader)
        done = gl.GLint()
        gl.glGetShaderiv(shader, gl.GL_COMPILE_STATUS, ctypes.byref(done))
        if not done:
            log = ctypes.create_string_buffer(1024)
            gl.glGetShaderInfoLog(shader, len(log), None, log)
            why = log.value.decode(errors="replace").strip().partition("\n")[0]
            raise ScreenError(f"the display's OpenGL driver does not compile a shader: {why}")
        return shader

    def use(self) -> None:
        """Draw with it from now on."""
        self._gl.glUseProgram(self._program)
        self._gl.glBindVertexArray(self._vertices)

    def place(self, across: float, down: float, x: float, y: float) -> None:
        """Say which pixel of the image a pixel of the target shows.

        Args:
            across: Columns of the image from one column of the target to the next.
            down: As `across`, of rows; negative turns the image over.
            x: Column of the image at the target's left edge.
            y: As `x`, row.
        """
        self._gl.glUniformMatrix2fv(self._turn, 1, False, (self._gl.GLfloat * 4)(across, 0.0, 0.0, down))
        self._gl.glUniform2f(self._shift, x, y)

    def draw(self, opacity: int = 255, *, has_alpha: bool = False) -> None:
        """Draw the bound texture, within the scissor.

        Args:
            opacity: Of the whole, in 255ths; products are rounded to whole 255ths, as the CPU renderer's.
            has_alpha: Whether the pixels' alpha counts.
        """
        self._gl.glUniform1f(self._opacity, opacity)
        self._gl.glUniform1i(self._has_alpha, has_alpha)
        self._gl.glDrawArrays(self._gl.GL_TRIANGLES, 0, 3)

    def delete(self) -> None:
        """Give it back."""
        self._gl.glDeleteVertexArrays(1, ctypes.byref(self._vertices))
        self._gl.glDeleteProgram(self._program)


_TEXTS = ctypes.POINTER(ctypes.POINTER(ctypes.c_char))
