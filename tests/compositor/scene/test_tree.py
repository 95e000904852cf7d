"""The scene tree, flattened to the layers of outputs."""

from collections.abc import Callable

import numpy as np
import pytest

from compositor.errors import BadInput, Misuse
from compositor.output.frame import Frame
from compositor.output.layers import Buffer
from compositor.output.output import Output
from compositor.output.submission import Submission
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import MAX_SIZE, OPAQUE, TRANSFORMS, Rotation
from compositor.scene.surface import Surface
from compositor.scene.tree import Node, SceneTree
from virtio.limits import Limits


class TwoOutputs:
    """Two outputs of 64x48 beside each other, repainted when the test says so."""

    def __init__(self) -> None:
        self.outputs = self.left, self.right = Output("64x48", name="left"), Output("64x48", name="right")
        self.tree = SceneTree(self.outputs)
        self.heard: list[str] = []

    def node(
        self, name: str, *, x: int = 0, y: int = 0, z: int = 0, outputs: tuple[int, ...] | None = None
    ) -> Surface:
        node = Surface(name, x=x, y=y, z=z, outputs=outputs)
        self.tree.content.add(node)
        return node

    def submit(self, node: Surface, value: int = 9, damage: Rect | None = None) -> None:
        """Submit a picture, and hear what becomes of it."""
        hears = self.heard.append
        submission = Submission(
            node.name,
            1,
            lambda: hears(f"{node.name} latched"),
            lambda feedback: hears(f"{node.name} {type(feedback).__name__.lower()}"),
        )
        node.submit(picture(value, submission=submission), damage)

    def shown(self, output: int) -> list[tuple[str, Rect]]:
        layers = self.outputs[output].layers
        return [(layer.name, layer.bounds) for layer in layers if layer.buffer is not None]

    def names(self, output: int) -> list[str]:
        return [name for name, _ in self.shown(output)]

    def repaint(self, output: int) -> Frame:
        frame = self.outputs[output].commit(0)
        assert frame is not None
        frame.latch()
        frame.release()
        return frame

    def begin(self, output: int) -> Frame:
        """A frame that will be on the screen later."""
        frame = self.outputs[output].commit(0, deferred=True)
        assert frame is not None
        frame.latch()
        return frame


def picture(
    value: int = 9, width: int = 32, height: int = 16, submission: Submission | None = None
) -> Buffer:
    pixels = np.full((height, width, 4), value, np.uint8)
    return Buffer(pixels, PixelFormat.XRGB8888, submission=submission)


@pytest.fixture
def two() -> TwoOutputs:
    return TwoOutputs()


def test_a_group_moves_and_clips_what_is_in_it(two: TwoOutputs) -> None:
    group, node = Node(x=4, y=2, outputs=(0,)), Surface("a", x=1)
    two.tree.content.add(group)
    group.add(node)
    node.submit(picture())
    assert two.shown(0) == [("a", Rect(5, 2, 32, 16))]
    group.move(10, 10)
    assert two.shown(0) == [("a", Rect(11, 10, 32, 16))]
    group.set_clip(Rect(0, 4, 9, 100))
    assert two.shown(0) == [("a", Rect(11, 14, 8, 12))]
    group.set_clip(None)
    assert two.shown(0) == [("a", Rect(11, 10, 32, 16))]
    node.remove()
    assert two.shown(0) == []


def test_a_group_that_is_taken_out_takes_what_is_in_it_along(two: TwoOutputs) -> None:
    group, node = Node(outputs=(0,)), Surface("a")
    two.tree.content.add(group)
    group.add(node)
    two.submit(node)
    group.remove()
    assert (two.shown(0), two.heard) == ([], ["a discarded"])
    node.move(5, 5)
    assert two.shown(0) == []
    two.tree.content.add(group)
    assert two.shown(0) == [("a", Rect(5, 5, 32, 16))]


def test_in_the_layout_a_node_is_cut_to_each_output_and_moves_from_one_to_the_next(two: TwoOutputs) -> None:
    node = two.node("a", x=48)
    node.submit(picture())
    assert two.shown(0) == [("a", Rect(48, 0, 16, 16))]
    assert two.shown(1) == [("a", Rect(0, 0, 16, 16))]
    node.move(70, 40)
    assert two.shown(0) == []
    assert two.shown(1) == [("a", Rect(6, 40, 32, 8))]
    node.move(900, 0)
    assert node.layers == {}


def test_what_is_on_an_output_is_not_cut_and_does_not_spill_onto_the_next(two: TwoOutputs) -> None:
    node = two.node("a", x=48, outputs=(0,))
    node.submit(picture())
    assert two.shown(0) == [("a", Rect(48, 0, 32, 16))]
    assert two.shown(1) == []


def test_crops_are_the_same_pixels(two: TwoOutputs) -> None:
    node, buffer = two.node("a", x=48), picture()
    node.submit(buffer)
    for output in two.outputs:
        cropped = node.layers[output].buffer
        assert cropped is not None
        assert np.shares_memory(cropped.pixels, buffer.pixels)


def test_a_mirrored_submission_is_presented_when_the_last_output_shows_it(two: TwoOutputs) -> None:
    two.submit(two.node("a", outputs=(0, 1)))
    two.repaint(0)
    assert two.heard == []
    two.repaint(1)
    assert two.heard == ["a latched", "a presented"]


@pytest.mark.parametrize("outputs", [(0, 1), None])
def test_a_submission_is_whole_before_its_first_answer_though_an_output_repaints_within_the_call(
    two: TwoOutputs, outputs: tuple[int, ...] | None
) -> None:
    """Mirrored on both outputs, and spread over both."""

    def on_demand(index: int) -> Callable[[], None]:
        def repaint() -> None:
            two.repaint(index)
            two.heard.append(f"{two.outputs[index].name} repainted")

        return repaint

    node = two.node("a", x=48, outputs=outputs)
    for index, output in enumerate(two.outputs):
        output.on_needs_frame = on_demand(index)
    for _ in range(2):  # the first one makes the layers, the second one finds them
        two.submit(node)
        assert two.heard == ["left repainted", "right repainted", "a latched", "a presented"]
        two.heard.clear()


def test_a_submission_that_one_output_showed_and_another_never_will_was_presented(two: TwoOutputs) -> None:
    node = two.node("a", outputs=(0, 1))
    two.submit(node, 1)
    two.repaint(0)
    two.submit(node, 2)
    assert two.heard == ["a latched", "a presented"]
    two.repaint(1)
    two.repaint(0)
    assert two.heard[2:] == ["a latched", "a presented"]


def test_where_no_output_shows_it_a_submission_is_discarded(two: TwoOutputs) -> None:
    node = two.node("a", x=-100)
    two.submit(node)
    assert two.heard == ["a discarded"]
    node.move(0, 0)
    assert two.shown(0) == [("a", Rect(0, 0, 32, 16))]
    two.repaint(0)
    assert two.heard == ["a discarded"], "what was moved into view is shown, but no submission"


def test_a_submission_moves_along_to_another_output(two: TwoOutputs) -> None:
    node = two.node("a", outputs=(0,))
    two.submit(node)
    node.set_outputs((1,))
    assert two.heard == []
    two.repaint(1)
    assert two.heard == ["a latched", "a presented"]


def leave(two: TwoOutputs, node: Surface) -> None:
    node.set_outputs((1,))


def take_out(two: TwoOutputs, node: Surface) -> None:
    node.remove()


def unplug(two: TwoOutputs, node: Surface) -> None:
    two.left.unplug()
    two.tree.outputs_changed()


@pytest.mark.parametrize("go", [leave, take_out, unplug])
@pytest.mark.parametrize("shown", [True, False])
def test_a_surface_that_leaves_while_its_frame_is_under_way_is_answered_by_that_frame(
    two: TwoOutputs, go: Callable[[TwoOutputs, Surface], None], shown: bool
) -> None:
    node = two.node("a", outputs=(0,))
    two.submit(node)
    frame = two.begin(0)
    go(two, node)
    assert two.heard == ["a latched"]
    if shown:
        frame.release()
    else:
        frame.discard()
    assert two.heard == ["a latched", "a presented" if shown else "a discarded"]


def test_an_unplugged_output_gives_its_submissions_back(two: TwoOutputs) -> None:
    node = two.node("a", outputs=(0,))
    two.submit(node)
    two.left.unplug()
    two.tree.outputs_changed()
    assert two.heard == ["a discarded"]
    assert two.shown(0) == []
    two.left.plug()
    two.tree.outputs_changed()
    assert two.shown(0) == [("a", Rect(0, 0, 32, 16))]


def test_damage_is_cut_to_the_crop(two: TwoOutputs) -> None:
    node = two.node("a", x=48)
    two.submit(node)
    for index in (0, 1):
        two.repaint(index)
    two.submit(node, damage=Rect(20, 4, 4, 4))
    assert two.repaint(1).damage == (Rect(4, 4, 4, 4),)
    assert two.repaint(0).damage == ()


def test_siblings_are_stacked_by_z_then_by_age_with_what_belongs_to_them(two: TwoOutputs) -> None:
    below, above = two.node("below"), two.node("above")
    high = two.node("high", z=5)
    cursor = Surface("cursor")
    above.add(cursor)
    for node in (cursor, high, above, below):
        node.submit(picture())
    assert two.names(0) == ["below", "above", "cursor", "high"]
    below.restack(0)
    assert two.names(0) == ["above", "cursor", "below", "high"]
    above.restack(5)
    assert two.names(0) == ["below", "high", "above", "cursor"]


def test_restacking_repaints_what_changed_its_place_only(two: TwoOutputs) -> None:
    first, second, apart = two.node("first"), two.node("second"), two.node("apart", y=32, z=9)
    for node in (first, second, apart):
        node.submit(picture())
    two.repaint(0)
    first.restack(9)
    assert two.names(0) == ["second", "apart", "first"]
    second.restack(0)
    two.repaint(0)
    apart.restack(20)
    assert Rect(0, 0, 32, 16) in two.repaint(0).damage


def test_a_node_has_one_parent(two: TwoOutputs) -> None:
    node = two.node("a")
    with pytest.raises(Misuse, match="a node has one parent"):
        Node().add(node)
    node.remove()
    with pytest.raises(Misuse, match="a node without a parent"):
        node.remove()


def test_a_groups_opacity_multiplies_that_of_what_is_in_it(two: TwoOutputs) -> None:
    group, node = Node(alpha=0x8000, outputs=(0,)), Surface("a", alpha=0x8000)
    two.tree.content.add(group)
    group.add(node)
    node.submit(picture(200))
    assert node.layers[two.left].plane.alpha == 0x4000
    assert two.repaint(0).snapshot()[0, 0, 0] == 50
    group.set_alpha(0xFFFF)
    assert two.repaint(0).snapshot()[0, 0, 0] == 100


@pytest.mark.parametrize("name", TRANSFORMS)
@pytest.mark.parametrize("clip", [None, Rect(1, 2, 9, 7)])
def test_a_turned_picture_is_cut_where_it_lies(two: TwoOutputs, name: str, clip: Rect | None) -> None:
    """Over two outputs, with and without a clip: as if the whole had been turned first and cut then."""
    chance = np.random.default_rng(1)
    pixels = chance.integers(0, 256, (20, 30, 4), np.uint8)
    node = Surface("a", x=56, y=3, clip=clip, rotation=TRANSFORMS[name])
    two.tree.content.add(node)
    node.submit(Buffer(pixels, PixelFormat.XRGB8888))
    screen = np.hstack([two.repaint(0).snapshot(), two.repaint(1).snapshot()])[..., :3]
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


def test_a_picture_is_turned_while_it_is_shown(two: TwoOutputs) -> None:
    node = two.node("a", outputs=(0,))
    node.submit(picture(9, 32, 16))
    two.repaint(0)
    node.turn(Rotation.ROTATE_90)
    assert two.shown(0) == [("a", Rect(0, 0, 16, 32))]
    assert two.repaint(0).snapshot()[31, 0, 0] == 9


def test_a_buffer_that_planes_do_not_show_is_refused_before_anything_changes(two: TwoOutputs) -> None:
    """Even where it could be shown as it is: later the surface may turn or fade, and must not fail then."""
    node = two.node("a", outputs=(0, 1))
    two.submit(node, 9)
    two.repaint(0)
    before = node.buffer
    with pytest.raises(BadInput, match=r'surface "a": FB_ID: a buffer of width 32768 is beyond 32767'):
        node.submit(picture(7, MAX_SIZE + 1, 1))
    assert node.buffer is before
    two.repaint(1)
    assert two.heard == ["a latched", "a presented"]


def test_the_largest_scanout_of_a_device_can_be_shown_in_every_way(two: TwoOutputs) -> None:
    largest = Limits().dimension
    node = two.node("a", outputs=(0,))
    node.submit(picture(9, largest, 1))
    for rotation in TRANSFORMS.values():
        node.turn(rotation)
        for clip in (None, Rect(0, 0, 1, 1), Rect(-5, -5, 1 << 40, 1 << 40)):
            node.set_clip(clip)
            node.set_alpha(0x8000 if clip is None else OPAQUE)
            node.move(-largest, 3)
