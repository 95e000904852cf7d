import os
import re
import subprocess
import sys
from pathlib import Path
from unittest.mock import MagicMock

import pytest

from compositor.errors import ScreenError
from compositor.output.mode import Mode
from compositor.screen.window import driver

OPEN = """
from compositor.output.output import Output
from compositor.screen.window import WindowScreen
from compositor.errors import ScreenError
from compositor.output.mode import Mode
try:
    WindowScreen(Output("640x480"))
except ScreenError as error:
    print(error)
"""


def refusal(**environment: str) -> str:
    """What a new process says that cannot open a window."""
    root = str(Path(driver.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", OPEN],
        env={**os.environ, "PYTHONPATH": root, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")


def test_without_pyglet_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyglet", None)
    with pytest.raises(
        ScreenError, match=r"^no window: pyglet is missing; pip install 'scanout\[window\]', or run"
    ):
        driver.load()


def test_without_a_library_the_error_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pyglet")
    monkeypatch.setitem(sys.modules, "pyglet.window", None)
    with pytest.raises(
        ScreenError, match=r"^no window: .*apt install libgl1 libegl1.*or run without a window"
    ):
        driver.load()


@pytest.mark.real
def test_without_a_display_the_error_says_so() -> None:
    pytest.importorskip("pyglet")
    way_out = "; set DISPLAY to an X display, or run without a window (--headless)"
    assert refusal(DISPLAY="") == f"no window: DISPLAY is not set{way_out}"
    assert refusal(DISPLAY=":987") == f"no window: display :987 does not answer{way_out}"


@pytest.mark.real
def test_a_display_without_opengl_is_refused_in_one_line(display: str) -> None:
    """Mesa finds no driver."""
    line = refusal(DISPLAY=display, LIBGL_DRIVERS_PATH="/nowhere", __GLX_VENDOR_LIBRARY_NAME="none")
    assert line.startswith("no window: the display offers no usable OpenGL (")
    assert line.endswith("); run without a window (--headless)")
    assert "\n" not in line


class NoSuchDisplayException(Exception):
    pass


@pytest.mark.parametrize(
    ("raised", "display", "line"),
    [
        (
            NoSuchDisplayException("?"),
            None,
            "DISPLAY is not set; set DISPLAY to an X display, or run without",
        ),
        (
            NoSuchDisplayException("?"),
            ":9",
            "display :9 does not answer; set DISPLAY to an X display, or run",
        ),
        (
            KeyError(),
            ":9",
            "the display offers no usable OpenGL (KeyError); run without a window (--headless)",
        ),
        (
            OSError("broken"),
            ":9",
            "the display offers no usable OpenGL (broken); run without a window (--headless)",
        ),
    ],
)
def test_whatever_goes_wrong_is_one_line(
    monkeypatch: pytest.MonkeyPatch, raised: Exception, display: str | None, line: str
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    if display is not None:
        monkeypatch.setenv("DISPLAY", display)
    pyglet = MagicMock(**{"display.get_display.side_effect": raised})
    with pytest.raises(ScreenError, match=f"^no window: {re.escape(line)}"):
        driver.open_window(driver.Driver(pyglet, MagicMock(), MagicMock(), MagicMock()), Mode(640, 480), "")
