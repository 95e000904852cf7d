"""The GL renderer is held to the CPU renderer: within 1 per channel for each layer with alpha."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat, SampledFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import BlendMode, Filter, PlaneState, Rotation, SourceRect
from compositor.pixels.region import Region
from compositor.render import cpu
from compositor.render.gl import GlRenderer, Target
from compositor.render.layer import Layer

pytestmark = pytest.mark.real

SIZE = (97, 61)
FORMATS = list(PixelFormat)
Pixels = NDArray[np.uint8]


class Pair:
    """The same picture, painted by both."""

    def __init__(self, renderer: GlRenderer) -> None:
        self.renderer = renderer
        self.target = Target(renderer.gl, *SIZE)
        self.memory = np.zeros((SIZE[1], SIZE[0], 4), np.uint8)

    def compose(self, layers: list[Layer], damage: list[Rect], background: int = 0) -> None:
        written = cpu.compose(self.memory, layers, damage, background)
        assert self.renderer.compose(self.target, layers, damage, background) == written

    def worst(self) -> int:
        difference = self.target.read().astype(np.int16) - self.memory
        return int(np.abs(difference).max())


@pytest.fixture
def pair(any_renderer: GlRenderer) -> Iterator[Pair]:
    made = Pair(any_renderer)
    made.compose([], [Rect(0, 0, *SIZE)])
    yield made
    made.target.delete()


def image(random: np.random.Generator, width: int, height: int, padding: int, *, valid: bool) -> Pixels:
    """Random pixels; `valid`: no channel above its alpha, wherever that is."""
    pitch = 4 * width + padding
    memory = random.integers(0, 256, pitch * height, np.uint8)
    pixels = np.ndarray((height, width, 4), np.uint8, memory, 0, (pitch, 4, 1))
    if valid:
        kind = random.integers(0, 3, (height, width, 1))
        pixels[...] = np.where(
            kind == 0, 0, np.where(kind == 1, 255, np.minimum(pixels, pixels.min(2)[..., None]))
        )
    return pixels


def scene(random: np.random.Generator) -> list[Layer]:
    layers = []
    for _ in range(random.integers(1, 6)):
        width, height = random.integers(1, 120, 2)
        x, y = random.integers(-60, 100, 2)
        pixels = image(random, width, height, int(random.choice([0, 12, 5])), valid=random.random() < 0.5)
        layers.append(Layer(pixels, FORMATS[random.integers(len(FORMATS))], int(x), int(y)))
    return layers


def rectangles(random: np.random.Generator) -> list[Rect]:
    region = Region()
    for _ in range(random.integers(1, 5)):
        x, y, width, height = (int(v) for v in random.integers(-5, 90, 4))
        region.add(Rect(x, y, width, height))
    return list(region)


@pytest.mark.parametrize("seed", range(40))
def test_scenes_look_alike(pair: Pair, seed: int) -> None:
    random = np.random.default_rng(seed)
    layers = scene(random)
    pair.compose(layers, [Rect(0, 0, *SIZE)], int(random.integers(0, 1 << 24)))
    assert pair.worst() <= sum(not layer.is_opaque for layer in layers)


@pytest.mark.parametrize("seed", range(20))
def test_damage_repaints_what_it_covers_and_nothing_else(pair: Pair, seed: int) -> None:
    random = np.random.default_rng(seed)
    layers = scene(random)
    pair.compose(layers, [Rect(0, 0, *SIZE)])
    for _ in range(3):
        for layer in layers:
            layer.pixels[...] = random.integers(0, 256, layer.pixels.shape, np.uint8)
        moved = replace(layers[0], x=int(random.integers(-60, 90)))
        layers = [moved, *layers[1:]]
        pair.compose(layers, rectangles(random), 0x204060)
    assert pair.worst() <= sum(not layer.is_opaque for layer in layers)


@pytest.mark.parametrize("pixel_format", PixelFormat)
@pytest.mark.parametrize("padding", [0, 64, 3])
def test_an_opaque_image_and_one_over_black_are_exact(
    pair: Pair, pixel_format: PixelFormat, padding: int
) -> None:
    pixels = image(np.random.default_rng(7), 97, 61, padding, valid=False)
    pair.compose([Layer(pixels, pixel_format)], [Rect(0, 0, *SIZE)])
    assert pair.worst() == 0


def test_a_hidden_layer_is_not_uploaded(pair: Pair) -> None:
    random = np.random.default_rng(1)
    below = Layer(image(random, 97, 61, 0, valid=True), PixelFormat.ARGB8888)
    above = Layer(image(random, 97, 61, 0, valid=True), PixelFormat.XRGB8888)
    before = pair.renderer.textures.upload_bytes
    pair.compose([below, above], [Rect(0, 0, *SIZE)])
    assert pair.renderer.textures.upload_bytes - before == 4 * 97 * 61
    assert pair.worst() == 0


def test_only_the_damage_is_uploaded(pair: Pair) -> None:
    layer = Layer(image(np.random.default_rng(2), 97, 61, 0, valid=True), PixelFormat.XRGB8888)
    pair.compose([layer], [Rect(0, 0, *SIZE)])
    before = pair.renderer.textures.upload_bytes
    layer.pixels[10:20, 30:50] = 9
    pair.compose([layer], [Rect(30, 10, 20, 10)])
    assert pair.renderer.textures.upload_bytes - before == 4 * 20 * 10
    assert pair.worst() == 0


def test_reading_back_is_counted(pair: Pair) -> None:
    pair.worst()
    assert pair.target.readback_bytes == 4 * 97 * 61


PLANES = {
    "half": PlaneState(alpha=0x8080),
    "any alpha": PlaneState(alpha=0x1234),
    "none": PlaneState(blend_mode=BlendMode.NONE),
    "none, half": PlaneState(blend_mode=BlendMode.NONE, alpha=0x4040),
    "coverage": PlaneState(blend_mode=BlendMode.COVERAGE, alpha=0xC0C0),
    "turned": PlaneState(rotation=Rotation.ROTATE_90 | Rotation.REFLECT_X),
    "bilinear": PlaneState(size=(70, 40), scaling_filter=Filter.BILINEAR),
    "reduced": PlaneState(size=(20, 11), scaling_filter=Filter.BOX, alpha=0x8080),
    "cropped": PlaneState(source=SourceRect.of_pixels(3.5, 4, 30, 20)),
}


@pytest.mark.parametrize("plane", PLANES.values(), ids=PLANES)
@pytest.mark.parametrize("pixel_format", [PixelFormat.BGRA8888, PixelFormat.XRGB8888])
def test_a_planes_state_is_drawn_alike(pair: Pair, plane: PlaneState, pixel_format: PixelFormat) -> None:
    random = np.random.default_rng(8)
    below = Layer(image(random, 97, 61, 0, valid=True), PixelFormat.XRGB8888)
    layer = Layer(image(random, 50, 33, 12, valid=True), pixel_format, 10, -5, plane=plane)
    pair.compose([below, layer], [Rect(0, 0, 60, 61), Rect(60, 7, 20, 20)])
    assert pair.worst() <= 1


def test_other_formats_are_drawn_alike(pair: Pair) -> None:
    pixels = np.random.default_rng(9).integers(0, 256, (40, 60, 2), np.uint8)
    pair.compose([Layer(pixels, SampledFormat.RGB565, 5, 5)], [Rect(0, 0, *SIZE)])
    assert pair.worst() == 0
