"""pyglet and OpenGL: loaded late, with options that pay, and with errors of one line."""

from __future__ import annotations

import os
from typing import Any, NamedTuple

from compositor.errors import ScreenError
from compositor.output.mode import Mode
from compositor.render.gl import library

_WITHOUT = "or run without a window (--headless)"


class Driver(NamedTuple):
    """The modules that a window needs."""

    pyglet: Any
    gl: Any
    window: Any
    key: Any


def load() -> Driver:
    """Import pyglet and find the display.

    Raises:
        ScreenError: No pyglet, no OpenGL or no display here; the message says which and what to do.
    """
    try:
        gl = library.load()
        import pyglet  # noqa: PLC0415 - only where there is a window
        from pyglet import window  # noqa: PLC0415
        from pyglet.window import key  # noqa: PLC0415
    except ScreenError as error:
        raise ScreenError(f"no window: {error}, {_WITHOUT}") from None
    except ImportError as error:
        raise ScreenError(f"no window: {error} {library.INSTALL}, {_WITHOUT}") from None
    return Driver(pyglet, gl, window, key)


def open_window(driver: Driver, mode: Mode, title: str) -> Any:
    """A resizable pyglet window whose buffer swaps never wait.

    Args:
        driver: From `load`.
        mode: Of the monitor that it stands for.
        title: Of the window.

    Raises:
        ScreenError: There is no display, or it offers no usable OpenGL.
    """
    config = driver.gl.Config(
        double_buffer=True, red_size=8, green_size=8, blue_size=8, sample_buffers=0, depth_size=0
    )
    try:
        width, height = window_size(driver, mode)
        return driver.window.Window(width, height, config=config, caption=title, resizable=True, vsync=False)
    except Exception as error:  # of a dozen classes, two of them called NoSuchDisplayException
        if type(error).__name__ == "NoSuchDisplayException":
            display = os.environ.get("DISPLAY")
            where = f"display {display} does not answer" if display else "DISPLAY is not set"
            raise ScreenError(f"no window: {where}; set DISPLAY to an X display, {_WITHOUT}") from None
        reason = str(error) or type(error).__name__
        raise ScreenError(
            f"no window: the display offers no usable OpenGL ({reason}); run without a window (--headless)"
        ) from None


def window_size(driver: Driver, mode: Mode) -> tuple[int, int]:
    """(width, height) of a window for a mode: its own, or so much smaller that the desktop holds it."""
    desktop = driver.pyglet.display.get_display().get_default_screen()
    scale = min(1.0, desktop.width / mode.width, desktop.height / mode.height)
    return max(1, int(mode.width * scale)), max(1, int(mode.height * scale))
