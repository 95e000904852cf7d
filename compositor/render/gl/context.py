"""An OpenGL context without a window, through EGL: for machines without a display, and for tests.

pyglet chooses between windows and headless by an option of the whole process. Here its headless classes
are used by themselves, so a process can have both.
"""

from __future__ import annotations

from functools import cache
from types import TracebackType
from typing import Any, Self

from compositor.errors import ScreenError
from compositor.render.gl import library


@cache
def _display() -> Any:
    """The connection to EGL: one for the process, for ending one ends all that EGL considers equal."""
    import pyglet.display  # noqa: PLC0415 - where something is drawn only
    from pyglet.display.headless import HeadlessDisplay  # noqa: PLC0415

    made: Any = HeadlessDisplay()  # type: ignore[no-untyped-call]
    displays: Any = pyglet.display
    displays._displays.discard(made)  # else the next window would be opened on it
    return made


class HeadlessContext:
    """A context that is current from here to `close`; what is drawn goes into `Target`s.

    Attributes:
        gl: OpenGL's functions, `pyglet.gl`.

    Raises:
        ScreenError: No pyglet, no EGL, or no driver that offers a context without a surface.
    """

    def __init__(self) -> None:
        self.gl = library.load()
        self._context: Any = None
        try:
            from pyglet.display.headless import HeadlessCanvas  # noqa: PLC0415 - they need EGL
            from pyglet.gl.headless import HeadlessConfig  # noqa: PLC0415
        except ImportError as error:
            raise ScreenError(f"no headless OpenGL: {error} Install EGL (apt install libegl1)") from None
        try:
            canvas = HeadlessCanvas(_display(), None)  # type: ignore[no-untyped-call]
            wanted = HeadlessConfig(major_version=3, minor_version=3, red_size=8, green_size=8, blue_size=8)
            self._context = wanted.match(canvas)[0].create_context(None)
            self._context.attach(canvas)
        except Exception as error:  # IndexError without a config, ContextException, ctypes' own
            reason = str(error) or type(error).__name__
            raise ScreenError(f"no headless OpenGL: EGL offers no usable context ({reason})") from None

    def close(self) -> None:
        """Give the context back, and all that was made in it; closing twice is fine."""
        if self._context is not None:
            self._context.destroy()
            self._context = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
