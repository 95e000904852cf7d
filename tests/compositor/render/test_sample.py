"""Planes of every state and format: fast equals reference bit for bit, and damage equals a full repaint."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from compositor.errors import BadInput
from compositor.pixels.format import AnyFormat, PixelFormat, SampledFormat, size_of
from compositor.pixels.geometry import Rect
from compositor.pixels.plane_state import (
    OPAQUE,
    BlendMode,
    ColorEncoding,
    ColorRange,
    Filter,
    PlaneState,
    Rotation,
    SourceRect,
)
from compositor.pixels.region import Region
from compositor.render import exact, sample, transform, words
from compositor.render import reference as slow
from compositor.render.cpu import compose
from compositor.render.layer import Layer

Pixels = NDArray[np.uint8]
Compose = Callable[[Pixels, Sequence[Layer], Iterable[Rect], int], None]

WIDTH, HEIGHT = 29, 17
FORMATS: list[AnyFormat] = [*PixelFormat, *SampledFormat]
TURNS = (Rotation.ROTATE_0, Rotation.ROTATE_90, Rotation.ROTATE_180, Rotation.ROTATE_270)
MIRRORS = (Rotation(0), Rotation.REFLECT_X, Rotation.REFLECT_Y, Rotation.REFLECT_X | Rotation.REFLECT_Y)
shared_fixtures = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def plane_of(seed: int, height: int, width: int, element: int, padding: int, offset: int) -> Pixels:
    """Random bytes in padded rows that start at any byte."""
    pitch = width * element + padding
    memory = np.random.default_rng(seed).integers(0, 256, offset + height * pitch, np.uint8)
    memory[memory > 230] = 255  # opaque and clear pixels are common
    memory[memory < 25] = 0
    return np.ndarray((height, width, element), np.uint8, memory, offset, (pitch, element, 1))


def image(
    pixel_format: AnyFormat, width: int, height: int, seed: int = 1, padding: int = 0, offset: int = 0
) -> tuple[Pixels, Pixels | None]:
    """The planes of a picture; of YUYV, one column more where `width` is odd."""
    if isinstance(pixel_format, PixelFormat):
        return plane_of(seed, height, width, 4, padding, offset), None
    across = -(-width // pixel_format.columns)
    pixels = plane_of(seed, height, across, pixel_format.pixel_bytes, padding, offset)
    chroma = plane_of(seed + 1, -(-height // 2), -(-width // 2), 2, padding, offset)
    return pixels, chroma if pixel_format.has_chroma else None


@st.composite
def sources(draw: st.DrawFn, width: int, height: int) -> SourceRect:
    """Whole pixels or not; not so small that 32 pixels of the screen would be too many."""
    unit = draw(st.sampled_from([1, 1 << 16]))
    least = max(1, (1 << 16) // unit)

    def span(size: int) -> tuple[int, int]:
        whole = size * (1 << 16) // unit
        start = draw(st.integers(0, whole - least))
        return start * unit, draw(st.integers(least, whole - start)) * unit

    (x, across), (y, down) = span(width), span(height)
    return SourceRect(x, y, across, down)


@st.composite
def planes(draw: st.DrawFn, width: int, height: int) -> PlaneState:
    return PlaneState(
        source=draw(st.none() | sources(width, height)),
        rotation=draw(st.sampled_from(TURNS)) | draw(st.sampled_from(MIRRORS)),
        size=draw(st.none() | st.tuples(st.integers(1, 31), st.integers(1, 31))),
        scaling_filter=draw(st.sampled_from(Filter)),
        blend_mode=draw(st.sampled_from(BlendMode)),
        alpha=draw(st.just(OPAQUE) | st.integers(0, OPAQUE)),
        color_encoding=draw(st.sampled_from(ColorEncoding)),
        color_range=draw(st.sampled_from(ColorRange)),
    )


@st.composite
def layers(draw: st.DrawFn) -> Layer:
    pixel_format = draw(st.sampled_from(FORMATS))
    seed, padding, offset = draw(st.integers(0, 2**32)), draw(st.integers(0, 5)), draw(st.integers(0, 5))
    size = draw(st.integers(1, 20)), draw(st.integers(1, 20))
    pixels, chroma = image(pixel_format, *size, seed, padding, offset)
    plane = draw(planes(*size_of(pixels, pixel_format)))
    return Layer(
        pixels, pixel_format, draw(st.integers(-9, WIDTH)), draw(st.integers(-9, HEIGHT)), None, plane, chroma
    )


rects = st.builds(
    Rect, st.integers(-3, WIDTH), st.integers(-3, HEIGHT), st.integers(0, 30), st.integers(0, 30)
)
damages = st.lists(rects, max_size=5).map(lambda rects: list(Region(rects)))
scenes = st.lists(layers(), max_size=3)
WHOLE = [Rect(0, 0, WIDTH, HEIGHT)]


def canvas(padding: int = 0) -> Pixels:
    """Rows with any bytes between them."""
    pitch = 4 * WIDTH + padding
    memory = np.full(pitch * HEIGHT, 77, np.uint8)
    return np.ndarray((HEIGHT, WIDTH, 4), np.uint8, memory, 0, (pitch, 4, 1))


@pytest.fixture(params=["numba", "numpy"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "numpy":
        monkeypatch.setattr(sample, "load", lambda: None)
    else:
        pytest.importorskip("numba")
    return str(request.param)


@shared_fixtures
@given(scenes, damages, st.integers(0, 0xFFFFFF), st.integers(0, 5))
def test_every_scene_equals_the_reference_in_every_bit(
    kernels: str, reference: Compose, scene: list[Layer], damage: list[Rect], background: int, padding: int
) -> None:
    target, expected = canvas(padding), canvas()
    compose(target, scene, damage, background)
    reference(expected, scene, damage, background)
    np.testing.assert_array_equal(target, expected)


@shared_fixtures
@given(scenes, damages)
def test_repairing_the_damage_equals_a_full_repaint(
    kernels: str, scene: list[Layer], damage: list[Rect]
) -> None:
    full, repaired = canvas(), canvas()
    compose(full, scene, WHOLE)
    compose(repaired, scene, WHOLE)
    for rect in damage:
        visible = rect.intersect(WHOLE[0])
        repaired[visible.y : visible.bottom, visible.x : visible.right] = 99
    compose(repaired, scene, damage)
    np.testing.assert_array_equal(repaired, full)


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("scaling_filter", Filter)
@pytest.mark.parametrize("blend_mode", BlendMode)
def test_every_format_filter_and_blend_mode_equals_the_reference(
    reference: Compose, pixel_format: AnyFormat, scaling_filter: Filter, blend_mode: BlendMode
) -> None:
    pixels, chroma = image(pixel_format, 11, 7, seed=3, padding=2, offset=1)
    for index, turn in enumerate(TURNS):
        plane = PlaneState(
            rotation=turn | MIRRORS[index],
            size=(23, 9),
            scaling_filter=scaling_filter,
            blend_mode=blend_mode,
            alpha=OPAQUE - 9000 * index,
        )
        layer = Layer(pixels, pixel_format, 3, 2, None, plane, chroma)
        target, expected = canvas(), canvas()
        compose(target, [layer], WHOLE, 0x406080)
        reference(expected, [layer], WHOLE, 0x406080)
        np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize("turn", TURNS)
def test_a_picture_is_mirrored_first_and_then_turned_counter_clockwise(
    turn: Rotation, mirror: Rotation
) -> None:
    pixels, _ = image(PixelFormat.ARGB8888, 7, 5)
    expected = pixels
    if Rotation.REFLECT_X in mirror:
        expected = expected[:, ::-1]
    if Rotation.REFLECT_Y in mirror:
        expected = expected[::-1]
    expected = np.rot90(expected, TURNS.index(turn))
    layer = Layer(pixels, PixelFormat.ARGB8888, plane=PlaneState(rotation=turn | mirror))
    assert layer.bounds[2:] == (expected.shape[1], expected.shape[0])
    drawn = np.zeros(expected.shape[:2], np.uint32)
    sample.sample(layer, layer.bounds, drawn)
    np.testing.assert_array_equal(drawn.view(np.uint8).reshape(expected.shape), expected)


def drawn_pixel(pixel: list[int], plane: PlaneState, background: int) -> list[int]:
    """Blue, green and red of one ARGB8888 pixel over a background."""
    target = np.zeros((1, 1, 4), np.uint8)
    layer = Layer(np.array([[pixel]], np.uint8), PixelFormat.ARGB8888, plane=plane)
    compose(target, [layer], [Rect(0, 0, 1, 1)], background)
    blue, green, red = (int(channel) for channel in target[0, 0, :3])
    return [blue, green, red]


def test_blend_modes_are_kms() -> None:
    pixel, half = [80, 40, 20, 128], 0x8000
    assert drawn_pixel(pixel, PlaneState(blend_mode=BlendMode.NONE), 0xFFFFFF) == [80, 40, 20]
    assert drawn_pixel(pixel, PlaneState(), 0x646464) == [130, 90, 70]  # 100 * 127 / 255 = 50
    assert drawn_pixel(pixel, PlaneState(blend_mode=BlendMode.COVERAGE), 0x646464) == [90, 70, 60]
    faded = PlaneState(blend_mode=BlendMode.NONE, alpha=half)
    assert drawn_pixel(pixel, faded, 0) == [40, 20, 10]
    assert drawn_pixel(pixel, PlaneState(alpha=0), 0x123456) == [0x56, 0x34, 0x12]


def test_nothing_beside_a_crop_shines_through() -> None:
    pixels = np.full((6, 6, 4), 255, np.uint8)
    pixels[2:4, 2:4] = (10, 20, 30, 255)
    for scaling_filter in Filter:
        plane = PlaneState(
            source=SourceRect.of_pixels(2, 2, 2, 2), size=(13, 9), scaling_filter=scaling_filter
        )
        layer = Layer(pixels, PixelFormat.XRGB8888, plane=plane)
        target = np.zeros((9, 13, 4), np.uint8)
        compose(target, [layer], [layer.bounds])
        assert (target == (10, 20, 30, 255)).all(), scaling_filter


def test_box_is_the_mean_of_what_is_covered() -> None:
    pixels = np.zeros((2, 4, 4), np.uint8)
    pixels[..., 0] = [[0, 10, 200, 201], [20, 31, 202, 203]]
    plane = PlaneState(size=(2, 1), scaling_filter=Filter.BOX)
    target = np.zeros((1, 2, 4), np.uint8)
    compose(target, [Layer(pixels, PixelFormat.XRGB8888, plane=plane)], [Rect(0, 0, 2, 1)])
    assert target[0, :, 0].tolist() == [15, 202]  # 15.25, and 201.5 rounded up


@pytest.mark.parametrize("encoding", ColorEncoding)
def test_white_and_black_and_greys_have_no_tint(encoding: ColorEncoding) -> None:
    luma = np.array([[16, 235, 126, 0, 255, 100]], np.uint8)[..., None]
    chroma = np.full((1, 3, 2), 128, np.uint8)
    plane = PlaneState(color_encoding=encoding)
    target = np.zeros((1, 6, 4), np.uint8)
    layer = Layer(luma, SampledFormat.NV12, plane=plane, chroma=chroma)
    compose(target, [layer], [Rect(0, 0, 6, 1)])
    assert target[0, :, 0].tolist() == [0, 255, 128, 0, 255, 98]
    assert (target[..., :1] == target[..., 1:3]).all()


def test_a_state_that_does_not_fit_its_image_never_reads_outside_of_it() -> None:
    layer = Layer(
        np.zeros((4, 4, 4), np.uint8), PixelFormat.XRGB8888,
        plane=PlaneState(source=SourceRect.of_pixels(0, 0, 500, 4), size=(8, 4)),
    )  # fmt: skip
    with pytest.raises(BadInput, match="SRC_W"):
        compose(canvas(), [layer], WHOLE)


def test_scratch_is_kept_and_grows() -> None:
    scratch = words.Scratch()
    first = scratch.words("a", 4, 5)
    assert np.shares_memory(first, scratch.words("a", 2, 3))
    assert not np.shares_memory(first, scratch.words("b", 2, 3))
    assert scratch.words("a", 10, 10).shape == (10, 10)


def test_without_numba_there_are_no_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "compositor.render.filters", None)
    monkeypatch.delattr("compositor.render.filters", raising=False)
    assert transform.load.__wrapped__() is None


# As wide as needed that sixteen columns look at one block of pixels, at two, at up to four, and at more.
@pytest.mark.parametrize("width", [20, 41, 97, 170, 400])
@pytest.mark.parametrize("scaling_filter", Filter)
@pytest.mark.parametrize("turn", TURNS)
def test_every_ratio_equals_the_reference(
    kernels: str, reference: Compose, width: int, scaling_filter: Filter, turn: Rotation
) -> None:
    pixels, _ = image(PixelFormat.ARGB8888, width, 23, seed=width)
    across, down = (19, 26) if turn.swaps_axes else (26, 19)
    plane = PlaneState(size=(across, down), scaling_filter=scaling_filter, rotation=turn)
    layer = Layer(pixels, PixelFormat.ARGB8888, 1, -2, plane=plane)
    target, expected = canvas(), canvas()
    compose(target, [layer], WHOLE)
    reference(expected, [layer], WHOLE, 0)
    np.testing.assert_array_equal(target, expected)


@pytest.mark.parametrize("mirror", MIRRORS)
@pytest.mark.parametrize("turn", TURNS)
def test_large_pictures_are_turned(turn: Rotation, mirror: Rotation) -> None:
    pixels, _ = image(PixelFormat.ARGB8888, 291, 277)
    turned = Layer(pixels, PixelFormat.ARGB8888, plane=PlaneState(rotation=turn | mirror))
    mirrored = pixels[:, ::-1] if Rotation.REFLECT_X in mirror else pixels
    mirrored = mirrored[::-1] if Rotation.REFLECT_Y in mirror else mirrored
    expected = np.rot90(mirrored, TURNS.index(turn))
    drawn, piece = np.full((2, *expected.shape), 99, np.uint8)
    drawn[..., 3] = piece[..., 3] = 255
    exact.over(drawn, np.ascontiguousarray(expected), PixelFormat.ARGB8888)
    sample.draw(piece, turned, turned.bounds)
    np.testing.assert_array_equal(piece, drawn)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (3, 2)])
def test_box_is_exact_where_it_shrinks_most(size: tuple[int, int]) -> None:
    """Sums of up to 2^50, and as many quotients as possible that end in a half."""
    width, height = 32 * size[0], 32 * size[1]
    rng = np.random.default_rng(width)
    plane = PlaneState(size=size, scaling_filter=Filter.BOX)
    for _ in range(50):
        pixels = np.full((height, width, 4), 255, np.uint8)
        pixels -= rng.integers(0, 2, pixels.shape, np.uint8)
        left = rng.permutation(1024) < 512
        pixels[:32, :32] = np.where(left.reshape(32, 32, 1), 255, rng.integers(0, 128) * 2)
        layer = Layer(pixels, PixelFormat.XRGB8888, plane=plane)
        drawn = np.zeros((size[1], size[0]), np.uint32)
        sample.sample(layer, layer.bounds, drawn)
        expected = slow.sample(layer, layer.bounds)
        np.testing.assert_array_equal(drawn.view(np.uint8).reshape(expected.shape), expected)


@pytest.mark.parametrize("size", [(7, 5), (9, 10), (16, 11)])
@pytest.mark.parametrize("offset", [(0, 0), (3, 2)])
def test_half_of_a_picture_is_the_mean_of_four_pixels(size: tuple[int, int], offset: tuple[int, int]) -> None:
    pixels, _ = image(PixelFormat.ARGB8888, 40, 30)
    (x, y), (width, height) = offset, size
    source = SourceRect.of_pixels(x, y, 2 * width, 2 * height)
    plane = PlaneState(source=source, size=size, scaling_filter=Filter.BOX)
    drawn = np.zeros((height, width), np.uint32)
    layer = Layer(pixels, PixelFormat.ARGB8888, plane=plane)
    sample.sample(layer, layer.bounds, drawn)
    squares = pixels[y : y + 2 * height, x : x + 2 * width].reshape(height, 2, width, 2, 4)
    expected = (squares.sum(axis=(1, 3), dtype=int) + 2) // 4
    np.testing.assert_array_equal(drawn.view(np.uint8).reshape(expected.shape), expected)
