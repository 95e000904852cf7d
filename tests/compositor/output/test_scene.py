import numpy as np
import pytest

from compositor.errors import Misuse
from compositor.output.scene import CURSOR_Z, Buffer, Scene, Surface
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect


def shown(name: str, *, x: int = 0, z: int = 0) -> Surface:
    surface = Surface(name, x=x, z=z)
    surface.submit(Buffer(np.zeros((4, 8, 4), np.uint8), PixelFormat.XRGB8888))
    return surface


def test_surfaces_stack_by_z_and_then_by_the_order_they_came_in() -> None:
    scene = Scene()
    for name, z in (("cursor", CURSOR_Z), ("b", 1), ("a", 0), ("c", 1), ("below", -5)):
        scene.add(Surface(name, z=z))
    assert [surface.name for surface in scene] == ["below", "a", "b", "c", "cursor"]
    assert len(scene) == 5


def test_visible_surfaces_have_a_buffer_and_are_not_hidden() -> None:
    scene, hidden, plain = Scene(), shown("hidden"), shown("plain")
    for surface in (hidden, Surface("empty"), plain):
        scene.add(surface)
    hidden.hide()
    assert scene.visible() == [plain]


def test_every_change_is_announced_in_output_coordinates() -> None:
    announced: list[tuple[Rect, ...]] = []
    scene, surface = Scene(lambda rects, _surface: announced.append(rects)), shown("s", x=3)
    scene.add(surface)
    surface.move(4, 0)
    scene.remove(surface)
    surface.move(9, 9)
    at_3, at_4 = Rect(3, 0, 8, 4), Rect(4, 0, 8, 4)
    assert announced == [(at_3,), (at_3, at_4), (at_4,)]


def test_hidden_surfaces_come_and_go_unnoticed() -> None:
    announced: list[tuple[Rect, ...]] = []
    scene, surface = Scene(lambda rects, _surface: announced.append(rects)), shown("s")
    surface.hide()
    scene.add(surface)
    scene.remove(surface)
    assert announced == []


def test_a_removed_surface_is_gone_when_that_is_announced_and_has_discarded_its_submission() -> None:
    scene, surface = Scene(), Surface("s")
    scene.add(surface)
    surface.submit(Buffer(np.zeros((4, 8, 4), np.uint8), PixelFormat.XRGB8888))
    left: list[int] = []
    scene.on_changed = lambda _rects, _surface: left.append(len(scene))
    scene.remove(surface)
    assert left == [0]
    assert surface.discarded == 1
    scene.add(surface)
    assert surface.visible


def test_a_surface_is_in_one_scene_at_a_time() -> None:
    scene, other, surface = Scene(), Scene(), Surface("guest-0")
    scene.add(surface)
    with pytest.raises(Misuse, match='"guest-0" is in a scene already'):
        other.add(surface)
    with pytest.raises(Misuse, match='"guest-0" is not in this scene'):
        other.remove(surface)
    scene.remove(surface)
    other.add(surface)
