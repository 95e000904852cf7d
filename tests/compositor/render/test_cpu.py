"""The renderer against the reference, over random scenes, formats, layouts in memory and damage."""

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import OPAQUE, BlendMode, PlaneState
from compositor.pixels.region import Region
from compositor.render import blend
from compositor.render.cpu import Layer, compose

Pixels = NDArray[np.uint8]
Compose = Callable[..., None]

WIDTH, HEIGHT = 23, 11
shared_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture(params=["numba", "numpy"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Everything is exact with the compiled loops and without."""
    if request.param == "numpy":

        def missing(pixels: int) -> ModuleType | None:
            return None

        monkeypatch.setattr(blend, "ready", missing)
    else:
        pytest.importorskip("numba")
        assert blend.load() is not None
    return str(request.param)


@st.composite
def images(draw: st.DrawFn, max_width: int = WIDTH + 4, max_height: int = HEIGHT + 4) -> Pixels:
    """Random bytes, mostly not premultiplied, in rows with padding, starting at any byte."""
    width, height = draw(st.integers(1, max_width)), draw(st.integers(1, max_height))
    pitch, offset = 4 * width + draw(st.integers(0, 9)), draw(st.integers(0, 5))
    memory = np.random.default_rng(draw(st.integers(0, 2**32))).integers(
        0, 256, offset + height * pitch, np.uint8
    )
    memory[memory > 230] = 255  # opaque and clear pixels are common
    memory[memory < 25] = 0
    return np.ndarray((height, width, 4), np.uint8, memory, offset, (pitch, 4, 1))


# Such opacities and modes are blended as they are; others are sampled.
opacities = st.just(OPAQUE) | st.integers(0, 255).map(lambda value: value * 0x101)
MODES = [BlendMode.PREMULTIPLIED, BlendMode.NONE]
layers = st.lists(
    st.builds(
        Layer,
        images(),
        st.sampled_from(PixelFormat),
        st.integers(-9, WIDTH),
        st.integers(-9, HEIGHT),
        st.none(),
        plane=st.builds(PlaneState, alpha=opacities, blend_mode=st.sampled_from(MODES)),
        chroma=st.none(),
    ),
    max_size=4,
)
rects = st.builds(
    Rect, st.integers(-3, WIDTH), st.integers(-3, HEIGHT), st.integers(0, 30), st.integers(0, 30)
)
damages = st.lists(rects, max_size=5).map(lambda rects: list(Region(rects)))
backgrounds = st.integers(0, 0xFFFFFF)
WHOLE = [Rect(0, 0, WIDTH, HEIGHT)]


def canvas(padding: int = 0) -> Pixels:
    return np.full((HEIGHT, WIDTH + padding, 4), 77, np.uint8)[:, :WIDTH]


@shared_fixtures
@given(layers, damages, backgrounds, st.integers(0, 3))
def test_every_scene_equals_the_reference_in_every_bit(
    kernels: str, reference: Compose, layers: list[Layer], damage: list[Rect], background: int, padding: int
) -> None:
    target, expected = canvas(padding), canvas()
    compose(target, layers, damage, background)
    reference(expected, layers, damage, background)
    np.testing.assert_array_equal(target, expected)


@shared_fixtures
@given(layers, damages, backgrounds)
def test_repairing_the_damage_equals_a_full_repaint(
    kernels: str, layers: list[Layer], damage: list[Rect], background: int
) -> None:
    """Whatever was in the damaged part before."""
    full, repaired = canvas(), canvas()
    compose(full, layers, WHOLE, background)
    compose(repaired, layers, WHOLE, background)
    for rect in damage:
        visible = rect.intersect(WHOLE[0])
        repaired[visible.y : visible.bottom, visible.x : visible.right] = 99
    compose(repaired, layers, damage, background)
    np.testing.assert_array_equal(repaired, full)


@shared_fixtures
@given(images(), st.sampled_from(PixelFormat))
def test_sources_are_only_read(kernels: str, image: Pixels, pixel_format: PixelFormat) -> None:
    before = image.copy()
    view = image.view()
    view.flags.writeable = False  # as guest memory is mapped
    compose(canvas(), [Layer(view, pixel_format, 1, 1)], WHOLE)
    np.testing.assert_array_equal(image, before)


@shared_fixtures
@given(layers, damages)
def test_at_least_the_damage_and_at_most_a_pass_per_layer_is_written(
    kernels: str, layers: list[Layer], damage: list[Rect]
) -> None:
    area = sum(rect.intersect(WHOLE[0]).area for rect in damage)
    written = sum(compose(canvas(), layers, damage))
    assert 4 * area <= written <= 4 * area * (1 + len(layers))


def opaque(width: int, height: int, x: int = 0, y: int = 0) -> Layer:
    return Layer(np.zeros((height, width, 4), np.uint8), PixelFormat.XRGB8888, x, y)


def blended(width: int, height: int, x: int = 0, y: int = 0) -> Layer:
    return Layer(np.zeros((height, width, 4), np.uint8), PixelFormat.ARGB8888, x, y)


@pytest.mark.parametrize(
    ("layers", "passes"),
    [
        ([], 100),
        ([opaque(10, 10)], 100),
        ([opaque(10, 10), opaque(10, 10), opaque(12, 12, -1, -1)], 100),
        ([blended(10, 10), opaque(10, 10)], 100),
        ([opaque(10, 10), blended(10, 10)], 200),
        ([opaque(10, 10), blended(4, 4, 3, 3)], 116),
        ([opaque(10, 10), opaque(4, 4, 3, 3)], 100),
        ([blended(10, 10), opaque(5, 10)], 50 + 100),
        ([opaque(10, 10, 20, 20)], 100),
    ],
)
def test_what_an_opaque_layer_covers_is_never_painted(layers: list[Layer], passes: int) -> None:
    target = np.zeros((10, 10, 4), np.uint8)
    assert sum(compose(target, layers, [Rect(0, 0, 10, 10)])) == 4 * passes


def test_bytes_are_counted_by_layer_and_for_the_background() -> None:
    layers = [opaque(5, 10), blended(4, 4, 3, 3), opaque(2, 1)]
    assert compose(np.zeros((10, 10, 4), np.uint8), layers, [Rect(0, 0, 10, 10)]) == [
        4 * 48,
        4 * 16,
        4 * 2,
        4 * 50,
    ]


def test_nothing_is_painted_outside_of_the_damage_or_without_any() -> None:
    target = canvas()
    assert compose(target, [opaque(10, 10)], []) == [0, 0]
    assert compose(target, [opaque(10, 10)], [Rect(-5, -5, 3, 3), Rect(500, 0, 9, 9)]) == [0, 0]
    assert (target == 77).all()
