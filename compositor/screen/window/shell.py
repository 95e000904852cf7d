"""The window of one output.

Esc, q and the window's own button close it, F11 toggles full screen, s takes a screenshot. It draws when a
frame is shown, and when it was resized or uncovered; in between it costs nothing. The machine's clock
paces it: swapping buffers never waits for a vblank.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from compositor.errors import ScanoutError
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.pixels.geometry import EMPTY, Rect
from compositor.screen import Renderer
from compositor.screen.window import driver
from compositor.screen.window.events import pump_of
from compositor.screen.window.picture import Picture

_log = logging.getLogger("scanout.window")


class WindowScreen:
    """Shows the frames of one output in a pyglet window (a `compositor.screen.headless.Screen`).

    Attributes:
        realtime: True: a user watches.
        picture: What it shows, and how it got there.
        error: What made the window close itself; None while all is well.
    """

    realtime = True
    one_plane = True

    def __init__(
        self,
        output: Output,
        *,
        on_close: Callable[[], None] | None = None,
        on_screenshot: Callable[[], None] | None = None,
        renderer: Renderer = "cpu",
    ) -> None:
        """Open the window; made inside a running asyncio loop, it takes its events from there.

        Args:
            output: Whose frames it will show; gives size and title.
            on_close: The user wants to close the window, or it failed (see `error`). Closing it is up to
                the callee.
            on_screenshot: The user wants a screenshot.
            renderer: Who composes.

        Raises:
            ScreenError: No pyglet, no display, no OpenGL.
        """
        self.error: ScanoutError | None = None
        self._on_close = on_close
        self._on_screenshot = on_screenshot
        self._driver = driver.load()
        title = f"{output.name} - scanout" if output.name else "scanout"
        self._window = driver.open_window(self._driver, output.mode, title)
        self._window.switch_to()
        self.picture = Picture(self._driver.gl, output, renderer)
        _log.debug("%s: %s", title, "; ".join(self.picture.describe()))
        self._closed = False
        self._window.push_handlers(
            on_close=self._close_wanted,
            on_key_press=self._key_pressed,
            on_resize=self._resized,
            on_expose=self._exposed,
        )
        self._pump = pump_of(self._window.display)
        self._pump.add(self._window, self._fail)
        self._pump.dispatch()  # also sends what Xlib holds back, the request for the keyboard's focus

    @property
    def composes(self) -> bool:
        """Whether it composes the layers of frames itself, by OpenGL."""
        return self.picture.composition is not None

    @property
    def upload_bytes(self) -> int:
        """Bytes copied into textures so far."""
        return self.picture.upload_bytes

    def show(self, output: Output, frame: Frame) -> None:
        """Bring the picture up to the frame and draw it; nothing once the window is gone.

        Raises:
            ScreenError: The driver refuses.
        """
        if self._closed or self._pump.lost:
            return
        self._window.switch_to()
        before = self.picture.size
        self.picture.update(output, frame)
        if before not in (None, self.picture.size) and not self._window.fullscreen:
            self._window.set_size(*driver.window_size(self._driver, output.mode))  # another mode: follow it
        self._draw()
        self._pump.dispatch()

    def close(self) -> None:
        """Close the window; closing twice is fine."""
        if self._closed:
            return
        self._closed = True
        self._pump.remove(self._window)
        if self._pump.lost:
            return
        self._window.switch_to()
        self.picture.delete()
        self._window.close()

    def _draw(self) -> None:
        if self.picture.size is None:
            return
        gl = self._driver.gl
        width, height = self._window.get_framebuffer_size()
        place = fit(self.picture.size, (width, height))
        if place.empty:
            return
        self._window.switch_to()
        gl.glBindFramebuffer(gl.GL_DRAW_FRAMEBUFFER, 0)
        if place != Rect(0, 0, width, height):
            gl.glClearColor(0.0, 0.0, 0.0, 1.0)
            gl.glClear(gl.GL_COLOR_BUFFER_BIT)
        self.picture.draw(place, height)
        if self._window.config.alpha_size:
            self._make_opaque()
        self._window.flip()

    def _make_opaque(self) -> None:
        """A monitor has no alpha, but a window with one shows the desktop through unused bytes."""
        gl = self._driver.gl
        gl.glColorMask(False, False, False, True)
        gl.glClearColor(0.0, 0.0, 0.0, 1.0)
        gl.glClear(gl.GL_COLOR_BUFFER_BIT)
        gl.glColorMask(True, True, True, True)

    def _fail(self, error: ScanoutError) -> None:
        """A callback failed, where no caller can catch it: say so once and ask to be closed."""
        if self.error is None:
            self.error = error
            self._close_wanted()

    # What pyglet calls. True ends the event: pyglet's own handlers would close the window or set up a
    # viewport and a projection that nothing here uses.

    def _close_wanted(self) -> bool:
        if self._on_close is not None:
            self._on_close()
        return True

    def _key_pressed(self, symbol: int, _modifiers: int) -> bool:
        key: Any = self._driver.key
        if symbol in (key.ESCAPE, key.Q):
            self._close_wanted()
        elif symbol == key.F11:
            self._window.set_fullscreen(not self._window.fullscreen)
        elif symbol == key.S and self._on_screenshot is not None:
            self._on_screenshot()
        return True

    def _resized(self, _width: int, _height: int) -> bool:
        self._draw()
        return True

    def _exposed(self) -> bool:
        self._draw()
        return True


def fit(picture: tuple[int, int], window: tuple[int, int]) -> Rect:
    """The part of the window that the picture fills: centred, undistorted, the rest stays black.

    Enlarged by whole numbers, so that all its pixels stay equal squares; reduced as far as needed.

    Args:
        picture: (width, height), pixels, both positive.
        window: As `picture`; a minimised window can have no pixels.
    """
    (width, height), (across, down) = picture, window
    if across <= 0 or down <= 0:
        return EMPTY
    factor = min(across // width, down // height)
    if factor:
        width, height = width * factor, height * factor
    elif across * height <= down * width:
        width, height = across, max(1, across * height // width)
    else:
        width, height = max(1, down * width // height), down
    return Rect((across - width) // 2, (down - height) // 2, width, height)
