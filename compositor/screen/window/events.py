"""The connection to the X server, served by the asyncio loop.

All windows of a process share one connection. Its file descriptor becomes readable when events arrive, and
then they are dispatched. After a buffer swap too: Xlib may have read events while it waited for the reply,
and then they lie in its queue and the descriptor stays silent.

When the server goes away, Xlib ends the process on the spot, guests, sockets and files left as they are.
Two hooks keep it from that: the windows are told, and nothing touches the connection any more.
"""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable
from typing import Any

from compositor.errors import ScanoutError, ScreenError

Failed = Callable[[ScanoutError], None]

_IO_ERROR = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p)
_IO_ERROR_EXIT = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class EventPump:
    """Dispatches the events of all windows of one X connection.

    Attributes:
        lost: Whether the server went away. Nothing may touch the connection then, or what lives on it.
    """

    def __init__(self, display: Any) -> None:
        self.lost = False
        self._display = display
        self._hooks = self._survive()
        self._windows: dict[Any, Failed] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def add(self, window: Any, failed: Failed) -> None:
        """Serve `window`, from the running asyncio loop if there is one.

        Args:
            window: A pyglet window.
            failed: Called when an event handler of the window raised; no caller awaits those.
        """
        self._windows[window] = failed
        if self._loop is None:
            try:
                self._loop = asyncio.get_running_loop()
            except RuntimeError:
                return  # a script without a loop: events are dispatched with each frame
            self._loop.add_reader(self._display.fileno(), self.dispatch)

    def remove(self, window: Any) -> None:
        """Serve `window` no more; with the last one the connection is left alone."""
        self._windows.pop(window, None)
        if not self._windows:
            self._leave_loop()

    def _leave_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and not loop.is_closed():
            loop.remove_reader(self._display.fileno())

    def dispatch(self) -> None:
        """Handle every event that has arrived; never waits."""
        if not self.lost:
            self._display.select()
        if self.lost:
            self._leave_loop()  # a dead connection is readable for ever
        for window, failed in tuple(self._windows.items()):
            if window not in self._windows:
                continue  # closed by an event of another window
            try:
                self._check()
                window.dispatch_pending_events()
            except ScanoutError as error:
                failed(error)
            except Exception as error:
                failed(ScreenError(f"the window: {type(error).__name__}: {error}"))

    def _check(self) -> None:
        if self.lost:
            raise ScreenError("the window's X server went away")

    def _survive(self) -> tuple[object, ...]:
        """Hook into Xlib, and return what the hooks need to live."""

        def on_error(_display: int | None) -> int:
            self.lost = True
            return 0

        xlib = ctypes.CDLL("libX11.so.6")
        hooks = _IO_ERROR(on_error), _IO_ERROR_EXIT(lambda _display, _data: None)
        if hasattr(xlib, "XSetIOErrorExitHandler"):  # libX11 1.7 of 2020; without it Xlib exits
            xlib.XSetIOErrorHandler(hooks[0])
            xlib.XSetIOErrorExitHandler(self._display._display, hooks[1], None)
        return hooks


_pumps: dict[int, EventPump] = {}


def pump_of(display: Any) -> EventPump:
    """The pump of a pyglet display; one for each connection, for the life of the process."""
    descriptor = display.fileno()
    if descriptor not in _pumps:
        _pumps[descriptor] = EventPump(display)
    return _pumps[descriptor]
