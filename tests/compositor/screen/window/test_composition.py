"""Windows that OpenGL composes: close to the CPU's exact picture, which is made when it is asked for."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor import Machine, Placement
from compositor.errors import BadInput, ScreenError
from compositor.output.frame import Frame
from compositor.output.layers import Buffer, OutputLayer
from compositor.output.mode import Mode
from compositor.output.output import Output
from compositor.output.primary_plane import BACKGROUND
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import PlaneState, Rotation
from compositor.render.gl import HeadlessContext
from compositor.render.gl.upload import EVERY_WAY
from compositor.screen.headless import HeadlessScreen
from compositor.screen.window import WindowScreen
from compositor.screen.window.choice import choose, desktop
from guest import SimulatedGuest

Picture = NDArray[np.uint8]
Photograph = Callable[[WindowScreen], Picture]
SCREEN = (320, 240)


def pixels(width: int, height: int, seed: int) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


class Desktop:
    """A monitor with a wallpaper, two translucent windows, one of them turned, and a cursor."""

    def __init__(self) -> None:
        self.output = Output("320x240", background=0x305070)
        self.wallpaper = self.add("wallpaper", 0, Buffer(pixels(300, 200, 1), PixelFormat.XBGR8888))
        window = Buffer(pixels(150, 120, 2), PixelFormat.ARGB8888)
        self.window = self.add("window", 1, window, (40, 30), PlaneState(alpha=0x8080))
        turned = Buffer(pixels(90, 60, 3), PixelFormat.ABGR8888)
        self.turned = self.add("turned", 2, turned, (100, -8), PlaneState(rotation=Rotation.ROTATE_90))
        cursor = Buffer(pixels(16, 16, 4), PixelFormat.ARGB8888)
        self.cursor = self.add("cursor", 9, cursor, (60, 50), is_cursor=True)

    def add(
        self,
        name: str,
        z: int,
        buffer: Buffer,
        position: tuple[int, int] = (0, 0),
        plane: PlaneState = PlaneState(),  # noqa: B008 - frozen
        *,
        is_cursor: bool = False,
    ) -> OutputLayer:
        layer = OutputLayer(name, z=z, cursor=is_cursor)
        self.output.add(layer)
        self.output.show(layer, buffer, None, position, plane)
        return layer

    def submit(self, layer: OutputLayer, buffer: Buffer | None, damage: Rect | None = None) -> None:
        self.output.show(layer, buffer, damage, layer.position, layer.plane)

    def commit(self) -> Frame:
        frame = self.output.commit(0)
        assert frame is not None
        return frame


@pytest.fixture
def gl() -> Iterator[Any]:
    pytest.importorskip("pyglet")
    try:
        context = HeadlessContext()
    except ScreenError as error:
        pytest.skip(str(error))
    with context:
        yield context.gl


def check(photo: Picture, frame: Frame) -> None:
    """Within 1 for each of the three layers with alpha."""
    assert np.abs(photo.astype(int) - frame.snapshot()[..., :3]).max() <= 3


@pytest.mark.real
def test_a_window_composes_within_one_of_the_exact_picture_and_by_damage(
    open_screen: Callable[..., WindowScreen], photograph: Photograph
) -> None:
    shown = Desktop()
    screen = open_screen(shown.output, renderer="gl")
    shown.output.one_plane, shown.output.screen_composes = screen.one_plane, screen.composes
    frame = shown.commit()
    screen.show(shown.output, frame)
    assert frame._visible._seq == 0, "the CPU has not composed it"
    assert list(frame.composed) == ["wallpaper", "window", "turned", "cursor", BACKGROUND]
    assert min(frame.composed.values()) > 0
    check(photograph(screen), frame)
    uploaded = screen.upload_bytes
    shown.output.move(shown.cursor, 200, 100)
    shown.submit(shown.window, Buffer(pixels(150, 120, 5), PixelFormat.ARGB8888), Rect(10, 10, 8, 4))
    frame = shown.commit()
    screen.show(shown.output, frame)
    assert screen.upload_bytes - uploaded < 16 * 16 * 4 * 10
    check(photograph(screen), frame)


@pytest.mark.real
def test_a_window_goes_from_scan_out_to_composition_and_light_and_back(
    open_screen: Callable[..., WindowScreen], photograph: Photograph
) -> None:
    shown = Desktop()
    screen = open_screen(shown.output, renderer="gl")
    shown.output.one_plane, shown.output.screen_composes = screen.one_plane, screen.composes
    others = [(layer, layer.buffer) for layer in (shown.window, shown.turned, shown.cursor)]
    for step in range(6):
        shown.submit(shown.wallpaper, Buffer(pixels(*SCREEN, 10 + step), PixelFormat.XRGB8888))
        for layer, buffer in others:
            shown.submit(layer, None if step % 3 == 1 else buffer)
        shown.output.set_linear_light(step == 3)
        frame = shown.commit()
        assert frame.direct is (step % 3 == 1)
        assert bool(frame.above) is (step in (0, 2, 5))
        screen.show(shown.output, frame)
        check(photograph(screen), frame)


@pytest.mark.real
def test_a_mode_switch_and_an_empty_screen_are_followed(
    open_screen: Callable[..., WindowScreen], photograph: Photograph
) -> None:
    shown = Desktop()
    screen = open_screen(shown.output, renderer="gl")
    shown.output.one_plane, shown.output.screen_composes = screen.one_plane, screen.composes
    screen.show(shown.output, shown.commit())
    shown.output.set_mode("200x160")
    frame = shown.commit()
    screen.show(shown.output, frame)
    assert screen.picture.size == (200, 160)
    for layer in shown.output.layers:
        shown.submit(layer, None)
    frame = shown.commit()
    screen.show(shown.output, frame)
    assert not frame.above
    shown.submit(shown.cursor, Buffer(pixels(16, 16, 4), PixelFormat.ARGB8888))
    frame = shown.commit()
    screen.show(shown.output, frame)
    assert frame.damage == (Rect(60, 50, 16, 16),)
    assert screen.picture.size == (200, 160)


@pytest.mark.real
async def test_guests_in_a_window_are_composed_by_opengl_and_photographed_by_the_cpu(display: str) -> None:
    async with Machine(
        outputs=["320x240@60"], clock="real", window=True, renderer="gl", digest=False
    ) as machine:
        await machine.attach(SimulatedGuest("plasma"))
        await machine.attach(SimulatedGuest("gears"), [Placement(x=20, y=20, width=160, height=120)])
        frames = [await machine.next_frame() for _ in range(5)]
        stats, shot = machine.stats(), machine.screenshot()
    assert any(frame.above for frame in frames)
    assert all(guest["bytes"]["compose"] > 0 and guest["bytes"]["upload"] > 0 for guest in stats["guests"])
    assert shot.shape == (240, 320, 4)


@pytest.mark.real
@pytest.mark.parametrize("kind", ["gl", "auto"])
def test_the_choice_says_why(gl: Any, kind: Any) -> None:
    composition, reason = choose(kind, gl, EVERY_WAY[0], Mode(64, 48))
    if composition is not None:
        composition.delete()
    assert reason == "asked for" if kind == "gl" else reason.startswith("a desktop of 64x48: ")


def test_what_is_measured_is_a_desktop_of_the_outputs_own_size() -> None:
    layers = desktop(Mode(640, 480))
    assert [layer.bounds for layer in layers] == [
        Rect(0, 0, 640, 480), Rect(160, 120, 320, 240), Rect(320, 240, 320, 240),
    ]  # fmt: skip
    assert [layer.is_opaque for layer in layers] == [True, False, False]


def test_opengl_composes_for_windows_alone() -> None:
    with pytest.raises(BadInput, match="OpenGL composes for windows alone"):
        Machine(renderer="gl")
    assert not HeadlessScreen().composes


def test_a_screen_that_composes_gets_the_layers_and_the_exact_picture_is_the_same() -> None:
    """On an output without a screen: what it would show, composed at once and when it is asked for."""
    at_once, on_demand = Desktop(), Desktop()
    at_once.output.one_plane = on_demand.output.one_plane = on_demand.output.screen_composes = True
    for move in range(3):
        for shown in (at_once, on_demand):
            shown.output.move(shown.cursor, 30 * move, 20)
        eager, lazy = at_once.commit(), on_demand.commit()
        assert eager.above == ()
        assert len(lazy.above) == 4
        assert lazy.compose_bytes == 0 or move == 0, "but the background, once"
        assert eager.damage == lazy.damage
        np.testing.assert_array_equal(eager.snapshot(), lazy.snapshot())
