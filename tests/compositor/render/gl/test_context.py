"""A context without a window."""

import sys

import pytest

from compositor.errors import ScreenError
from compositor.output.mode import Mode
from compositor.render.gl import HeadlessContext, Target
from compositor.render.gl.library import driver_name
from compositor.screen.window import driver


@pytest.mark.real
def test_contexts_come_and_go_and_close_twice() -> None:
    for _ in range(3):
        with HeadlessContext() as context:
            assert "OpenGL" in driver_name(context.gl)
            Target(context.gl, 4, 4).delete()
        context.close()


@pytest.mark.real
def test_windows_can_still_be_opened_in_the_same_process(display: str) -> None:
    HeadlessContext().close()
    window = driver.open_window(driver.load(), Mode.parse("64x64"), "scanout-test")
    window.close()


@pytest.mark.parametrize(
    ("module", "reason"),
    [("pyglet", "pyglet is missing; pip install"), ("pyglet.display.headless", r"apt install .*libegl1")],
)
def test_what_is_missing_is_said_with_its_remedy(
    monkeypatch: pytest.MonkeyPatch, module: str, reason: str
) -> None:
    pytest.importorskip("pyglet")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ScreenError, match=reason):
        HeadlessContext()
