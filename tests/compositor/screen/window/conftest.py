"""Windows, and photographs of them."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageGrab

from compositor.output.output import Output
from compositor.screen.window import WindowScreen

Picture = NDArray[np.uint8]
Photograph = Callable[[WindowScreen], Picture]


@pytest.fixture
def open_screen(display: str) -> Iterator[Callable[..., WindowScreen]]:
    """Opens windows and closes them at the end."""
    screens: list[WindowScreen] = []

    def open_(output: Output, **arguments: Any) -> WindowScreen:
        screens.append(WindowScreen(output, **arguments))
        return screens[-1]

    yield open_
    for screen in screens:
        screen.close()


@pytest.fixture
def photograph(display: str) -> Photograph:
    """What the X server shows where a window is, (height, width, 3) RGB."""
    from pyglet.libs.x11 import xlib  # noqa: PLC0415 - where there is a display only

    def take(screen: WindowScreen) -> Picture:
        window = screen._window
        xlib.XSync(window.display._display, False)
        (x, y), (width, height) = window.get_location(), window.get_size()
        desktop = np.asarray(ImageGrab.grab(xdisplay=display).convert("RGB"))
        return desktop[y : y + height, x : x + width]

    return take
