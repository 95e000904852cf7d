"""The choice among the ways to upload, on the driver of this machine."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from compositor.errors import ScreenError
from compositor.pixels.format import PixelFormat
from compositor.render.gl import ways
from compositor.render.gl.painter import Painter
from compositor.render.gl.upload import EVERY_WAY, Layout, Way

pytestmark = pytest.mark.real


@pytest.fixture
def painter(gl: Any) -> Iterator[Painter]:
    made = Painter(gl)
    yield made
    made.delete()


@pytest.mark.parametrize("way", EVERY_WAY, ids=str)
@pytest.mark.parametrize("like", [PixelFormat.XRGB8888, PixelFormat.ARGB8888])
def test_every_way_shows_pictures_as_they_are(gl: Any, painter: Painter, way: Way, like: PixelFormat) -> None:
    assert ways._is_right(gl, painter, way, like)


def test_without_a_stopwatch_it_is_the_first_that_works(gl: Any, painter: Painter) -> None:
    way, reason = ways.fastest(gl, painter, PixelFormat.XRGB8888, None)
    assert (way, reason) == (EVERY_WAY[0], "the first that works")


def test_the_fastest_is_used_and_all_times_are_told(
    gl: Any, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = dict.fromkeys(EVERY_WAY, 0.009) | {Way(Layout.RAW): 0.001}
    monkeypatch.setattr(ways, "_seconds", lambda _gl, _painter, way, *_: times[way])
    way, reason = ways.fastest(gl, painter, PixelFormat.ARGB8888, float)
    assert way == Way(Layout.RAW)
    assert "native 9.00, native, by buffer object 9.00" in reason
    assert "raw 1.00" in reason


def test_of_two_that_are_about_as_fast_it_is_the_plainer(
    gl: Any, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = dict(zip(EVERY_WAY, count(105, -1), strict=False))
    monkeypatch.setattr(ways, "_seconds", lambda _gl, _painter, way, *_: float(times[way]))
    assert ways.fastest(gl, painter, PixelFormat.ARGB8888, float)[0] == EVERY_WAY[0]


def test_a_way_that_shows_pictures_wrongly_is_out(
    gl: Any, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    shows = ways.shows
    monkeypatch.setattr(ways, "shows", lambda *a: a[2].layout is not Layout.NATIVE and shows(*a))
    way, reason = ways.fastest(gl, painter, PixelFormat.XRGB8888, None)
    assert way == Way(Layout.SIZED)
    assert "; shows pictures wrongly: native; shows pictures wrongly: native, by buffer object" in reason


def test_a_driver_that_shows_nothing_right_is_refused(
    gl: Any, painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ways, "shows", lambda *_: False)
    with pytest.raises(ScreenError, match="shows no picture as it is"):
        ways.fastest(gl, painter, PixelFormat.XRGB8888, None)


def test_measuring_gives_seconds(gl: Any, painter: Painter) -> None:
    ticks = count()
    seconds = ways._seconds(gl, painter, EVERY_WAY[0], PixelFormat.XRGB8888, lambda: float(next(ticks)))
    assert seconds == 1.0
