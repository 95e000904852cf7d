import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from compositor.compare import load_png
from compositor.compare.png import LARGEST_FILE
from compositor.errors import BadInput
from compositor.pixels.screenshot import save_png
from tests.compositor.compare.pngs import (
    CHANNELS,
    GREY,
    GREY_ALPHA,
    PALETTE,
    RGB,
    RGBA,
    chunk,
    header,
    made,
    picture,
    png,
)


def test_a_picture_comes_back_from_its_png(tmp_path: Path) -> None:
    saved = picture(7, 5)
    save_png(tmp_path / "a.png", saved)
    np.testing.assert_array_equal(load_png(tmp_path / "a.png"), saved)
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]


KINDS = [
    (1, GREY), (2, GREY), (4, GREY), (8, GREY), (16, GREY), (8, RGB), (16, RGB),
    (1, PALETTE), (2, PALETTE), (4, PALETTE), (8, PALETTE),
    (8, GREY_ALPHA), (16, GREY_ALPHA), (8, RGBA), (16, RGBA),
]  # fmt: skip


def by_definition(
    samples: NDArray[Any], depth: int, colour: int, palette: bytes, transparent: bytes | None
) -> list[list[tuple[int, ...]]]:
    """RGBA by the specification's words, a pixel at a time: sections 11.2.1, 11.2.2, 11.3.2.1 and 13.12."""
    most, levels = (1 << depth) - 1, 65535 if depth == 16 else 255

    def pixel(values: list[int]) -> tuple[int, ...]:
        if colour == PALETTE:
            index = values[0]
            alpha = transparent[index] if transparent is not None and index < len(transparent) else 255
            return (*palette[3 * index : 3 * index + 3], alpha)
        scaled = [value * levels // most for value in values]
        shown = scaled[:3] if colour in (RGB, RGBA) else scaled[:1] * 3
        if colour in (GREY_ALPHA, RGBA):
            return (*shown, scaled[-1])
        clear = transparent is not None and values == [
            int.from_bytes(transparent[2 * n : 2 * n + 2]) for n in range(len(values))
        ]
        return (*shown, 0 if clear else levels)

    return [[pixel(values) for values in row] for row in samples.tolist()]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_every_kind_of_png_is_read_as_the_specification_says(tmp_path: Path, data: st.DataObject) -> None:
    depth, colour = data.draw(st.sampled_from(KINDS))
    width, height = data.draw(st.integers(1, 19)), data.draw(st.integers(1, 9))
    random = np.random.default_rng(data.draw(st.integers(0, 9)))
    samples = random.integers(0, min(1 << depth, 200), (height, width, CHANNELS[colour]), np.uint16)
    palette, chunks, transparent = b"", [], None
    if colour == PALETTE:
        palette = random.bytes(3 << depth)
        chunks.append((b"PLTE", palette))
    if colour in (GREY, RGB, PALETTE) and data.draw(st.booleans()):
        some = samples[random.integers(height), random.integers(width)]
        transparent = random.bytes(1 << depth) if colour == PALETTE else some.astype(">u2").tobytes()
        chunks.append((b"tRNS", transparent))
    path = tmp_path / "a.png"
    path.write_bytes(made(samples, depth, colour, *chunks, interlaced=data.draw(st.booleans())))
    read = load_png(path)
    assert read.dtype == (np.uint16 if depth == 16 else np.uint8)
    assert read.tolist() == [
        [list(pixel) for pixel in row] for row in by_definition(samples, depth, colour, palette, transparent)
    ]


# Each of these files was read as if it were another one: Pillow has no mode for 16 bits a channel.


def test_16_bit_grey_is_not_clipped_to_8_bits(tmp_path: Path) -> None:
    for value in (0x4000, 0xC000, 5200, 9296):
        (tmp_path / "a.png").write_bytes(made(np.full((2, 2, 1), value), 16, GREY))
        assert (load_png(tmp_path / "a.png") == (value, value, value, 65535)).all()


def test_the_low_byte_of_16_bit_colours_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(made(np.full((2, 2, 3), (0x1234, 0x1235, 0x12FF)), 16, RGB))
    assert (load_png(tmp_path / "a.png") == (0x1234, 0x1235, 0x12FF, 65535)).all()


def test_a_transparent_16_bit_grey_is_transparent(tmp_path: Path) -> None:
    content = made(np.array([[[0x0102], [0x0103]]]), 16, GREY, (b"tRNS", b"\x01\x02"))
    (tmp_path / "a.png").write_bytes(content)
    assert load_png(tmp_path / "a.png")[0, :, 3].tolist() == [0, 65535]


def test_a_transparent_grey_of_few_bits_is_meant_in_those_bits(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(made(np.arange(16).reshape(1, 16, 1), 4, GREY, (b"tRNS", b"\0\5")))
    assert np.flatnonzero(load_png(tmp_path / "a.png")[0, :, 3] == 0).tolist() == [5]


def test_an_index_beyond_the_palette_is_black(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(made(np.array([[[0], [3]]]), 2, PALETTE, (b"PLTE", b"\1\2\3")))
    assert load_png(tmp_path / "a.png").tolist() == [[[1, 2, 3, 255], [0, 0, 0, 255]]]


def test_a_second_header_does_not_make_a_picture_larger(tmp_path: Path) -> None:
    large = (b"IHDR", header(8192, 8192, 8, RGBA))
    path = tmp_path / "a.png"
    path.write_bytes(png(header(2, 2, 8, RGBA), large, (b"IDAT", zlib.compress(bytes(18)))))
    with pytest.raises(BadInput, match=r"a\.png is a damaged PNG: it has two headers"):
        load_png(path)


def test_other_kinds_of_png_are_read_as_rgba(tmp_path: Path) -> None:
    Image.new("L", (3, 2), 9).save(tmp_path / "grey.png")
    Image.new("RGB", (3, 2), (1, 2, 3)).save(tmp_path / "rgb.png")
    assert (load_png(tmp_path / "grey.png") == (9, 9, 9, 255)).all()
    assert (load_png(tmp_path / "rgb.png") == (1, 2, 3, 255)).all()


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


def test_a_file_larger_than_any_screenshot_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save_png(path, picture(2, 2))
    os.truncate(path, LARGEST_FILE + 1)
    with pytest.raises(BadInput, match=r"cannot read .*a\.png: it has more than 1073741824 bytes"):
        load_png(path)


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
