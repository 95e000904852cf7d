"""OpenGL contexts, without a window and with one."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from compositor.errors import ScreenError
from compositor.output.mode import Mode
from compositor.render.gl import GlRenderer, HeadlessContext
from compositor.screen.window import driver

OpenContext = Callable[[], AbstractContextManager[Any]]


@contextmanager
def headless() -> Iterator[Any]:
    pytest.importorskip("pyglet")
    try:
        context = HeadlessContext()
    except ScreenError as error:
        pytest.skip(str(error))
    with context:
        yield context.gl


@contextmanager
def windowed(display: str) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", display)
        loaded = driver.load()
        window = driver.open_window(loaded, Mode.parse("320x240"), "scanout-test")
    window.switch_to()
    yield loaded.gl
    window.close()


@pytest.fixture
def gl() -> Iterator[Any]:
    """`pyglet.gl` with a context without a window."""
    with headless() as functions:
        yield functions


@pytest.fixture
def renderer(gl: Any) -> Iterator[GlRenderer]:
    """A renderer without a window, which has measured nothing."""
    made = GlRenderer(gl)
    yield made
    made.close()


@pytest.fixture(scope="module", params=["headless", "window"])
def any_renderer(request: pytest.FixtureRequest) -> Iterator[GlRenderer]:
    """A renderer without a window, then one with; one at a time, for only one context can be current."""
    context = headless() if request.param == "headless" else windowed(request.getfixturevalue("x_server"))
    with context as functions:
        made = GlRenderer(functions)
        yield made
        made.close()
