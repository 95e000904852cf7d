import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from compositor.errors import BadInput
from compositor.pixels.format import PixelFormat
from compositor.pixels.geometry import EMPTY, Rect
from compositor.pixels.screenshot import compare, load_png, save_png, to_rgba

Picture = NDArray[np.uint8]


def picture(width: int, height: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)


# Conversion


@pytest.mark.parametrize("pixel_format", PixelFormat)
def test_channels_come_in_the_order_r_g_b_a(pixel_format: PixelFormat) -> None:
    pixels = np.zeros((2, 3, 4), np.uint8)
    offsets = (pixel_format.red, pixel_format.green, pixel_format.blue, pixel_format.alpha)
    for value, offset in enumerate(offsets, 10):
        pixels[..., offset] = value
    alpha = 13 if pixel_format.has_alpha else 255
    assert (to_rgba(pixels, pixel_format) == (10, 11, 12, alpha)).all()
    assert (to_rgba(pixels, pixel_format, opaque=True) == (10, 11, 12, 255)).all()


def test_padded_rows_are_converted_into_a_copy() -> None:
    pixels = np.zeros((4, 9, 4), np.uint8)[:, :5]
    rgba = to_rgba(pixels, PixelFormat.ARGB8888)
    assert rgba.shape == (4, 5, 4)
    assert not np.shares_memory(rgba, pixels)


# Files


def test_a_picture_comes_back_from_its_png(tmp_path: Path) -> None:
    saved = picture(7, 5)
    save_png(tmp_path / "a.png", saved)
    np.testing.assert_array_equal(load_png(tmp_path / "a.png"), saved)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


def test_equal_pictures_give_equal_files(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        save_png(tmp_path / name, picture(7, 5))
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_other_kinds_of_png_are_read_as_rgba(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 9).save(tmp_path / "grey.png")
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "rgb.png")
    assert (load_png(tmp_path / "grey.png") == (9, 9, 9, 255)).all()
    assert (load_png(tmp_path / "rgb.png") == (1, 2, 3, 255)).all()


def test_a_path_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^cannot write .*missing/a\.png: No such file or directory$"):
        save_png(tmp_path / "missing" / "a.png", picture(2, 2))


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"^cannot read .*a\.png: No such file or directory$"):
        load_png(tmp_path / "a.png")
    with pytest.raises(BadInput, match=r"^cannot read .*: Is a directory$"):
        load_png(tmp_path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (2, 2)).save(tmp_path / "bitmap.bmp")
    for name in ("text.png", "bitmap.bmp"):
        with pytest.raises(BadInput, match=f"{name} is not a PNG$"):
            load_png(tmp_path / name)


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def test_a_png_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    for size in (8193, 12_000, 60_000):  # too large for us, for Pillow's warning, and for Pillow
        header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
        bomb = (
            b"\x89PNG\r\n\x1a\n"
            + chunk(b"IHDR", header)
            + chunk(b"IDAT", zlib.compress(b"\0"))
            + chunk(b"IEND", b"")
        )
        (tmp_path / "bomb.png").write_bytes(bomb)
        with pytest.raises(BadInput, match=r"bomb\.png has more than 8192x8192 pixels"):
            load_png(tmp_path / "bomb.png")


def png(header: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    following = b"".join(chunk(name, data) for name, data in chunks)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + following + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("bits", "colours", "interlaced"), [(8, 6, 0), (8, 6, 1), (1, 0, 0), (16, 6, 1), (8, 2, 1)]
)
def test_a_png_that_cannot_hold_its_pixels_is_refused_before_they_take_memory(
    tmp_path: Path, bits: int, colours: int, interlaced: int
) -> None:
    header = struct.pack(">IIBBBBB", 8192, 8192, bits, colours, 0, 0, interlaced)
    path = tmp_path / "bomb.png"
    path.write_bytes(png(header, (b"IDAT", zlib.compress(bytes(50_000), 9))))
    with pytest.raises(BadInput, match="bytes cannot hold 8192x8192 pixels"):
        load_png(path)


def test_the_best_compressed_picture_is_read(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 8192, 8192, 1, 0, 0, 0, 0)
    path = tmp_path / "black.png"
    path.write_bytes(png(header, (b"IDAT", zlib.compress(bytes(8192 * 1025), 9))))
    assert load_png(path).shape == (8192, 8192, 4)


def test_an_animated_png_is_refused_by_that_name(tmp_path: Path) -> None:
    frame = zlib.compress(bytes(2 * (1 + 2 * 4)))
    control = struct.pack(">IIIIHHBB", 2, 2, 0, 0, 1, 10, 0, 0)
    path = tmp_path / "moves.png"
    path.write_bytes(
        png(
            struct.pack(">IIBBBBB", 2, 2, 8, 6, 0, 0, 0),
            (b"acTL", struct.pack(">II", 2, 0)),
            (b"fcTL", struct.pack(">I", 0) + control),
            (b"IDAT", frame),
            (b"fcTL", struct.pack(">I", 1) + control),
            (b"fdAT", struct.pack(">I", 2) + frame),
        )
    )
    with pytest.raises(BadInput, match=r"moves\.png is an animated PNG"):
        load_png(path)


CHUNKS = [
    b"IHDR", b"PLTE", b"tRNS", b"iCCP", b"tEXt", b"iTXt", b"zTXt", b"pHYs", b"gAMA", b"cHRM", b"sRGB",
    b"eXIf", b"IDAT", b"acTL", b"fcTL", b"fdAT", b"CgBI",
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(CHUNKS), st.binary(max_size=40)), max_size=4), st.integers(0, 4))
def test_chunks_that_make_no_sense_raise_nothing_but_bad_input(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[tuple[bytes, bytes]], at: int
) -> None:
    whole = [(b"IDAT", zlib.compress(bytes(9 * 37)))]
    path = tmp_path_factory.getbasetemp() / "odd.png"
    header = struct.pack(">IIBBBBB", 9, 9, 8, 6, 0, 0, 0)
    path.write_bytes(png(header, *chunks[:at], *whole, *chunks[at:]))
    assert outcome(path) in ("read", "refused in one line")


def test_a_fifo_is_no_png_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.png")
    with pytest.raises(BadInput, match=r"cannot read .*fifo\.png: not a regular file"):
        load_png(tmp_path / "fifo.png")


def test_a_text_in_a_png_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    save_png(tmp_path / "a.png", picture(9, 9))
    content = (tmp_path / "a.png").read_bytes()
    text = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(100_000_000)))
    (tmp_path / "a.png").write_bytes(content[:33] + text + content[33:])  # after the header
    with pytest.raises(BadInput, match=r"a\.png is a damaged PNG: "):
        load_png(tmp_path / "a.png")


def outcome(path: Path) -> str:
    try:
        load_png(path)
    except BadInput as error:
        return "refused in one line" if path.name in str(error) and "\n" not in str(error) else str(error)
    return "read"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_damaged_png_is_refused_or_read_but_never_raises_anything_else(
    tmp_path: Path, data: st.DataObject
) -> None:
    save_png(tmp_path / "a.png", picture(9, 9))
    content = bytearray((tmp_path / "a.png").read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    (tmp_path / "b.png").write_bytes(content)
    assert outcome(tmp_path / "b.png") in ("read", "refused in one line")


# Comparison


def test_a_picture_equals_itself() -> None:
    same = compare(picture(7, 5), picture(7, 5))
    assert same.equal
    assert (same.pixels, same.total, same.largest, same.bounds) == (0, 35, 0, EMPTY)
    assert str(same) == "equal"


def test_a_difference_says_how_many_how_much_and_where() -> None:
    first, second = picture(20, 10), picture(20, 10)
    first[3, 4], second[3, 4] = (10, 20, 30, 40), (10, 25, 30, 40)
    first[6, 9], second[6, 9] = (10, 20, 30, 255), (10, 20, 30, 0)
    difference = compare(first, second)
    assert not difference.equal
    assert (difference.pixels, difference.largest) == (2, 255)
    assert difference.bounds == Rect(4, 3, 6, 4)
    assert str(difference) == "2 of 200 pixels differ, by up to 255, within 6x4 at (4, 3)"
    marked = difference.image == difference.image[3, 4]
    assert np.argwhere(marked.all(axis=2)).tolist() == [[3, 4], [6, 9]]


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, 255))
def test_fuzz_forgives_as_much_as_it_says(a: int, b: int, fuzz: int) -> None:
    difference = compare(np.full((1, 1, 4), a, np.uint8), np.full((1, 1, 4), b, np.uint8), fuzz)
    assert difference.equal == (abs(a - b) <= fuzz)
    assert difference.largest == abs(a - b)


def test_pixels_that_only_one_picture_has_differ() -> None:
    wide, high = picture(6, 2), picture(3, 4)
    high[:2, :3] = wide[:2, :3]
    difference = compare(wide, high)
    assert (difference.pixels, difference.total, difference.largest) == (12, 18, 0)
    assert difference.bounds == Rect(0, 0, 6, 4)
    assert difference.image.shape == (4, 6, 4)
    assert str(difference).endswith("within 6x4 at (0, 0) (sizes 6x2 and 3x4)")
    empty = compare(wide, np.zeros((0, 0, 4), np.uint8))
    assert (empty.pixels, empty.equal) == (12, False)
