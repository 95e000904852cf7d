from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from compositor.compare import Tolerance, compare, load_png
from compositor.errors import BadInput
from compositor.pixels.geometry import EMPTY, Rect
from compositor.pixels.screenshot import save_png
from tests.compositor.compare.pngs import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, made, picture


def test_a_picture_equals_itself() -> None:
    same = compare(picture(7, 5), picture(7, 5))
    assert same.equal
    assert (same.count, same.compared, same.largest, same.bounds) == (0, 35, ((0, 0),) * 4, EMPTY)
    assert (str(same), same.kind) == ("equal", "equal")


def test_a_difference_says_how_many_how_much_and_where() -> None:
    first, second = picture(20, 10), picture(20, 10)
    first[3, 4], second[3, 4] = (10, 20, 30, 40), (10, 25, 30, 40)
    first[6, 9], second[6, 9] = (10, 20, 30, 255), (19, 18, 30, 0)
    found = compare(first, second)
    assert not found.equal
    assert found.kind == "pixels"
    assert found.count == 2
    assert found.largest == ((0, 9), (-2, 5), (0, 0), (-255, 0))
    assert found.bounds == Rect(4, 3, 6, 4)
    assert str(found) == (
        "2 of 200 pixels differ, by up to 255, within 6x4 at (4, 3) (red +9, green -2 to +5, alpha -255)"
    )


def test_pixels_that_only_one_picture_has_differ() -> None:
    wide, high = picture(6, 2), picture(3, 4)
    high[:2, :3] = wide[:2, :3]
    found = compare(wide, high)
    assert (found.kind, found.count, found.compared) == ("size", 12, 18)
    assert (found.largest, found.bounds) == (((0, 0),) * 4, Rect(0, 0, 6, 4))
    assert found.image.shape == (4, 6, 4)
    assert str(found) == "sizes 6x2 and 3x4; 12 of 18 pixels differ, by up to 0, within 6x4 at (0, 0)"
    empty = compare(wide, np.zeros((0, 0, 4), np.uint8))
    assert (empty.count, empty.equal) == (12, False)


def test_no_tolerance_makes_another_size_equal() -> None:
    one, other = picture(6, 2), picture(6, 3)
    everything = Tolerance(channel=255, ratio=1.0, antialiasing=True, perceptual=1.0)
    assert not compare(one, other, tolerance=everything).equal


# Against the definition, a pixel at a time.

ranges = st.tuples(st.integers(-4, 0), st.integers(0, 4)) | st.integers(0, 3)
tolerances = st.builds(
    Tolerance,
    channel=ranges,
    red=st.none() | ranges,
    alpha=st.none() | ranges,
    pixels=st.none() | st.integers(0, 9),
    ratio=st.none() | st.sampled_from([0.0, 0.1, 0.3, 1.0]),
)
rectangles = st.tuples(st.integers(0, 6), st.integers(0, 4), st.integers(1, 9), st.integers(1, 9))
regions = st.none() | rectangles | st.lists(rectangles, min_size=1, max_size=3)


def naive_region(region: Any, width: int, height: int) -> list[list[bool]]:
    many = [region] if isinstance(region, tuple) else region
    return [
        [any(x <= column < x + w and y <= row < y + h for x, y, w, h in many) for column in range(width)]
        for row in range(height)
    ]


def within(apart: int, allowed: Any) -> bool:
    low, high = allowed if isinstance(allowed, tuple) else (-allowed, allowed)
    return bool(low <= apart <= high)


@given(st.integers(0, 99), tolerances, regions, regions, st.sampled_from([np.uint8, np.uint16]))
def test_tolerances_masks_and_clips_are_what_they_say(
    seed: int, tolerance: Tolerance, mask: Any, clip: Any, dtype: Any
) -> None:
    random = np.random.default_rng(seed)
    width, height, unit = 7, 5, 257 if dtype is np.uint16 else 1
    first = random.integers(5, 250, (height, width, 4)).astype(dtype) * dtype(unit)
    change = random.integers(-5, 6, first.shape) * (random.random((height, width, 1)) < 0.4)
    second = (first.astype(np.int64) + change * unit).astype(dtype)

    inside = np.ones((height, width), np.bool_) if clip is None else naive_region(clip, width, height)
    inside = np.array(inside) & ~np.array(naive_region(mask, width, height) if mask is not None else False)
    if not inside.any():
        with pytest.raises(BadInput, match="leave nothing to compare"):
            compare(first, second, tolerance=tolerance, mask=mask, clip=clip)
        return
    allowed = [tolerance.channel if own is None else own for own in (
        tolerance.red, tolerance.green, tolerance.blue, tolerance.alpha)]  # fmt: skip
    beyond = forgiven = 0
    for row, column in np.argwhere(inside):
        apart = change[row, column].tolist()
        differs = not all(within(a, b) for a, b in zip(apart, allowed, strict=True))
        beyond += differs
        forgiven += any(apart) and not differs
    most = [limit for limit in (tolerance.pixels, tolerance.ratio) if limit is not None]
    if tolerance.ratio is not None:
        most[-1] = round(tolerance.ratio * inside.sum(), 6)

    found = compare(first, second, tolerance=tolerance, mask=mask, clip=clip)
    assert (found.count, found.forgiven, found.compared) == (beyond, forgiven, inside.sum())
    assert found.equal == (beyond <= min(most, default=0))
    compared = change[inside] * unit
    assert found.largest == tuple(
        (min(0, int(low)), max(0, int(high)))
        for low, high in zip(compared.min(axis=0), compared.max(axis=0), strict=True)
    )


@given(st.integers(0, 9), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5))
def test_pictures_of_any_two_sizes_are_compared_pixel_by_pixel(
    seed: int, width: int, height: int, other_width: int, other_height: int
) -> None:
    first = np.random.default_rng(seed).integers(0, 2, (height, width, 4), np.uint8)
    second = np.random.default_rng(seed + 1).integers(0, 2, (other_height, other_width, 4), np.uint8)

    def at(picture: NDArray[np.uint8], row: int, column: int) -> list[int] | None:
        inside = row < picture.shape[0] and column < picture.shape[1]
        return picture[row, column].tolist() if inside else None

    both = [
        (at(first, row, column), at(second, row, column))
        for row in range(max(height, other_height))
        for column in range(max(width, other_width))
    ]
    found = compare(first, second)
    assert found.count == sum(one != other for one, other in both)
    assert found.compared == sum(pair != (None, None) for pair in both)


@pytest.mark.parametrize("order", [slice(None), slice(None, None, -1)])
def test_memory_of_any_layout_is_compared(order: slice) -> None:
    wide = picture(40, 9)
    part = wide[::-1, 3:20:2, order]
    assert compare(part, np.ascontiguousarray(part)).equal
    other = np.ascontiguousarray(part)
    other[2, 3, 1] ^= 1
    assert compare(part, other).bounds == Rect(3, 2, 1, 1)


def test_a_difference_in_every_band_of_a_large_picture_is_found() -> None:
    first = np.zeros((1080, 1920, 4), np.uint8)
    second = first.copy()
    second[::100, 1919] = 1
    found = compare(first, second)
    assert (found.count, found.bounds) == (11, Rect(1919, 0, 1, 1001))


def test_nothing_is_painted_before_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    from compositor.compare import painting  # noqa: PLC0415

    painted = []
    monkeypatch.setattr(painting, "paint", lambda *arguments: painted.append(arguments))
    found = compare(picture(3, 3), picture(3, 3, seed=1))
    assert not found.equal
    assert not painted
    assert found.image is found.image
    assert len(painted) == 1


# Sources


def test_arrays_images_and_files_are_pictures_alike(tmp_path: Path) -> None:
    rgb = picture(6, 4)[..., :3]
    opaque = np.dstack([rgb, np.full((4, 6), 255, np.uint8)])
    save_png(tmp_path / "a.png", opaque)
    sources: list[Any] = [rgb, opaque, Image.fromarray(rgb), tmp_path / "a.png", str(tmp_path / "a.png")]
    for first in sources:
        for second in sources:
            assert str(compare(first, second)) == "equal"


def test_grey_arrays_and_16_bit_images_are_pictures() -> None:
    grey = picture(6, 4)[..., 0]
    assert compare(grey, Image.fromarray(grey)).equal
    assert compare(grey[..., np.newaxis], np.dstack([grey] * 3)).equal
    deep = grey.astype(np.uint16) * np.uint16(257)
    assert compare(deep, grey).equal
    assert compare(Image.fromarray(deep), grey).equal
    deep[0, 0] ^= 1
    assert compare(deep, grey).depth == 16
    assert str(compare(deep, grey)).startswith("1 of 24 pixels differ, by up to 1 of 65535, ")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.zeros((2, 2, 5), np.uint8), r"shape \(2, 2, 5\) and type uint8 is no picture"),
        (np.zeros((2, 2, 4)), "type float64 is no picture"),
        (np.zeros(4, np.uint8), r"shape \(4,\)"),
        (np.broadcast_to(np.uint8(0), (1, 9000, 4)), "9000x1 pixels: a picture has at most 8192x8192"),
        (Image.new("CMYK", (2, 2)), "mode 'CMYK': convert it to RGBA first"),
        (None, "NoneType is no picture"),
        ([[1, 2]], "list is no picture"),
    ],
)
def test_what_is_no_picture_is_refused(source: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        compare(picture(2, 2), source)


# Colours that are stored differently are no changed pixels.


def stored(tmp_path: Path, first: bytes, second: bytes) -> Any:
    (tmp_path / "a.png").write_bytes(first)
    (tmp_path / "b.png").write_bytes(second)
    return compare(tmp_path / "a.png", tmp_path / "b.png")


GREYS = np.array([[[0], [7], [255]]])
COLOURS = GREYS.repeat(3, axis=2)
OPAQUE = np.dstack([COLOURS, np.full((1, 3, 1), 255)])


@pytest.mark.parametrize(
    ("first", "said"),
    [
        (made(GREYS, 8, GREY), "grey against RGB"),
        (made(np.dstack([GREYS, GREYS * 0 + 255]), 8, GREY_ALPHA),
         "grey against RGB, an alpha channel in the first alone"),
        (made(np.array([[[1], [2], [0]]]), 8, PALETTE, (b"PLTE", b"\xff\xff\xff\0\0\0\7\7\7")),
         "palette against RGB"),
        (made(COLOURS * 257, 16, RGB), "16 bits against 8"),
        (made(OPAQUE, 8, RGBA), "an alpha channel in the first alone"),
        (made(COLOURS, 8, RGB, (b"gAMA", b"\0\0\xb1\x8f")), "a chunk gAMA in the first alone"),
        (made(COLOURS, 8, RGB, (b"iCCP", b"name\0\0x\x9cK\xcaI\xcc\0\0\x04\x1e\x01\x9b")),
         "a chunk iCCP in the first alone"),
    ],
)  # fmt: skip
def test_colours_that_are_only_stored_differently_are_named_so(
    tmp_path: Path, first: bytes, said: str
) -> None:
    found = stored(tmp_path, first, made(COLOURS, 8, RGB))
    assert (found.equal, found.kind, found.count) == (True, "encoding", 0)
    assert str(found) == f"equal; stored differently: {said}"


def test_another_gamma_is_named_so(tmp_path: Path) -> None:
    chunks = [(b"gAMA", b"\0\0\xb1\x8f"), (b"gAMA", b"\0\1\x86\xa0")]
    found = stored(tmp_path, *(made(COLOURS, 8, RGB, chunk) for chunk in chunks))
    assert str(found) == "equal; stored differently: another gAMA"


def test_a_changed_pixel_in_another_colour_type_is_a_changed_pixel(tmp_path: Path) -> None:
    changed = GREYS.copy()
    changed[0, 1] += 1
    found = stored(tmp_path, made(changed, 8, GREY), made(COLOURS, 8, RGB))
    assert (found.equal, found.kind, found.count) == (False, "pixels", 1)
    assert str(found).endswith("; stored differently: grey against RGB")


@pytest.mark.parametrize(("first", "second"), [(0x4000, 0xC000), (5200, 9296)])
def test_16_bit_greys_that_pillow_clips_to_one_value_differ(tmp_path: Path, first: int, second: int) -> None:
    found = stored(tmp_path, *(made(np.full((2, 2, 1), value), 16, GREY) for value in (first, second)))
    assert (found.count, found.largest[0]) == (4, (0, second - first))


def test_16_bit_colours_that_differ_in_the_low_byte_differ(tmp_path: Path) -> None:
    found = stored(tmp_path, *(made(np.full((2, 2, 3), value), 16, RGB) for value in (0x1200, 0x12FF)))
    assert (found.count, found.largest[0]) == (4, (0, 255))
    assert compare(tmp_path / "a.png", tmp_path / "b.png", tolerance=1).equal


def test_a_transparent_colour_of_16_bit_grey_differs_from_an_opaque_one(tmp_path: Path) -> None:
    found = stored(
        tmp_path,
        made(np.full((2, 2, 1), 0x0102), 16, GREY, (b"tRNS", b"\1\2")),
        made(np.full((2, 2, 1), 0x0102), 16, GREY),
    )
    assert (found.count, found.largest[3]) == (4, (0, 65535))


def test_a_picture_that_is_read_can_be_shown(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(made(COLOURS * 257, 16, RGB))
    found = compare(load_png(tmp_path / "a.png"), COLOURS[..., ::-1].astype(np.uint8) ^ 1)
    assert found.image.dtype == np.uint8
