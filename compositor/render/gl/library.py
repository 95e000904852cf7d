"""pyglet's OpenGL: loaded late, with options that pay, and with errors of one line."""

from __future__ import annotations

import ctypes
import importlib
from typing import Any

from compositor.errors import ScreenError

INSTALL = "Install OpenGL (apt install libgl1 libegl1)"
"""What to do where its libraries are missing."""

_ERRORS = {
    0x0500: "INVALID_ENUM",
    0x0501: "INVALID_VALUE",
    0x0502: "INVALID_OPERATION",
    0x0505: "OUT_OF_MEMORY",
    0x0506: "INVALID_FRAMEBUFFER_OPERATION",
    0x0507: "CONTEXT_LOST",
}


def load() -> Any:
    """Import pyglet, and the module of OpenGL's functions.

    Returns:
        `pyglet.gl`; its functions work once a context is current.

    Raises:
        ScreenError: pyglet or OpenGL is missing; the message says which and what installs it.
    """
    try:
        import pyglet  # noqa: PLC0415 - only where something is drawn
    except ImportError:
        raise ScreenError("pyglet is missing; pip install 'scanout[window]'") from None
    pyglet.options.shadow_window = False  # a hidden window per process, to share textures with
    pyglet.options.debug_gl = False  # an error check after each call; see `check` for ours
    try:
        # It reads the options above. `pyglet.gl` as an attribute is a proxy, and slower at every call.
        return importlib.import_module("pyglet.gl")
    except ImportError as error:
        raise ScreenError(f"{error} {INSTALL}") from None


def check(gl: Any, doing: str) -> None:
    """Raise what OpenGL complained about since the last check.

    Raises:
        ScreenError: Names the error, and what we were doing.
    """
    code = gl.glGetError()
    if code:
        raise ScreenError(f"the display's OpenGL driver reports {_ERRORS.get(code, hex(code))} while {doing}")


def driver_name(gl: Any) -> str:
    """The renderer and version of the current context, as its driver gives them."""
    return f"{_text(gl.glGetString(gl.GL_RENDERER))}, OpenGL {_text(gl.glGetString(gl.GL_VERSION))}"


def _text(string: Any) -> str:
    value = ctypes.cast(string, ctypes.c_char_p).value
    return value.decode() if value else "unknown"
