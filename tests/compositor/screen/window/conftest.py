"""An X server without a screen, and photographs of its windows."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import ImageGrab

from compositor.output import Output
from compositor.screen.window import WindowScreen

Picture = NDArray[np.uint8]
Photograph = Callable[[WindowScreen], Picture]


@pytest.fixture(scope="session")
def x_server() -> Iterator[str]:
    """The name of a fresh X display, 1280x1024."""
    if shutil.which("Xvfb") is None:
        pytest.skip("Xvfb is not installed (apt install xvfb)")
    pytest.importorskip("pyglet")
    read_end, write_end = os.pipe()
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(write_end),
            "-screen",
            "0",
            "1280x1024x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ],
        pass_fds=[write_end],
        stderr=subprocess.DEVNULL,
    )
    os.close(write_end)
    with os.fdopen(read_end) as numbers:
        display = f":{numbers.readline().strip()}"
    yield display
    server.terminate()
    server.wait()


@pytest.fixture
def display(x_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("DISPLAY", x_server)
    return x_server


@pytest.fixture
def open_screen(display: str) -> Iterator[Callable[..., WindowScreen]]:
    """Opens windows and closes them at the end."""
    screens: list[WindowScreen] = []

    def open_(output: Output, **arguments: Callable[[], None]) -> WindowScreen:
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
