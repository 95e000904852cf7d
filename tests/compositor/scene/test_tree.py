"""The scene tree, flattened to the surfaces of outputs."""

import numpy as np
import pytest

from compositor.errors import Misuse
from compositor.output.frame import Frame
from compositor.output.output import Output
from compositor.output.surface import CURSOR_Z, Buffer
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import Rotation
from compositor.pixels.transform import TRANSFORMS
from compositor.presenter import Presenter
from compositor.scene.node import Node
from compositor.scene.surface import SurfaceNode
from compositor.scene.tree import SceneTree
from compositor.screen.headless import HeadlessScreen
from virtio.clock import Calendar


class Desk:
    """Two outputs of 64x48 beside each other, repainted when told."""

    def __init__(self) -> None:
        calendar = Calendar()
        self.presenters = [
            Presenter(Output("64x48", name=name), calendar, screen=HeadlessScreen(), repaint="recorded")
            for name in ("left", "right")
        ]
        self.tree = SceneTree(self.presenters)
        self.heard: list[str] = []

    def node(self, name: str, **place: object) -> SurfaceNode:
        node = SurfaceNode(
            name,
            **place,  # type: ignore[arg-type]
            on_taken=lambda: self.heard.append(f"{name} taken"),
            on_feedback=lambda feedback: self.heard.append(f"{name} {type(feedback).__name__.lower()}"),
        )
        self.tree.content.add(node)
        return node

    def scene(self, output: int) -> list[tuple[str, Rect]]:
        return [(surface.name, surface.bounds) for surface in self.presenters[output].output.scene.visible()]

    def repaint(self, output: int) -> Frame:
        frames: list[Frame] = []
        self.presenters[output].listeners.append(frames.append)
        self.presenters[output].repaint()
        self.presenters[output].listeners.pop()
        return frames[0]


def picture(value: int = 9, width: int = 32, height: int = 16) -> Buffer:
    return Buffer(np.full((height, width, 4), value, np.uint8), PixelFormat.XRGB8888)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_group_moves_clips_and_hides_what_is_in_it(desk: Desk) -> None:
    group, node = Node(x=4, y=2, outputs=(0,)), SurfaceNode("a", x=1)
    desk.tree.content.add(group)
    group.add(node)
    node.submit(picture())
    assert desk.scene(0) == [("a", Rect(5, 2, 32, 16))]
    group.move(10, 10)
    assert desk.scene(0) == [("a", Rect(11, 10, 32, 16))]
    group.set_clip(Rect(0, 4, 9, 100))
    assert desk.scene(0) == [("a", Rect(11, 14, 8, 12))]
    group.show(False)
    assert desk.scene(0) == []
    group.show()
    group.set_clip(None)
    assert desk.scene(0) == [("a", Rect(11, 10, 32, 16))]
    node.remove()
    assert desk.scene(0) == []


def test_in_the_layout_a_node_is_cut_to_each_output_and_moves_from_one_to_the_next(desk: Desk) -> None:
    node = desk.node("a", x=48)
    node.submit(picture())
    assert desk.scene(0) == [("a", Rect(48, 0, 16, 16))]
    assert desk.scene(1) == [("a", Rect(0, 0, 16, 16))]
    node.move(70, 40)
    assert desk.scene(0) == []
    assert desk.scene(1) == [("a", Rect(6, 40, 32, 8))]
    node.move(900, 0)
    assert set(node.views) == set()


def test_what_is_on_an_output_is_not_cut_and_does_not_spill_onto_the_next(desk: Desk) -> None:
    node = desk.node("a", x=48, outputs=(0,))
    node.submit(picture())
    assert desk.scene(0) == [("a", Rect(48, 0, 32, 16))]
    assert desk.scene(1) == []


def test_crops_are_the_same_pixels(desk: Desk) -> None:
    node, buffer = desk.node("a", x=48), picture()
    node.submit(buffer)
    for index in (0, 1):
        cropped = node.views[index].surface.buffer
        assert cropped is not None
        assert np.shares_memory(cropped.pixels, buffer.pixels)


def test_a_mirrored_submission_is_presented_when_the_last_output_shows_it(desk: Desk) -> None:
    desk.node("a", outputs=(0, 1)).submit(picture())
    desk.repaint(0)
    assert desk.heard == []
    desk.repaint(1)
    assert desk.heard == ["a taken", "a presented"]


def test_a_submission_that_one_output_showed_and_another_never_will_was_presented(desk: Desk) -> None:
    node = desk.node("a", outputs=(0, 1))
    node.submit(picture(1))
    desk.repaint(0)
    node.submit(picture(2))
    assert desk.heard == ["a taken", "a presented"]
    desk.repaint(1)
    desk.repaint(0)
    assert desk.heard[2:] == ["a taken", "a presented"]


def test_where_nobody_sees_it_a_submission_is_discarded(desk: Desk) -> None:
    node = desk.node("a", x=-100)
    node.submit(picture())
    assert desk.heard == ["a discarded"]
    node.move(0, 0)
    assert desk.scene(0) == [("a", Rect(0, 0, 32, 16))]
    desk.repaint(0)
    assert desk.heard == ["a discarded"], "what was moved into view is shown, but no submission"


def test_a_submission_moves_along_to_another_output(desk: Desk) -> None:
    node = desk.node("a", outputs=(0,))
    node.submit(picture())
    node.set_outputs((1,))
    assert desk.heard == []
    desk.repaint(1)
    assert desk.heard == ["a taken", "a presented"]


def test_an_unplugged_output_gives_its_submissions_back(desk: Desk) -> None:
    node = desk.node("a", outputs=(0,))
    node.submit(picture())
    desk.presenters[0].unplug()
    desk.tree.outputs_changed()
    assert desk.heard == ["a discarded"]
    assert desk.scene(0) == []
    desk.presenters[0].plug(HeadlessScreen())
    desk.tree.outputs_changed()
    assert desk.scene(0) == [("a", Rect(0, 0, 32, 16))]


def test_damage_is_cut_to_the_crop(desk: Desk) -> None:
    node = desk.node("a", x=48)
    node.submit(picture())
    for index in (0, 1):
        desk.repaint(index)
    node.submit(picture(), Rect(20, 4, 4, 4))
    assert desk.repaint(1).damage == (Rect(4, 4, 4, 4),)
    assert desk.repaint(0).damage == ()


def test_siblings_are_stacked_by_z_then_by_age_and_cursors_are_above_all(desk: Desk) -> None:
    below, above = desk.node("below"), desk.node("above")
    high = desk.node("high", z=5)
    cursor = SurfaceNode("cursor")
    desk.tree.cursors.add(cursor)
    nodes = (cursor, high, above, below)
    for node in nodes:
        node.submit(picture())
    names = [name for name, _ in desk.scene(0)]
    assert names == ["below", "above", "high", "cursor"]
    assert cursor.views[0].surface.z >= CURSOR_Z
    below.restack(0)
    assert [name for name, _ in desk.scene(0)] == ["above", "below", "high", "cursor"]
    above.raise_to_top()
    assert [name for name, _ in desk.scene(0)] == ["below", "high", "above", "cursor"]


def test_restacking_repaints_what_changed_its_place_only(desk: Desk) -> None:
    first, second, apart = desk.node("first"), desk.node("second"), desk.node("apart", x=0, y=32, z=9)
    for node in (first, second, apart):
        node.submit(picture())
    desk.repaint(0)
    first.raise_to_top()
    assert [name for name, _ in desk.scene(0)] == ["second", "apart", "first"]
    second.restack(0)
    desk.repaint(0)
    apart.restack(20)
    assert Rect(0, 0, 32, 16) in desk.repaint(0).damage


def test_a_node_has_one_parent(desk: Desk) -> None:
    node = desk.node("a")
    with pytest.raises(Misuse, match="a node has one parent"):
        Node().add(node)
    node.remove()
    with pytest.raises(Misuse, match="a node without a parent"):
        node.remove()


def test_a_groups_opacity_multiplies_that_of_what_is_in_it(desk: Desk) -> None:
    group, node = Node(alpha=0x8000, outputs=(0,)), SurfaceNode("a", alpha=0x8000)
    desk.tree.content.add(group)
    group.add(node)
    node.submit(picture(200))
    assert node.views[0].surface.plane.alpha == 0x4000
    assert desk.repaint(0).snapshot()[0, 0, 0] == 50
    group.set_alpha(0xFFFF)
    assert desk.repaint(0).snapshot()[0, 0, 0] == 100


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("clip", [None, Rect(1, 2, 9, 7)])
def test_a_turned_picture_is_cut_where_it_lies(desk: Desk, name: str, clip: Rect | None) -> None:
    """Over two outputs, with and without a clip: as if the whole had been turned first and cut then."""
    chance = np.random.default_rng(1)
    pixels = chance.integers(0, 256, (20, 30, 4), np.uint8)
    node = SurfaceNode("a", x=56, y=3, clip=clip, rotation=TRANSFORMS[name])
    desk.tree.content.add(node)
    node.submit(Buffer(pixels, PixelFormat.XRGB8888))
    screen = np.hstack([desk.repaint(0).snapshot(), desk.repaint(1).snapshot()])[..., :3]
    whole = pixels[:, ::-1] if name.startswith("flipped") else pixels
    whole = np.rot90(whole, {"90": 1, "180": 2, "270": 3}.get(name.removeprefix("flipped-"), 0))
    wanted = np.zeros((48, 128, 3), np.uint8)
    height, width = whole.shape[:2]
    wanted[3 : 3 + height, 56 : 56 + width] = whole[..., 2::-1]
    if clip is not None:
        outside = np.ones((48, 128), bool)
        outside[3 + clip.y : 3 + clip.bottom, 56 + clip.x : 56 + clip.right] = False
        wanted[outside] = 0
    assert np.array_equal(screen, wanted)


def test_a_picture_is_turned_while_it_is_shown(desk: Desk) -> None:
    node = desk.node("a", outputs=(0,))
    node.submit(picture(9, 32, 16))
    desk.repaint(0)
    node.turn(Rotation.ROTATE_90)
    assert desk.scene(0) == [("a", Rect(0, 0, 16, 32))]
    assert desk.repaint(0).snapshot()[31, 0, 0] == 9
