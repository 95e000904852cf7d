"""Real windows on a real X server, photographed."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.errors import ScreenError
from compositor.output.frame import Frame
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.output import Output
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.render.gl.library import check
from compositor.screen import window
from compositor.screen.window import WindowScreen

pytestmark = pytest.mark.real

Picture = NDArray[np.uint8]
Photograph = Callable[[WindowScreen], Picture]
Open = Callable[..., WindowScreen]


def pixels(width: int, height: int, seed: int = 0, *, pitch: int | None = None) -> Picture:
    pitch = pitch or 4 * width
    memory = np.random.default_rng(seed).integers(0, 256, pitch * height, np.uint8)
    return np.ndarray((height, width, 4), np.uint8, memory, 0, (pitch, 4, 1))


class Monitor:
    """An output with one layer."""

    def __init__(self, mode: str = "320x240", name: str = "output-0") -> None:
        self.output = Output(mode, name=name)
        self.layer = OutputLayer("guest-0")
        self.output.add(self.layer)

    def frame(
        self, content: Picture, pixel_format: PixelFormat = PixelFormat.XRGB8888, damage: Rect | None = None
    ) -> Frame:
        self.output.show(self.layer, Buffer(content, pixel_format), damage)
        frame = self.output.commit(0)
        assert frame is not None
        return frame


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("pitch", [None, 1344, 1290])
def test_a_window_shows_every_pixel_as_it_is(
    open_screen: Open, photograph: Photograph, pixel_format: PixelFormat, pitch: int | None
) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    frame = monitor.frame(pixels(320, 240, pitch=pitch), pixel_format)
    screen.show(monitor.output, frame)
    assert frame.direct
    np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])


def test_only_the_damage_is_uploaded(open_screen: Open, photograph: Photograph) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    content = pixels(320, 240)
    screen.show(monitor.output, monitor.frame(content))
    assert screen.upload_bytes == 4 * 320 * 240
    content[50:60, 100:120] = 7
    frame = monitor.frame(content, damage=Rect(100, 50, 20, 10))
    screen.show(monitor.output, frame)
    assert screen.upload_bytes == 4 * (320 * 240 + 20 * 10)
    np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])


def test_a_larger_window_shows_whole_multiples_on_black(open_screen: Open, photograph: Photograph) -> None:
    monitor = Monitor("64x48")
    screen = open_screen(monitor.output)
    screen._window.set_size(200, 100)
    frame = monitor.frame(pixels(64, 48))
    screen.show(monitor.output, frame)
    expected = np.zeros((100, 200, 3), np.uint8)
    expected[2:98, 36:164] = frame.snapshot()[..., :3].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(photograph(screen), expected)


def test_a_mode_larger_than_the_desktop_is_shown_reduced(open_screen: Open, photograph: Photograph) -> None:
    monitor = Monitor("2560x1440")
    screen = open_screen(monitor.output)
    assert screen._window.get_size() == (1280, 720)
    content = pixels(2560, 1440)
    content[:, 1280:] = 200
    screen.show(monitor.output, monitor.frame(content))
    photo = photograph(screen)
    assert (photo[:, 641:] == 200).all()
    assert photo[:, :640].std() > 50


def test_the_window_follows_the_mode(open_screen: Open, photograph: Photograph) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    screen.show(monitor.output, monitor.frame(pixels(320, 240)))
    monitor.output.set_mode("400x300")
    frame = monitor.frame(pixels(400, 300, 1))
    screen.show(monitor.output, frame)
    assert screen._window.get_size() == (400, 300)
    np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])


def test_two_outputs_have_a_window_each(open_screen: Open, photograph: Photograph) -> None:
    monitors = [Monitor(name=f"output-{n}") for n in range(2)]
    screens = [open_screen(monitor.output) for monitor in monitors]
    screens[1]._window.set_location(400, 300)
    frames = [monitor.frame(pixels(320, 240, seed)) for seed, monitor in enumerate(monitors)]
    for screen, monitor, frame in zip(screens, monitors, frames, strict=True):
        screen.show(monitor.output, frame)
    for screen, frame in zip(screens, frames, strict=True):
        np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])
    assert [screen._window.caption for screen in screens] == ["output-0 - scanout", "output-1 - scanout"]


def test_a_window_with_alpha_lets_nothing_shine_through(open_screen: Open) -> None:
    """Its alpha is set to opaque after each frame, whatever the unused bytes hold."""
    monitor = Monitor()
    screen = open_screen(monitor.output)
    cleared: list[bool] = []
    screen._make_opaque = lambda: cleared.append(True)  # type: ignore[method-assign]
    screen.show(monitor.output, monitor.frame(pixels(320, 240)))
    assert cleared == [True] * bool(screen._window.config.alpha_size)
    WindowScreen._make_opaque(screen)
    check(screen._driver.gl, "making the window opaque")


def test_a_closed_window_shows_nothing_and_closes_once(open_screen: Open) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    frame = monitor.frame(pixels(320, 240))
    screen.show(monitor.output, frame)
    screen.close()
    screen.close()
    screen.show(monitor.output, frame)
    assert screen.upload_bytes == 4 * 320 * 240


def test_a_window_that_never_showed_anything_can_be_uncovered_and_closed(open_screen: Open) -> None:
    screen = open_screen(Monitor().output)
    screen._window.dispatch_event("on_expose")
    screen._pump.dispatch()
    screen.close()


def test_a_minimised_window_is_not_drawn(open_screen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    monkeypatch.setattr(screen._window, "get_framebuffer_size", lambda: (0, 0))
    monkeypatch.setattr(screen._window, "flip", lambda: pytest.fail("drawn"))
    screen.show(monitor.output, monitor.frame(pixels(320, 240)))


def test_a_driver_error_is_one_line(open_screen: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    screen.show(monitor.output, monitor.frame(pixels(320, 240)))
    gl = screen._driver.gl
    monkeypatch.setattr(gl, "GL_NEAREST", 0x1234)
    with pytest.raises(ScreenError, match=r"OpenGL driver reports INVALID_\w+ while drawing a frame$"):
        screen.show(monitor.output, monitor.frame(pixels(320, 240)))


# Events, served by the asyncio loop


def press(screen: WindowScreen, key: str) -> None:
    """Give the window the keyboard's focus, then press a key."""
    window_id = str(screen._window._window)
    subprocess.run(["xdotool", "windowfocus", "--sync", window_id, "key", key], check=True, timeout=30)


@pytest.mark.parametrize("key", ["Escape", "q"])
async def test_esc_and_q_ask_to_close(open_screen: Open, key: str) -> None:
    asked = asyncio.get_running_loop().create_future()
    screen = open_screen(Monitor().output, on_close=lambda: asked.set_result(None))
    press(screen, key)
    await within(asked)
    assert screen.error is None
    assert screen._window.context is not None, "closing is the callee's"


async def test_the_windows_button_asks_to_close(open_screen: Open) -> None:
    asked = asyncio.get_running_loop().create_future()
    screen = open_screen(Monitor().output, on_close=lambda: asked.set_result(None))
    screen._window.dispatch_event("on_close")  # as WM_DELETE_WINDOW from a window manager does
    screen._pump.dispatch()
    await within(asked)


async def test_s_asks_for_a_screenshot(open_screen: Open) -> None:
    asked = asyncio.get_running_loop().create_future()
    screen = open_screen(Monitor().output, on_screenshot=lambda: asked.set_result(None))
    press(screen, "x")
    press(screen, "s")
    await within(asked)


async def test_keys_without_a_meaning_or_a_listener_do_nothing(open_screen: Open) -> None:
    screen = open_screen(Monitor().output)
    key = screen._driver.key
    for symbol in (key.S, key.Q, key.X):
        assert screen._key_pressed(symbol, 0)
    assert screen._close_wanted()


async def test_f11_toggles_full_screen_and_the_picture_stays(
    open_screen: Open, photograph: Photograph
) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    frame = monitor.frame(pixels(320, 240))
    screen.show(monitor.output, frame)
    await resized(screen, lambda: press(screen, "F11"))
    assert screen._window.get_size() == (1280, 1024)
    expected = frame.snapshot()[..., :3].repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(photograph(screen)[32:992], expected)
    await resized(screen, lambda: press(screen, "F11"))
    assert screen._window.get_size() == (320, 240)
    np.testing.assert_array_equal(photograph(screen), frame.snapshot()[..., :3])


async def test_a_full_screen_window_stays_so_when_the_mode_changes(
    open_screen: Open, photograph: Photograph
) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    screen.show(monitor.output, monitor.frame(pixels(320, 240)))
    await resized(screen, lambda: press(screen, "F11"))
    monitor.output.set_mode("640x512")
    frame = monitor.frame(pixels(640, 512, 1))
    screen.show(monitor.output, frame)
    expected = frame.snapshot()[..., :3].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(photograph(screen), expected)


async def test_a_resized_window_is_drawn_anew(open_screen: Open, photograph: Photograph) -> None:
    monitor = Monitor()
    screen = open_screen(monitor.output)
    frame = monitor.frame(pixels(320, 240))
    screen.show(monitor.output, frame)
    window_id = str(screen._window._window)
    await resized(
        screen, lambda: subprocess.run(["xdotool", "windowsize", window_id, "640", "480"], check=True)
    )
    expected = frame.snapshot()[..., :3].repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(photograph(screen), expected)


async def within(asked: asyncio.Future[None]) -> None:
    async with asyncio.timeout(30):
        await asked


async def resized(screen: WindowScreen, action: Callable[[], object]) -> None:
    """Do something that resizes the window, and wait until that was drawn."""
    loop = asyncio.get_running_loop()
    drawn = asyncio.Event()
    draw = screen._draw

    def drawing() -> None:
        draw()
        if screen._window.get_size() != before:
            loop.call_soon(drawn.set)

    before = screen._window.get_size()
    screen._draw = drawing  # type: ignore[method-assign]
    action()
    async with asyncio.timeout(30):
        await drawn.wait()
    screen._draw = draw  # type: ignore[method-assign]


async def test_an_error_in_a_callback_closes_the_window_with_that_error(open_screen: Open) -> None:
    """asyncio would only log it."""
    asked = asyncio.get_running_loop().create_future()

    def fail() -> None:
        raise ZeroDivisionError("division by zero")

    screen = open_screen(Monitor().output, on_close=lambda: asked.set_result(None), on_screenshot=fail)
    press(screen, "s")
    await within(asked)
    assert str(screen.error) == "the window: ZeroDivisionError: division by zero"
    screen._fail(ScreenError("another one"))
    assert "division" in str(screen.error)


SURVIVE = """
import os, signal, subprocess, sys
from compositor.output.output import Output
from compositor.screen.window import WindowScreen
read_end, write_end = os.pipe()
server = subprocess.Popen(
    ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "640x480x24", "-nolisten", "tcp"],
    pass_fds=[write_end], stderr=subprocess.DEVNULL)
os.environ["DISPLAY"] = ":" + os.read(read_end, 10).decode().strip()
output = Output("320x240")
screen = WindowScreen(output, on_close=lambda: print("close:", screen.error))
screen.show(output, output.commit(0))
server.kill()
server.wait()
for _ in range(3):
    output.repaint()
    screen.show(output, output.commit(0))
screen.close()
print("alive")
"""


def test_a_program_survives_its_x_server(display: str) -> None:
    """Xlib would end it there and then, with guests, sockets and files left as they are."""
    root = str(Path(window.__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-c", SURVIVE],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stdout == "close: the window's X server went away\nalive\n", done.stderr
    assert done.returncode == 0
